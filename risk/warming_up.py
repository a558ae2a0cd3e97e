"""How much of the past a score could see. In a cold start that is less than its features look at.

Where the past begins is a fact of the log that the store keeps: the first scored transaction of the partition, and the
first day of the ledger with a transaction. What memory, pruning or a backup left does not matter, so that a worker, its
successor, one with a new store and the audit say the same.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from risk.catalogue import HISTORY_FEATURES, LEDGER_FEATURES
from risk.clock import DAY, day_of, to_date, to_text
from risk.ledger_day import LedgerTerms
from risk.words import counted


class Horizon(NamedTuple):
    """How many whole days of the past a bundle's features look at; 0 where it has none of that kind."""

    history: int  # the customers' own transactions
    ledger: int  # the merchant ledger: its longest window, and the label delay after which that ends
    ledger_terms: LedgerTerms

    @property
    def longest(self) -> int:
        return max(self.history, self.ledger)


class LogStart(NamedTuple):
    """Where the past of a partition begins. None: not known, or nothing there yet."""

    first_event: int | None = None  # event time of its first scored transaction, in the order of the log
    first_ledger_day: int | None = None  # the ledger's first with a transaction


class WarmingUp(Struct, frozen=True):
    """The newest score could see so many of the days that its longest window needs; from `until` on nothing lacks."""

    days: int
    needed: int
    until: int

    def __str__(self) -> str:
        return f"warming up until {to_date(day_of(self.until))}: {self.days} of {self.needed} days"


class LabelSilence(Struct, frozen=True):
    """No label came for longer than the label delay: ledger days are closed without the frauds that there were."""

    newest: int | None  # the latest labelled_at; None where no label ever came
    behind_ms: int  # the newest scored transaction, in event time
    label_delay: int

    def __str__(self) -> str:
        since = "no label has come yet" if self.newest is None else f"the newest label is of {to_text(self.newest)}"
        behind = counted(self.behind_ms // DAY, "day", "days")
        return (
            f"labels overdue: {since}, {behind} of transactions ago; the label delay is {self.label_delay} days. "
            "merchant_fraud and merchant_risk count no fraud of the days without labels: scores are too low"
        )


class _Feature(Struct):
    name: str


class _Manifest(Struct):
    features: tuple[_Feature, ...]
    label_delay_days: int
    bucket_ms: int


_manifests = msgspec.json.Decoder(_Manifest)


def horizon_of(features: Iterable[str], terms: LedgerTerms) -> Horizon:
    used = set(features)
    history = max((feature.window_days for feature in HISTORY_FEATURES if feature.name in used), default=0)
    ledger = max((feature.window_days for feature in LEDGER_FEATURES if feature.name in used), default=0)
    return Horizon(history, ledger + terms.label_delay_days if ledger else 0, terms)


def horizon_of_manifest(manifest: str | bytes) -> Horizon | None:
    """Out of a bundle's manifest as the store has it; None where it cannot be read, as that of another version."""
    try:
        said = _manifests.decode(manifest)
    except msgspec.DecodeError:
        return None
    terms = LedgerTerms(said.label_delay_days, said.bucket_ms)
    return horizon_of((feature.name for feature in said.features), terms)


def history_days(horizon: Horizon, start: LogStart, event_time: int, ledger_day: int | None) -> int | None:
    """How many whole days of the past this score could see, where that is less than it needs; None where it is not, and
    where the beginning is not known. `ledger_day`: the one that its flag names."""
    return min((seen for seen, _ in _short(horizon, start, event_time, ledger_day)), default=None)


def history_days_of(
    horizon: Horizon, start: LogStart, event_times: Sequence[int], ledger_days: Sequence[int | None]
) -> Sequence[int | None]:
    """The same for a batch, which nearly always needs one look."""
    warm = warm_from(horizon, start)
    if start.first_event is None or not event_times:
        return [None] * len(event_times)
    if min(event_times) >= warm and not (horizon.ledger and None in ledger_days):
        return [None] * len(event_times)
    first, known, found = start.first_event, {}, []
    for event_time, ledger_day in zip(event_times, ledger_days, strict=True):
        # Nothing else decides it, and a batch has a few of these.
        days = (event_time - first) // DAY, event_time // DAY, ledger_day
        if days not in known:
            known[days] = history_days(horizon, start, event_time, ledger_day)
        found.append(known[days])
    return found


def warm_from(horizon: Horizon, start: LogStart) -> int:
    """The event time from which on nothing lacks, of a partition whose beginning is known."""
    first, day = start.first_event or 0, start.first_ledger_day
    ledger = (day + 1 + horizon.ledger) * DAY if day is not None and horizon.ledger else first
    return max(first + horizon.history * DAY, ledger)


def warming_up(horizon: Horizon, start: LogStart, newest: int) -> WarmingUp | None:
    """How it stands at that event time. Until the ledger has a day, it is taken to begin where the partition does."""
    if start.first_event is None:
        return None
    if start.first_ledger_day is None:
        start = start._replace(first_ledger_day=day_of(start.first_event))
    first, reached = start.first_ledger_day, day_of(newest) - horizon.ledger_terms.label_delay_days
    short = _short(horizon, start, newest, reached if first is not None and reached >= first else None)
    if not short:
        return None
    return WarmingUp(min(seen for seen, _ in short), max(needed for _, needed in short), warm_from(horizon, start))


def warming_up_of(standing: Iterable[tuple[Horizon, LogStart, int]]) -> WarmingUp | None:
    """What holds for several partitions together, each with its beginning and its newest event time."""
    found = [one for one in (warming_up(*each) for each in standing) if one is not None]
    if not found:
        return None
    return WarmingUp(min(one.days for one in found), max(one.needed for one in found), max(one.until for one in found))


def label_silence(
    horizons: Iterable[Horizon],
    starts: Iterable[tuple[int | None, int | None]],
    newest_label: int | None,
) -> LabelSilence | None:
    """Where a ledger is in use, and the newest label lies further back than the label delay; of several, the shortest.
    `starts`: of each partition the first and the newest event time; since the first there is something to label."""
    partitions = list(starts)
    newest_event = max((newest for _, newest in partitions if newest is not None), default=None)
    since = newest_label
    if since is None:
        since = min((first for first, _ in partitions if first is not None), default=None)
    if newest_event is None or since is None:
        return None
    delays = {one.ledger_terms.label_delay_days for one in horizons if one.ledger}
    passed = [delay for delay in delays if newest_event - since > delay * DAY]
    return LabelSilence(newest_label, newest_event - since, min(passed)) if passed else None


def _short(horizon: Horizon, start: LogStart, event_time: int, ledger_day: int | None) -> list[tuple[int, int]]:
    """Days seen and days needed, where these are more."""
    if start.first_event is None or (ledger_day is not None and start.first_ledger_day is None):
        return []
    each = [(max(0, (event_time - start.first_event) // DAY), horizon.history)]
    if ledger_day is None or start.first_ledger_day is None:
        # No day was known that lies a label delay back.
        each.append((horizon.ledger_terms.label_delay_days - 1, horizon.ledger))
    else:
        # The ledger may have begun in the middle of its first day: the next one is the first whole one.
        each.append((day_of(event_time) - start.first_ledger_day - 1, horizon.ledger))
    return [(seen, needed) for seen, needed in each if seen < needed]
