"""The working tree beside one of its own commits."""
