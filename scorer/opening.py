"""The store, as commands that change nothing open it."""

from pathlib import Path

from console.terminal import notice
from risk.store import SqliteStore, frozen_store, open_store


def store_to_read(path: Path) -> SqliteStore:
    store = open_store(path, read_only=True)
    if (text := frozen_store(path)) is not None:
        notice(text)
    return store
