"""The store: what programs ask of it stands in `protocol`, and `sqlite/` answers, the only place that speaks SQL.

One object is used by one thread. Which database stands behind it is decided here.
"""

from risk.store.protocol import CommitStore, Store, StoreToReport
from risk.store.pruning import Pruned, prune
from risk.store.rows import (
    DID_NOTHING,
    GONE_AFTER_SECONDS,
    IF_DAMAGED,
    NO_CHALLENGER,
    FlagColumns,
    FlagRow,
    JudgedFlag,
    KnownLedger,
    LabelledFlag,
    LabelVersion,
    Outputs,
    Owner,
    Position,
    Refusal,
    Retraining,
    RetrainingEnd,
    Role,
    RowValues,
    Samples,
    SampleValues,
    ShadowColumns,
    ShadowPair,
    ShadowPiece,
    ShadowSpan,
    SharedFlag,
    ShareStart,
    StoredBundle,
    TakenOver,
    VersionStart,
)
from risk.store.sqlite.opening import frozen_store, open_store
from risk.store.sqlite.reading import open_to_report
from risk.store.sqlite.restoring import restore_store
from risk.store.sqlite.store import SqliteStore

__all__ = [
    "DID_NOTHING",
    "GONE_AFTER_SECONDS",
    "IF_DAMAGED",
    "NO_CHALLENGER",
    "CommitStore",
    "FlagColumns",
    "FlagRow",
    "JudgedFlag",
    "KnownLedger",
    "LabelVersion",
    "LabelledFlag",
    "Outputs",
    "Owner",
    "Position",
    "Pruned",
    "Refusal",
    "Retraining",
    "RetrainingEnd",
    "Role",
    "RowValues",
    "SampleValues",
    "Samples",
    "ShadowColumns",
    "ShadowPair",
    "ShadowPiece",
    "ShadowSpan",
    "ShareStart",
    "SharedFlag",
    "SqliteStore",
    "Store",
    "StoreToReport",
    "StoredBundle",
    "TakenOver",
    "VersionStart",
    "frozen_store",
    "open_store",
    "open_to_report",
    "prune",
    "restore_store",
]
