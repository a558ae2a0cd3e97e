"""The explorer: Datasette over the store, read-only, with a start page of its own. It works without the internet."""
