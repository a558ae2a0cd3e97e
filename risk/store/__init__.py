"""The door to the store: one SQLite file that several processes write, and the only place that speaks SQL.

What a program may ask stands in `store.Store`, so that another database can stand behind it later.
"""

from risk.store.opening import frozen_store, open_store, uri_to_read
from risk.store.pruning import Pruned
from risk.store.restoring import restore_store
from risk.store.rows import FlagRow, KnownLedger, Outputs, Owner, Position, RowValues, StoredBundle, Taken
from risk.store.store import Store

__all__ = [
    "FlagRow",
    "KnownLedger",
    "Outputs",
    "Owner",
    "Position",
    "Pruned",
    "RowValues",
    "Store",
    "StoredBundle",
    "Taken",
    "frozen_store",
    "open_store",
    "restore_store",
    "uri_to_read",
]
