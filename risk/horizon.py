"""How far back anything can still matter. Histories, the ledger, restarts and pruning all ask here.

Features look back 30 days at most. A transaction may be as late as its bundle allows behind the newest of its
partition, and so may the earlier one that it repeats.
"""

from risk.catalogue import HISTORY_FEATURES, LEDGER_FEATURES
from risk.clock import DAY

LONGEST_WINDOW_DAYS = max(feature.window_days for feature in (*HISTORY_FEATURES, *LEDGER_FEATURES))


def history_horizon(newest: int, max_lateness_ms: int) -> int:
    """What happened then or earlier matters to no transaction that may still come; `newest`: the newest event time of
    its partition."""
    return newest - LONGEST_WINDOW_DAYS * DAY - 2 * max_lateness_ms


def oldest_ledger_day(event_time: int, label_delay_days: int) -> int:
    """The first ledger day that this transaction looks at. Buckets divide a day, so a window that begins with any of
    its buckets begins within that day."""
    return event_time // DAY - label_delay_days - LONGEST_WINDOW_DAYS


def ledger_horizon(slowest: int, max_lateness_ms: int, label_delay_days: int) -> int:
    """The first ledger day that a transaction may still look at; `slowest`: the newest event time of the partition
    furthest behind."""
    return oldest_ledger_day(slowest - max_lateness_ms, label_delay_days)
