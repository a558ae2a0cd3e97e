"""Whether labels are missing where the merchant ledger would read them, and what is wrong with the features then.

The ledger takes a fraud that nobody reported for none. So a file without labels, or with days of which no label is
there, gives other features than a worker had, and nothing shows it. Looked at is what the ledger sees: labels that
were known when their day was closed, and those of which no time is known, as many files have them of what is genuine.
So labels that come later are never missed, and the last days of a file, whose labels are still to come, neither.

A fraud whose label has no time was never reported: some are. Where all are, or all of many days, the times are missing.
"""

from collections.abc import Iterator, Sequence
from math import exp, lgamma, log
from typing import NamedTuple

import numpy as np

from risk.catalogue import LEDGER_FEATURES
from risk.clock import DAY, EARLIEST, LATEST, to_datetime
from risk.ledger_day import LedgerTerms, label_cutoff
from risk.warming_up import horizon_of
from risk.words import counted

# So unlikely must a run of days without a label be by chance before it is called missing; a file has a few hundred.
CHANCE = 1e-6
# Where labels name frauds only, a run of days without one is refused if it is so many times as long as any other.
TIMES_AS_LONG = 3
LEAST_REPORTED = 30  # frauds: of fewer, all may be late by chance
NAMED = 5  # runs of days in one sentence

Run = tuple[int, int]  # first and last place among the days


class Span(NamedTuple):
    """Days, both included."""

    first: int
    last: int

    @property
    def dates(self) -> tuple[str, str]:
        first, last = (to_datetime(day * DAY).date().isoformat() for day in self)
        return first, last

    def __str__(self) -> str:
        first, last = self.dates
        return first if first == last else f"{first} to {last}"


class Unlabelled(NamedTuple):
    """Transactions of which nobody knows whether they were frauds, and days that have no others."""

    transactions: int
    of: int
    days: tuple[int, ...]
    of_days: int  # that have transactions

    def __str__(self) -> str:
        said = f"{self.transactions:,} of {counted(self.of, 'transaction has', 'transactions have')} no label"
        if not self.days:
            return said
        runs = np.split(np.array(self.days), np.flatnonzero(np.diff(self.days) > 1) + 1)
        spans = [Span(int(run[0]), int(run[-1])) for run in runs]
        all_days = counted(self.of_days, "day has", "days have")
        return f"{said}; {len(self.days):,} of {all_days} none at all: {_listed(spans)}"


class Gaps(NamedTuple):
    """What labels are missing of the days that were looked at."""

    looked_at: Span
    runs: tuple[Span, ...]  # of days without a label
    delay: int
    is_late: bool = False  # there are labels, and all came after their day was closed
    is_sure: bool = True  # not where frauds that came in bursts would look the same
    untimed: tuple[Span, ...] = ()  # runs of days with frauds, of none of which it is said when it was known

    @property
    def headline(self) -> str:
        return "LABELS ARE MISSING" if self.is_sure else "LABELS MAY BE MISSING"

    @property
    def reason(self) -> str:
        if self.is_late:
            return (
                f"all frauds from {self.looked_at} were reported later than {counted(self.delay - 1, 'day', 'days')} "
                "after the day, when the merchant ledger has closed it"
            )
        said = []
        if self.runs:
            said.append(self._of("transaction", self.runs, "has a label"))
        if self.untimed:
            said.append(self._of("fraud", self.untimed, "has a time at which its label was known (labelled_at)"))
        return ", and ".join(said)

    def _of(self, what: str, runs: Sequence[Span], lacks: str) -> str:
        if self._is_everywhere(runs):
            return f"no {what} from {self.looked_at} {lacks}"
        days = sum(run.last - run.first + 1 for run in runs)
        whole = self.looked_at.last - self.looked_at.first + 1
        of_days = f"{days:,} of the {whole:,} days from {self.looked_at}, whose labels are due"
        return f"no {what} of {_listed(runs)} {lacks} ({of_days})"

    def _is_everywhere(self, runs: Sequence[Span]) -> bool:
        return tuple(runs) == (self.looked_at,)

    @property
    def all_runs(self) -> tuple[Span, ...]:
        return tuple(sorted((*self.runs, *self.untimed)))

    def sentence(self, features: Sequence[str]) -> str:
        there = "" if self._is_everywhere(self.all_runs) else " there"
        return (
            f"{self.reason}, so the merchant ledger sees no fraud{there}. Scores are lower than a worker's with "
            f"labels, because of {', '.join(features)}"
        )


def _listed(runs: Sequence[Span]) -> str:
    more = f" and {len(runs) - NAMED} more runs of days" if len(runs) > NAMED else ""
    return ", ".join(map(str, runs[:NAMED])) + more


