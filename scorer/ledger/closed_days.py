"""Closed ledger days in memory: what the topic brought, for the pipelines that want it and the buffer that waits."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from risk.block import Block
from risk.bundle import Manifest
from risk.codes import Array
from risk.horizon import ledger_horizon
from risk.ledger_day import LedgerDay, LedgerTerms
from risk.ledger_log import ClosedDay
from risk.store import Position, Store


class DayQueue:
    """The days of one ledger, for one pipeline: a `DaySource`. Days before the first with a transaction
    only say that there is nothing yet."""

    def __init__(self, days: Iterable[ClosedDay], *, has_begun: bool) -> None:
        self._has_begun = has_begun
        self._days: deque[LedgerDay] = deque()
        for day in days:
            self.add(day)

    def add(self, day: ClosedDay) -> None:
        self._has_begun = self._has_begun or day.transactions > 0
        if self._has_begun:
            self._days.append(day.closed)

    def __len__(self) -> int:
        """How many days it keeps until they are asked for."""
        return len(self._days)

    def forget_before(self, day: int) -> None:
        """The engine, which knows better, refuses who asks for these. In the thread that asks for days."""
        while self._days and self._days[0].day < day:
            self._days.popleft()

    def see(self, block: Block, rows: Array) -> None:
        """The closer closes days from the store; nothing is to be remembered here."""

    def closed_until(self, day: int) -> Iterator[LedgerDay]:
        """Never waits: the buffer has waited."""
        while self._days and self._days[0].day <= day:
            yield self._days.popleft()


class LedgerDays:
    """The newest closed day of each ledger, and who wants to hear of new ones."""

    def __init__(self, ours: LedgerTerms) -> None:
        self._ours = ours
        self._newest: dict[LedgerTerms, int] = {}
        self._first: dict[LedgerTerms, int] = {}  # the first with a transaction: where a ledger begins
        self._sources: list[tuple[LedgerTerms, DayQueue]] = []
        self.arrived: Callable[[], None] = lambda: None  # somebody waits for days

    def know(self, terms: LedgerTerms, first: int | None, newest: int) -> None:
        """How far the store has it, and the first day with a transaction, if there is one yet."""
        self._newest[terms] = newest
        if first is not None:
            self._first[terms] = first

    def add(self, day: ClosedDay) -> None:
        terms = day.closed.terms
        # Before it is handed to a pipeline, which may score with it at once.
        if day.transactions:
            self._first.setdefault(terms, day.closed.day)
        for wanted, source in self._sources:
            if wanted == terms:
                source.add(day)
        self._newest[terms] = day.closed.day
        self.arrived()

    def follow(self, terms: LedgerTerms, source: DayQueue) -> None:
        self._sources.append((terms, source))

    def leave(self, source: DayQueue) -> None:
        self._sources = [(terms, other) for terms, other in self._sources if other is not source]

    @property
    def kept(self) -> int:
        """How many days lie in memory for somebody to ask for them."""
        return sum(len(source) for _, source in self._sources)

    @property
    def newest(self) -> int | None:
        return self.newest_of(self._ours)

    def newest_of(self, terms: LedgerTerms) -> int | None:
        return self._newest.get(terms)

    def first_of(self, terms: LedgerTerms) -> int | None:
        """The first day with a transaction."""
        return self._first.get(terms)

    def is_known(self, day: int, terms: LedgerTerms | None = None) -> bool:
        newest = self._newest.get(terms or self._ours)
        return newest is not None and day <= newest

    def went_without(self, needed: int, used: int | None, terms: LedgerTerms | None = None) -> bool:
        """Whether a flag that needed this day and used that one went on without what was due."""
        first = self._first.get(terms or self._ours)
        if used is not None:
            return used < needed
        return not self.is_known(needed, terms) if first is None else needed >= first


NEVER = -(1 << 62)


def slowest(positions: Iterable[Position], transactions: str, ends: Mapping[int, int]) -> int:
    """The newest event time of the partition furthest behind. `ends`: where each partition's log ends.

    One of which nothing was ever scored may begin anywhere, if there are records that wait for it; one that is read to
    its end is like any other: what comes from now on is not older than what the others have.
    """
    taken = {position.partition: position for position in positions if position.topic == transactions}
    known = [position.newest_event_time for position in taken.values() if position.newest_event_time is not None]
    for partition, end in ends.items():
        position = taken.get(partition)
        if position is None or (position.newest_event_time is None and position.next_offset < end):
            return NEVER
    return min(known, default=NEVER)


def days_within_reach(
    topic: str, ends: Mapping[int, int], manifest: Manifest, store: Store
) -> tuple[int, bool, list[ClosedDay]]:
    """How far the slowest partition has come, the closed days that transactions of any partition can need, and whether
    the ledger had begun before them."""
    reached = slowest(store.positions(), topic, ends)
    since = ledger_horizon_of(reached, manifest)
    _, begun_day, last_day = store.ledger_bounds(manifest.terms.ledger_terms)
    if last_day is not None:
        since = min(since, last_day)
    return (
        reached,
        begun_day is not None and begun_day < since,
        list(store.ledger_days(manifest.terms.ledger_terms, since)),
    )


def ledger_horizon_of(slowest: int, manifest: Manifest) -> int:
    return ledger_horizon(slowest, manifest.max_lateness_ms, manifest.label_delay_days)
