"""The explorer: Datasette over the store, read-only, with a start page of its own. It works without the internet.

It is for people who ask in SQL, so it is made for SQLite: its saved queries, and the store's tables and views. It opens
the store's file by `risk.store.sqlite`. All else of the reporter asks a store by `risk.store.protocol`.
"""