class LabelledDays:
    """Counts transactions and labels by day."""

    def __init__(self, label_delay_days: int) -> None:
        self._delay = label_delay_days
        self._horizon_days = horizon_of(
            (feature.name for feature in LEDGER_FEATURES), LedgerTerms(label_delay_days, DAY)
        ).ledger
        # Transactions, labels seen, reported frauds, those in time, all frauds, labels with a time, labels.
        self._days: dict[int, np.ndarray] = {}

    def add(self, times: np.ndarray, is_fraud: np.ndarray, labelled_at: np.ndarray) -> None:
        inside = (times >= EARLIEST) & (times < LATEST)
        days, label, when = times[inside] // DAY, is_fraud[inside], labelled_at[inside]
        if not len(days):
            return
        in_time = (when >= days * DAY) & (when < label_cutoff(days, self._delay))
        seen = (label >= 0) & (in_time | (when < 0))
        reported = (label == 1) & (when >= 0)
        known, timed = label >= 0, (label >= 0) & (when >= 0)
        marks = np.stack([np.ones(len(days), bool), seen, reported, reported & in_time, label == 1, timed, known])
        present, place = np.unique(days, return_inverse=True)
        counts = np.stack([np.bincount(place, weights=mark, minlength=len(present)) for mark in marks], axis=1)
        for day, count in zip(present.tolist(), counts.astype(np.int64), strict=True):
            self._days[day] = self._days[day] + count if day in self._days else count

    @property
    def unlabelled(self) -> Unlabelled:
        """Of all that was counted, whether labels are due or not."""
        silent = tuple(day for day in sorted(self._days) if not self._days[day][6])
        transactions, labels = (sum(int(count[place]) for count in self._days.values()) for place in (0, 6))
        return Unlabelled(transactions - labels, transactions, silent, len(self._days))

    def gaps(self, span: Span) -> Gaps | None:
        """Of the transactions of these days; None where nothing is missing that they could see."""
        looked_at = [day for day in sorted(self._days) if span.first - self._horizon_days <= day]
        looked_at = [day for day in looked_at if day <= span.last - self._delay]
        if not looked_at:
            return None
        counts = np.array([self._days[day] for day in looked_at])
        whole = Span(looked_at[0], looked_at[-1])
        _, seen, reported, in_time, frauds, timed, _ = counts.sum(axis=0).tolist()
        is_late = reported >= LEAST_REPORTED and not in_time
        if is_late or not seen:
            return Gaps(whole, (whole,), self._delay, is_late)
        if not reported and (frauds >= LEAST_REPORTED or (frauds and not timed)):
            return Gaps(whole, (), self._delay, untimed=(whole,))
        untimed = _untimed(counts, looked_at)
        names_frauds_only = counts[:, 3].sum() * 2 > seen
        empty = list(_runs(counts[:, 1] == 0))
        unlikely = [run for run in empty if _chance(counts, run, by_days=names_frauds_only) < CHANCE]
        is_sure = not names_frauds_only or any(self._is_sure(run, empty, looked_at) for run in unlikely)
        if not unlikely and names_frauds_only and _chance_together(counts[:, 1]) < CHANCE:
            unlikely = empty
        runs = tuple(Span(looked_at[first], looked_at[last]) for first, last in unlikely)
        if not runs and not untimed:
            return None
        return Gaps(whole, runs, self._delay, is_sure=is_sure or bool(untimed), untimed=untimed)

    def _is_sure(self, run: Run, runs: Sequence[Run], looked_at: Sequence[int]) -> bool:
        """Of a file that names frauds only: longer than its bursts are apart, and not before its first fraud."""
        length, others = run[1] - run[0] + 1, [last - first + 1 for first, last in runs if (first, last) != run]
        # Were all runs alike, each would end on each day with this chance; one of them may well be the longest by far.
        goes_on = 1 - len(others) / sum(others) if others else 0.0
        is_long = length >= TIMES_AS_LONG * max(others, default=1) and len(runs) * goes_on ** (length - 1) < CHANCE
        return is_long and any(count[1] for day, count in self._days.items() if day < looked_at[run[0]])


def _untimed(counts: np.ndarray, looked_at: Sequence[int]) -> tuple[Span, ...]:
    """Days are counted that have frauds, and not frauds: those of one burst are reported together, or never."""
    with_fraud = np.flatnonzero(counts[:, 4])
    days = np.stack([np.ones(len(with_fraud), np.int64), counts[with_fraud, 2]], axis=1)
    runs = [run for run in _runs(days[:, 1] == 0) if _chance(days, run, by_days=True) < CHANCE]
    return tuple(Span(*(looked_at[with_fraud[place]] for place in run)) for run in runs)


def _runs(empty: np.ndarray) -> Iterator[Run]:
    """First and last place of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], empty, [False]]).astype(np.int8)))
    for first, behind in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield first, behind - 1


def _chance(counts: np.ndarray, run: Run, *, by_days: bool) -> float:
    """How likely none of these days has a label, if as many labels fell anywhere among all transactions.

    `by_days`: where labels name frauds only, a calm time has none, and frauds come in bursts: then days are counted,
    of which some have labels, and not transactions.
    """
    first, last = run
    if by_days:
        places, taken, length = len(counts), int((counts[:, 1] > 0).sum()), last - first + 1
    else:
        places, taken = int(counts[:, 0].sum()), int(counts[:, 1].sum())
        length = int(counts[first : last + 1, 0].sum())
    return exp(_log_ways(places - length, taken) - _log_ways(places, taken))


def _chance_together(frauds: np.ndarray) -> float:
    """How likely so many days have none, wherever they lie, given the frauds of the other days; at most so much.

    Where most days have none, frauds come in bursts, and their number says nothing of these days.
    """
    some = frauds[frauds > 0]
    share = 1 - len(some) / len(frauds)
    if not 0 < share < 0.5:
        return 1.0
    # Mean and variance of all days, were these the days with a fraud: E[n] = E[n | n > 0] (1 - P(0)), until P(0) fits.
    mean, square, none = float(some.mean()), float((some.astype(np.float64) ** 2).mean()), 0.0
    for _ in range(200):
        rate = mean * (1 - none)
        spread = max(square / mean - rate, 1 + 1e-9)  # variance over mean; 1 of Poisson, more of a negative binomial
        none = max(exp(-rate * log(spread) / (spread - 1)), 1e-300)
    if share <= none:
        return 1.0
    further = share * log(share / none) + (1 - share) * log((1 - share) / (1 - none))
    return exp(-len(frauds) * further)  # Chernoff's bound of the binomial distribution


def _log_ways(places: int, taken: int) -> float:
    """Of choosing so many places."""
    return lgamma(places + 1) - lgamma(taken + 1) - lgamma(places - taken + 1)
