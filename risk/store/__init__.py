"""The door to the store: one SQLite file that several processes write, and the only place that speaks SQL.

What a program may ask stands in `store.Store`, so that another database can stand behind it later.
"""

from risk.store.opening import open_store
from risk.store.pruning import Pruned
from risk.store.restoring import restore_store
from risk.store.rows import FlagRow, Outputs, Owner, Position, StoredBundle, Taken
from risk.store.store import Store

__all__ = [
    "FlagRow",
    "Outputs",
    "Owner",
    "Position",
    "Pruned",
    "Store",
    "StoredBundle",
    "Taken",
    "open_store",
    "restore_store",
]
