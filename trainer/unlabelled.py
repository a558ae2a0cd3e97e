"""Whether labels are missing where the merchant ledger would read them, and what is wrong with the features then.

The ledger takes a fraud that nobody reported for none. So a file without labels, or with days of which no label is
there, gives other features than a worker had, and nothing shows it. Looked at is what the ledger sees: labels that
were known when their day was closed, and those of which no time is known, as many files have them of what is genuine.
So labels that come later are never missed, and the last days of a file, whose labels are still to come, neither.
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


class Gaps(NamedTuple):
    """What labels are missing of the days that were looked at."""

    looked_at: Span
    runs: tuple[Span, ...]
    is_late: bool  # there are labels, and all came after their day was closed
    delay: int
    is_sure: bool = True  # not where frauds that came in bursts would look the same

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
        if self.runs == (self.looked_at,):
            return f"no transaction from {self.looked_at} has a label"
        more = f" and {len(self.runs) - NAMED} more runs of days" if len(self.runs) > NAMED else ""
        days = sum(run.last - run.first + 1 for run in self.runs)
        return (
            f"no transaction of {', '.join(map(str, self.runs[:NAMED]))}{more} has a label ({days} of "
            f"{self.looked_at.last - self.looked_at.first + 1} days)"
        )

    def sentence(self, features: Sequence[str]) -> str:
        there = "" if self.runs == (self.looked_at,) else " there"
        return (
            f"{self.reason}, so the merchant ledger sees no fraud{there}. Scores are lower than a worker's with "
            f"labels, because of {', '.join(features)}"
        )


class LabelledDays:
    """Counts transactions and labels by day."""

    def __init__(self, label_delay_days: int) -> None:
        self._delay = label_delay_days
        self._horizon_days = horizon_of(
            (feature.name for feature in LEDGER_FEATURES), LedgerTerms(label_delay_days, DAY)
        ).ledger
        self._days: dict[int, np.ndarray] = {}  # transactions, labels seen, frauds, frauds in time

    def add(self, times: np.ndarray, is_fraud: np.ndarray, labelled_at: np.ndarray) -> None:
        inside = (times >= EARLIEST) & (times < LATEST)
        days, label, when = times[inside] // DAY, is_fraud[inside], labelled_at[inside]
        if not len(days):
            return
        in_time = (when >= days * DAY) & (when < label_cutoff(days, self._delay))
        seen = (label >= 0) & (in_time | (when < 0))
        reported = (label == 1) & (when >= 0)
        marks = np.stack([np.ones(len(days), bool), seen, reported, reported & in_time])
        present, place = np.unique(days, return_inverse=True)
        counts = np.stack([np.bincount(place, weights=mark, minlength=len(present)) for mark in marks], axis=1)
        for day, count in zip(present.tolist(), counts.astype(np.int64), strict=True):
            self._days[day] = self._days[day] + count if day in self._days else count

    def gaps(self, span: Span) -> Gaps | None:
        """Of the transactions of these days; None where nothing is missing that they could see."""
        looked_at = [day for day in sorted(self._days) if span.first - self._horizon_days <= day]
        looked_at = [day for day in looked_at if day <= span.last - self._delay]
        if not looked_at:
            return None
        counts = np.array([self._days[day] for day in looked_at])
        whole = Span(looked_at[0], looked_at[-1])
        _, seen, reported, in_time = counts.sum(axis=0).tolist()
        is_late = reported >= LEAST_REPORTED and not in_time
        if is_late or not seen:
            return Gaps(whole, (whole,), is_late, self._delay)
        names_frauds_only = counts[:, 3].sum() * 2 > seen
        empty = list(_runs(counts[:, 1] == 0))
        unlikely = [run for run in empty if _chance(counts, run, by_days=names_frauds_only) < CHANCE]
        is_sure = not names_frauds_only or any(self._is_sure(run, empty, looked_at) for run in unlikely)
        if not unlikely and names_frauds_only and _chance_together(counts[:, 1]) < CHANCE:
            unlikely = empty
        runs = tuple(Span(looked_at[first], looked_at[last]) for first, last in unlikely)
        return Gaps(whole, runs, is_late=False, delay=self._delay, is_sure=is_sure) if runs else None

    def _is_sure(self, run: Run, runs: Sequence[Run], looked_at: Sequence[int]) -> bool:
        """Of a file that names frauds only: longer than its bursts are apart, and not before its first fraud."""
        length, others = run[1] - run[0] + 1, [last - first + 1 for first, last in runs if (first, last) != run]
        # Were all runs alike, each would end on each day with this chance; one of them may well be the longest by far.
        goes_on = 1 - len(others) / sum(others) if others else 0.0
        is_long = length >= TIMES_AS_LONG * max(others, default=1) and len(runs) * goes_on ** (length - 1) < CHANCE
        return is_long and any(count[1] for day, count in self._days.items() if day < looked_at[run[0]])


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
