"""A challenger in the shadow beside the bundle in use: what both said of the same transactions, whose cases they would
have opened, and, as far as labels are due, which of the two was right, at equal work.

Only transactions that both scored count, so that whatever was given up is lacking on both sides alike. Of a transaction
whose label is due and did not come, nobody reported a fraud: it counts as genuine, as in training.

What the challenger decided itself, for its share of the customers, has no score of the bundle in use: of the other
customers both are compared, with their part of the work. How the two groups of customers fared stands beside that.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from evaluation.bootstrap import CONFIDENCE
from evaluation.comparison import caught_at, paired
from evaluation.live_days import COUNTED, LEARNED, NOT_DUE, Calendar, Traffic
from evaluation.money import Accounting, scored
from evaluation.ranking import Predictions, ratio
from evaluation.result import Costs, NetMoney, PairedComparison
from evaluation.sample_size import days_needed, frauds_needed, together
from evaluation.share_groups import Decisions, Groups, groups_of
from risk.clock import DAY, to_date
from risk.codes import Array
from risk.customer_days import customer_days
from risk.events import FRAUD, LEVELS, UNKNOWN, Level
from risk.words import counted

HIGH = LEVELS.index(Level.HIGH)
POWER = 0.8
# Whole customers are drawn for intervals; of fewer that had a fraud, an interval is too rough itself to decide by.
FEWEST_CUSTOMERS = 20
# Those on which both do equally well say nothing of which is better. Where four differ, all to one side, which of two
# equal models happens once in eight times, the interval lies above or below 0 already; from ten on it errs about as
# seldom as it says.
FEWEST_DIFFERENT = 10


class Pairs(NamedTuple):
    """Transactions that both scored, in the order of event time; every array of the same length."""

    event_times: Array  # int64, milliseconds UTC
    customers: Array  # int64 codes, equal for equal customers
    merchants: Array  # int64 codes, NO_MERCHANT where there is none
    amounts: Array  # float64, major units; NaN where missing or in another currency
    verdicts: Array  # int8, of the newest label
    scores: Array  # float64, of the bundle in use
    levels: Array  # its places in LEVELS
    challenger_scores: Array
    challenger_levels: Array

    def some(self, chosen: Array) -> "Pairs":
        return Pairs(*(column[chosen] for column in self))


class Question(NamedTuple):
    """Who is compared, what counts, and at how much work."""

    in_use: str
    challenger: str
    costs: Costs
    calendar: Calendar
    traffic: Mapping[int, Traffic]  # by day on which both were to score
    cases_per_day: float | None = None  # of all transactions; None: as many as the bundle in use opens by itself
    difference: float = 0.05  # the smallest that matters, as a share of the frauds


class Cases(Struct, frozen=True):
    """Of each at its own threshold; a case is a customer's alerts of one UTC day."""

    in_use: int
    challenger: int
    both: int

    @property
    def only_in_use(self) -> int:
        return self.in_use - self.both

    @property
    def only_challenger(self) -> int:
        return self.challenger - self.both


class Agreement(Struct, frozen=True):
    """Of all transactions that both scored, whatever is known of them."""

    transactions: int
    days: int  # on which there are some
    levels: tuple[tuple[int, ...], ...]  # a row for each level of the bundle in use, a column for the challenger's
    same_level: float | None  # share
    rank_correlation: float | None  # Spearman's, of the scores; None where one of the two says the same of all
    cases: Cases


class LiveDay(Struct, frozen=True):
    """A UTC day, and whether it can be judged."""

    date: str
    transactions: int  # that both scored
    others: int  # that were given up, or scored beside another bundle
    unlabelled: int
    standing: str
    given: int = 0  # that the challenger decided itself, for its share of the customers


class OwnThresholds(Struct, frozen=True):
    """What each came to at its own threshold."""

    in_use: NetMoney
    challenger: NetMoney


class Needed(Struct, frozen=True):
    """How many judged days a difference takes to be seen."""

    difference: float  # as a share of the frauds
    days: int  # in all
    more: int  # than there are


class LiveEvaluation(Struct, frozen=True):
    """On the days whose labels are due and that neither learned from or was tested on."""

    first: str
    last: str
    days: int  # on which both scored something
    transactions: int  # that both scored
    others: int  # of all such days, that were given up, or scored beside another bundle
    unlabelled: int  # which count as genuine
    frauds: int
    customers: int  # who had them
    customers_different: int  # of whom one of the two catches more frauds than the other, at equal work
    own_thresholds: OwnThresholds
    equal_work: PairedComparison | None  # the challenger's less those of the bundle in use
    only_one: float | None  # share of the frauds that one of the two alone catches, at equal work
    per_customer: float | None  # frauds of a fraud's customer, on average over frauds
    for_what_was_found: Needed | None  # None where they caught as many
    for_what_matters: Needed | None


