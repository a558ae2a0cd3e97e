"""What of a store may go because it is old: nothing that a restart or the ledger can still ask for."""

from collections.abc import Collection
from typing import NamedTuple

from risk.clock import DAY, to_date, to_text
from risk.horizon import history_horizon, ledger_horizon
from risk.ledger_day import LedgerTerms
from risk.store.protocol import Store
from risk.store.rows import Position


class Pruned(NamedTuple):
    flags: int
    labels: int
    ledger_rows: int
    kept: list[str]  # what had to stay though it is old enough, and why
    whole_from: int | None = None  # the first UTC day of which no flag is gone, if any is


class _Limit(NamedTuple):
    """Rows of a partition with an earlier event time may go; `why` they may not go later than that, if so."""

    partition: int
    before: int
    why: str | None


def prune(
    store: Store,
    transactions: str,
    *,
    older_than_ms: int,
    max_lateness_ms: int,
    ledgers: Collection[LedgerTerms],
) -> Pruned:
    """Flags, labels and ledger rows older than that, as counted back from the newest event time there is.

    What stays: what histories are rebuilt from, and what days are closed from that are not closed yet in one of
    the `ledgers`. Offsets are not touched.
    """
    positions = [p for p in store.positions() if p.topic == transactions and p.newest_event_time is not None]
    if not positions:
        return Pruned(0, 0, 0, ["nothing was scored yet"])
    wanted = max(_newest(position) for position in positions) - older_than_ms
    limits = [_limit(store, position, wanted, max_lateness_ms, ledgers) for position in positions]
    ledger_days = {}
    if len(positions) == _partitions_of_the_log(store, len(positions)):
        slowest = min(_newest(position) for position in positions)
        for terms, _, newest_closed, _ in store.ledgers():
            horizon = ledger_horizon(slowest, max_lateness_ms, terms.label_delay_days)
            # The newest day of all stays, however old: a pipeline of that ledger begins with it.
            ledger_days[terms] = min(wanted // DAY, horizon, newest_closed)
    flags, labels, rows = store.remove(
        {limit.partition: limit.before for limit in limits},
        # A label never tells of a transaction after it, so that below all limits there is nothing left to tell of.
        min(limit.before for limit in limits),
        ledger_days,
    )
    whole_from = -(-max(limit.before for limit in limits) // DAY) if flags else None
    return Pruned(flags, labels, rows, [text for limit in limits for text in _kept(store, limit, wanted)], whole_from)


def _partitions_of_the_log(store: Store, at_least: int) -> int:
    """A partition of which nothing was scored yet may begin anywhere: it may need every day of the ledger."""
    identity = store.identity()
    return at_least if identity is None else max(identity.partitions, at_least)


def _limit(
    store: Store, position: Position, wanted: int, max_lateness_ms: int, ledgers: Collection[LedgerTerms]
) -> _Limit:
    rebuilt = history_horizon(_newest(position), max_lateness_ms)
    bounds: list[tuple[int, str | None]] = [
        (wanted, None),
        (rebuilt, f"histories are rebuilt from {to_text(rebuilt)} on"),
    ]
    for terms in ledgers:
        _, _, newest_closed = store.ledger_bounds(terms)
        of = f"(label delay {terms.label_delay_days} d, bucket {terms.bucket_ms // 1000} s)"
        if newest_closed is None:
            bounds.append((0, f"no day of the ledger {of} is closed yet"))
        else:
            first_open = newest_closed + 1
            bounds.append((first_open * DAY, f"day {to_date(first_open)} of the ledger {of} is not closed yet"))
    before, why = min(bounds, key=lambda bound: bound[0])
    # What came after the first may be older, by the lateness. By the first one a history tells whether any is gone.
    if position.first_event_time is not None and before <= position.first_event_time:
        before = 0
    return _Limit(position.partition, before, why)


def _kept(store: Store, limit: _Limit, wanted: int) -> list[str]:
    rows = 0 if limit.why is None else store.count_flags(limit.partition, limit.before, wanted)
    return [f"partition {limit.partition}: {rows} flags stay, because {limit.why}"] if rows else []


def _newest(position: Position) -> int:
    assert position.newest_event_time is not None
    return position.newest_event_time