class LiveComparison(Struct, frozen=True):
    in_use: str
    challenger: str
    agreement: Agreement
    days: tuple[LiveDay, ...]
    judged: LiveEvaluation | None
    missing: tuple[str, ...]  # sentences: what a reader may look for in vain, and why
    groups: Groups | None = None  # None where the challenger has no share, or no labels are due of it

    @property
    def why_no_evidence(self) -> str | None:
        """Why this does not show that the challenger is better; None where it does."""
        judged = self.judged
        if judged is None or judged.equal_work is None:
            return "; ".join(self.missing)
        if judged.others > judged.transactions:
            return (
                f"of the {judged.transactions + judged.others:,} transactions of the days whose labels are due, both "
                f"scored {judged.transactions:,}, expected at least half: what was given up may be of another kind"
            )
        if judged.customers < FEWEST_CUSTOMERS:
            return (
                f"{counted(judged.customers, 'customer', 'customers')} had a fraud on the days whose labels are due, "
                f"expected {FEWEST_CUSTOMERS} or more{_at_this_rate(judged.customers, FEWEST_CUSTOMERS, judged.days)}"
            )
        different = judged.customers_different
        if different < FEWEST_DIFFERENT:
            return (
                f"of {counted(different, 'customer', 'customers')} one of the two catches more frauds than the other "
                f"at equal work, expected {FEWEST_DIFFERENT} or more"
                f"{_at_this_rate(different, FEWEST_DIFFERENT, judged.days)}"
            )
        more = judged.equal_work.frauds_caught
        if more.low is not None and more.low > 0:
            return None
        why, found = f"{self.difference_text}, expected an interval above 0", judged.for_what_was_found
        if found is None or not found.more or (more.value or 0) <= 0:
            return why
        return f"{why}; if it is as large as this, {counted(found.more, 'day', 'days')} more will mostly show it"

    @property
    def difference_text(self) -> str | None:
        """None where there is no comparison at equal work."""
        judged = self.judged
        if judged is None or judged.equal_work is None:
            return None
        more = judged.equal_work.frauds_caught
        interval = "no interval can be given"
        if more.low is not None and more.high is not None:
            interval = f"95 % interval: {more.low:+.1%} to {more.high:+.1%}"
        return (
            f"the difference in frauds caught at equal work is {more.value or 0:+.1%} of "
            f"{counted(judged.frauds, 'fraud', 'frauds')} ({interval}), on "
            f"{counted(judged.days, 'day', 'days')} whose labels are due"
        )


def _at_this_rate(there: int, expected: int, days: int) -> str:
    if not there:
        return ""
    more = math.ceil(days * expected / there) - days
    return f", which takes about {counted(more, 'day', 'days')} more"


def compare_live(
    pairs: Pairs, question: Question, decisions: Decisions | None = None, *, seed: int, resamples: int
) -> LiveComparison:
    """`decisions`: where the challenger has a share."""
    days = pairs.event_times // DAY
    standings = {day: question.calendar.standing(day) for day in sorted(question.traffic)}
    due = [day for day, standing in standings.items() if standing == COUNTED]
    kept = pairs.some(np.isin(days, due))
    judged = _evaluate(kept, question, due, seed, resamples) if len(kept.scores) else None
    return LiveComparison(
        question.in_use,
        question.challenger,
        agreement_of(pairs),
        tuple(_live_day(pairs.some(days == day), day, standing, question) for day, standing in standings.items()),
        judged,
        tuple(_missing(pairs, standings, judged, question)),
        None if decisions is None else groups_of(decisions, question.calendar, question.costs),
    )


def agreement_of(pairs: Pairs) -> Agreement:
    size, transactions = len(LEVELS), len(pairs.scores)
    cells = np.bincount(pairs.levels * size + pairs.challenger_levels, minlength=size * size).reshape(size, size)
    return Agreement(
        transactions,
        len(np.unique(pairs.event_times // DAY)),
        tuple(tuple(row) for row in cells.tolist()),
        float(np.trace(cells) / transactions) if transactions else None,
        _rank_correlation(pairs.scores, pairs.challenger_scores),
        cases_of(pairs),
    )


def cases_of(pairs: Pairs) -> Cases:
    """What neither found high may be left out."""
    by_day = customer_days(pairs.event_times, pairs.customers, pairs.scores)
    opened, other = (by_day.which_hold(levels == HIGH) for levels in (pairs.levels, pairs.challenger_levels))
    return Cases(*(int(np.count_nonzero(each)) for each in (opened, other, opened & other)))


def at_own_thresholds(pairs: Pairs, costs: Costs, days: int) -> OwnThresholds:
    """Transactions that neither found high and that are no fraud change nothing, and may be left out."""
    return OwnThresholds(
        *(
            Accounting(
                _predictions(pairs, (levels == HIGH).astype(float), days),
                review_cost=costs.review_cost,
                loss_rate=costs.loss_rate,
            ).at(1.0)
            for levels in (pairs.levels, pairs.challenger_levels)
        )
    )


def _live_day(pairs: Pairs, day: int, standing: str, question: Question) -> LiveDay:
    both = len(pairs.scores)
    without = int(np.count_nonzero(pairs.verdicts == UNKNOWN))
    traffic = question.traffic[day]
    return LiveDay(to_date(day).isoformat(), both, traffic.others(both), without, standing, traffic.given)


def _evaluate(pairs: Pairs, question: Question, due: Sequence[int], seed: int, resamples: int) -> LiveEvaluation:
    every = np.unique(pairs.event_times // DAY)
    days, is_fraud = len(every), pairs.verdicts == FRAUD
    others = _whole(question, due) - len(pairs.scores)
    frauds, customers = int(np.count_nonzero(is_fraud)), pairs.customers[is_fraud]
    own = at_own_thresholds(pairs, question.costs, days)
    if question.cases_per_day is None:
        cases = own.in_use.alerts_per_day
    else:  # a part of the transactions takes that part of the work, whoever has the rest of either
        traffic = sum(question.traffic[day].transactions for day in every.tolist())
        cases = question.cases_per_day * len(pairs.scores) / traffic
    equal = only_one = per_customer = found = matters = None
    different = 0
    if frauds and cases:
        mine, theirs = (_predictions(pairs, each, days) for each in (pairs.challenger_scores, pairs.scores))
        equal = paired(
            (question.challenger, mine), (question.in_use, theirs), question.costs, cases, seed=seed,
            resamples=resamples,
        )  # fmt: skip
        caught = [caught_at(scored(each, question.costs), cases) for each in (mine, theirs)]
        only_one = float(np.mean(caught[0] != caught[1]))
        _, places = np.unique(customers, return_inverse=True)
        more = np.bincount(places, weights=caught[0].astype(np.int64) - caught[1])
        different = int(np.count_nonzero(more))
        per_customer = together(customers)
        found = _needed(abs(equal.frauds_caught.value or 0), only_one, per_customer, frauds, days)
        matters = _needed(question.difference, only_one, per_customer, frauds, days)
    return LiveEvaluation(
        to_date(int(every[0])).isoformat(),
        to_date(int(every[-1])).isoformat(),
        days,
        len(pairs.scores),
        others,
        int(np.count_nonzero(pairs.verdicts == UNKNOWN)),
        frauds,
        len(np.unique(customers)),
        different,
        own,
        equal,
        only_one,
        per_customer,
        found,
        matters,
    )


def _whole(question: Question, days: Sequence[int]) -> int:
    """What both were to score on these days."""
    return sum(question.traffic[day].others(0) for day in days)


def _predictions(pairs: Pairs, scores: Array, days: int) -> Predictions:
    is_fraud = pairs.verdicts == FRAUD
    return Predictions(
        pairs.event_times, pairs.customers, pairs.merchants, pairs.amounts, is_fraud, None, scores, scores, days
    )


def _needed(difference: float, only_one: float, per_customer: float, frauds: int, days: int) -> Needed | None:
    """What one catches more, it catches alone."""
    if not 0 < difference < 1:
        return None
    wanted = frauds_needed(difference, max(only_one, difference), power=POWER, confidence=CONFIDENCE)
    all_days = days_needed(wanted, frauds / days, per_customer)
    return Needed(difference, all_days, max(0, all_days - days))


def _rank_correlation(one: Array, other: Array) -> float | None:
    if not len(one):
        return None
    first, second = (ranks - ranks.mean() for ranks in map(_ranks, (one, other)))
    value = ratio((first * second).sum(), np.sqrt((first**2).sum() * (second**2).sum()))
    return None if np.isnan(value) else float(value)


def _ranks(scores: Array) -> Array:
    """Equal scores share the middle of their ranks."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places])


def _missing(pairs: Pairs, standings: dict[int, str], judged: LiveEvaluation | None, question: Question) -> list[str]:
    if not len(pairs.scores):
        return [f"no transaction was scored by both {question.in_use} and {question.challenger}"]
    said, whole = [], _whole(question, list(standings))
    due, waiting, learned = (
        [day for day, standing in standings.items() if standing == wanted] for wanted in (COUNTED, NOT_DUE, LEARNED)
    )
    if whole > len(pairs.scores):
        said.append(
            f"{whole - len(pairs.scores):,} of the {whole:,} transactions of these days were not scored by both: the "
            "challenger was not there yet or was given up, or another bundle was in use"
        )
    delay, until = question.calendar.label_delay_days, question.calendar.labelled_until
    if until is None:
        said.append("no label has come yet, so nobody knows who was right")
    elif due and judged is None:
        said.append(f"both scored nothing on the {counted(len(due), 'day', 'days')} whose labels are due")
    elif waiting and not due:
        first = to_date(min(waiting) + 1 + delay).isoformat()
        said.append(
            f"no day's labels are due: the first are on {first}, as event time goes, with a label delay of {delay} "
            f"days; labels are known until {to_date(until // DAY).isoformat()}"
        )
    if learned:
        said.append(
            f"{counted(len(learned), 'day is', 'days are')} left out, because one of the two learned from "
            + ("it or was tested on it" if len(learned) == 1 else "them or was tested on them")
        )
    if judged is not None and not judged.frauds:
        said.append("no transaction of the days whose labels are due is known as a fraud")
    elif judged is not None and judged.equal_work is None:
        said.append(
            f"{question.in_use} opened no case at its own threshold on the days whose labels are due, so there is no "
            "number of cases to compare at"
        )
    return said
