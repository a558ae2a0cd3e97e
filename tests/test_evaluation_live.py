"""A challenger beside the bundle in use: counted again row by row, and told apart only where they differ."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
import pytest

from evaluation.live import (
    FEWEST_CUSTOMERS,
    FEWEST_DIFFERENT,
    Cases,
    LiveComparison,
    Pairs,
    Question,
    agreement_of,
    at_own_thresholds,
    cases_of,
    compare_live,
)
from evaluation.live_days import COUNTED, LEARNED, NOT_DUE, Calendar, Traffic, labelled_until, spans_of
from evaluation.ranking import NO_MERCHANT
from evaluation.result import Costs
from evaluation.sample_size import days_needed, frauds_needed
from risk.clock import DAY, to_date
from risk.events import FRAUD, GENUINE, UNKNOWN
from risk.store import VersionStart
from tests.evidence_cases import FIRST_DAY, thrown
from tests.live_oracle import Side

COSTS = Costs(5.0, 0.8, None)
DELAY = 3


def pairs_of(seed: int, *, in_use: float = 3.0, challenger: float = 3.0, noise: float = 0.0) -> Pairs:
    """Of models that lift frauds by so much; one row in ten has a label, and every fraud."""
    mine, theirs = (thrown(seed, lift=lift, grid=200) for lift in (in_use, challenger))
    dice = np.random.default_rng(seed + 100)
    verdicts = np.where(mine.is_fraud, FRAUD, np.where(dice.random(4_000) < 0.1, GENUINE, UNKNOWN)).astype(np.int8)
    if noise:
        theirs = theirs._replace(scores=np.round(np.clip(theirs.scores + noise * dice.normal(size=4_000), 0, 1), 2))
    levels = [np.searchsorted([0.05, 0.2], each.scores, side="right") for each in (mine, theirs)]
    return Pairs(
        mine.event_times,
        mine.customers,
        np.full(4_000, NO_MERCHANT),
        mine.amounts,
        verdicts,
        mine.scores,
        levels[0],
        theirs.scores,
        levels[1],
    )


ALL_DUE = FIRST_DAY + (10 + DELAY) * DAY


def question(until: int | None = ALL_DUE, learned: Sequence[range] = (), **others: object) -> Question:
    """By default all labels are due, and all that was scored was scored by both."""
    return Question("old", "new", COSTS, Calendar(DELAY, until, learned), {})._replace(**others)


def traffic_of(transactions: Mapping[int, int], given: Mapping[int, int] | None = None) -> dict[int, Traffic]:
    return {day: Traffic(count, (given or {}).get(day, 0)) for day, count in transactions.items()}


def compared(pairs: Pairs, asked: Question | None = None, *, resamples: int = 100) -> LiveComparison:
    asked = asked or question()
    if not asked.traffic:
        asked = asked._replace(traffic=traffic_of(Counter((pairs.event_times // DAY).tolist())))
    return compare_live(pairs, asked, seed=3, resamples=resamples)


def side(pairs: Pairs, alerts: Sequence[bool]) -> Side:
    rows = zip(pairs.event_times, pairs.customers, pairs.amounts, pairs.verdicts == FRAUD, alerts, strict=True)
    return Side((int(time), int(customer), float(amount), *rest) for time, customer, amount, *rest in rows)


def threshold_for(pairs: Pairs, scores: Sequence[float], most: float) -> float:
    peaks: defaultdict[tuple[int, int], float] = defaultdict(float)
    for time, customer, score in zip(pairs.event_times, pairs.customers, scores, strict=True):
        case = int(customer), int(time) // DAY
        peaks[case] = max(peaks[case], float(score))
    return min(score for score in {*map(float, scores), 2.0} if sum(peak >= score for peak in peaks.values()) <= most)


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    def ranks(scores: Sequence[float]) -> list[float]:
        counts, below, found = Counter(scores), 0, {}
        for score in sorted(counts):
            found[score] = below + (counts[score] + 1) / 2
            below += counts[score]
        return [found[score] for score in scores]

    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


@pytest.mark.parametrize("seed", [1, 2])
def test_agreement_is_what_counting_row_by_row_gives(seed: int) -> None:
    pairs = pairs_of(seed, challenger=1.0, noise=0.1)
    found = agreement_of(pairs)
    cells = Counter(zip(pairs.levels.tolist(), pairs.challenger_levels.tolist(), strict=True))
    assert found.levels == tuple(tuple(cells[row, column] for column in range(3)) for row in range(3))
    assert found.same_level == sum(cells[level, level] for level in range(3)) / 4_000
    assert found.rank_correlation == pytest.approx(spearman(pairs.scores.tolist(), pairs.challenger_scores.tolist()))
    one, other = side(pairs, pairs.levels == 2), side(pairs, pairs.challenger_levels == 2)
    assert found.cases == Cases(len(one.opened), len(other.opened), len(one.opened & other.opened))
    assert found.cases.only_in_use == len(one.opened - other.opened) > 0
    assert found.cases.only_challenger == len(other.opened - one.opened) > 0
    assert (found.transactions, found.days) == (4_000, 10)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_each_was_worth_is_what_counting_row_by_row_gives(seed: int) -> None:
    pairs = pairs_of(seed, challenger=2.0, noise=0.03)
    judged = compared(pairs).judged
    assert judged is not None
    assert judged.equal_work is not None
    assert (judged.days, judged.transactions) == (10, 4_000)
    assert judged.frauds == np.count_nonzero(pairs.verdicts == FRAUD)
    assert judged.unlabelled == np.count_nonzero(pairs.verdicts == UNKNOWN)
    own, equal = judged.own_thresholds, judged.equal_work
    most = own.in_use.alerts
    by_hand = [
        side(pairs, pairs.levels == 2),
        side(pairs, pairs.challenger_levels == 2),
        side(pairs, pairs.scores >= threshold_for(pairs, pairs.scores, most)),
        side(pairs, pairs.challenger_scores >= threshold_for(pairs, pairs.challenger_scores, most)),
    ]
    for money, counted in zip((own.in_use, own.challenger, equal.other_money, equal.money), by_hand, strict=True):
        counted.check(money, COSTS, days=10)
    theirs, mine = by_hand[2:]
    assert equal.frauds_caught.value == pytest.approx((mine.caught - theirs.caught) / judged.frauds)
    assert equal.saved.value == pytest.approx((mine.saved - theirs.saved) * COSTS.loss_rate)
    alone = sum(one != other for one, other in zip(mine.caught_rows, theirs.caught_rows, strict=True))
    assert judged.only_one == pytest.approx(alone / judged.frauds)
    sizes = Counter(pairs.customers[pairs.verdicts == FRAUD].tolist())
    assert judged.customers == len(sizes)
    assert judged.per_customer == pytest.approx(sum(size**2 for size in sizes.values()) / judged.frauds)


def test_what_neither_found_high_and_is_no_fraud_changes_no_case() -> None:
    pairs = pairs_of(1, challenger=2.0)
    notable = (pairs.levels == 2) | (pairs.challenger_levels == 2) | (pairs.verdicts == FRAUD)
    assert at_own_thresholds(pairs.some(notable), COSTS, 10) == at_own_thresholds(pairs, COSTS, 10)
    assert cases_of(pairs.some(notable)) == cases_of(pairs)


def test_a_better_challenger_is_found_and_a_worse_and_an_equal_one_are_not() -> None:
    asked = question(cases_per_day=3)
    better, worse, equal = (compared(pairs_of(1, in_use=2.0, challenger=lift), asked) for lift in (5.0, 0.5, 2.0))
    assert better.why_no_evidence is None
    assert worse.why_no_evidence is not None
    assert worse.why_no_evidence.startswith("the difference in frauds caught at equal work is -")
    assert worse.why_no_evidence.endswith(", expected an interval above 0")
    assert equal.why_no_evidence == (
        "of 0 customers one of the two catches more frauds than the other at equal work, expected 10 or more"
    )
    assert equal.difference_text == (
        "the difference in frauds caught at equal work is +0.0% of 73 frauds (95 % interval: +0.0% to +0.0%), on 10 "
        "days whose labels are due"
    )
    judged = equal.judged
    assert judged is not None
    assert judged.equal_work is not None
    assert (judged.equal_work.frauds_caught.low, judged.equal_work.frauds_caught.high) == (0, 0)
    assert (judged.only_one, judged.for_what_was_found) == (0, None)


def test_the_days_it_takes_are_those_of_sample_size() -> None:
    judged = compared(pairs_of(1, challenger=2.0)).judged
    assert judged is not None
    assert judged.equal_work is not None
    assert judged.only_one is not None
    assert judged.per_customer is not None
    value = abs(judged.equal_work.frauds_caught.value or 0)
    for needed, difference in ((judged.for_what_was_found, value), (judged.for_what_matters, 0.05)):
        assert needed is not None
        frauds = frauds_needed(difference, max(judged.only_one, difference), power=0.8, confidence=0.95)
        assert needed.days == days_needed(frauds, judged.frauds / 10, judged.per_customer)
        assert (needed.difference, needed.more) == (pytest.approx(difference), max(0, needed.days - 10))


def test_only_days_whose_labels_are_due_are_judged_and_those_nobody_learned_from() -> None:
    """The labels of day 6 are due when day 9 is over; a moment before, they are not."""
    pairs, first = pairs_of(1), FIRST_DAY // DAY
    learned = [range(first - 20, first + 2)]
    asked = question(FIRST_DAY + 10 * DAY - 1, learned)
    found = compared(pairs, asked)
    assert [day.standing for day in found.days] == [LEARNED] * 2 + [COUNTED] * 5 + [NOT_DUE] * 3
    assert [day.date for day in found.days] == [to_date(first + n).isoformat() for n in range(10)]
    days = pairs.event_times // DAY - first
    assert [day.transactions for day in found.days] == np.bincount(days).tolist()
    assert [day.unlabelled for day in found.days] == np.bincount(days[pairs.verdicts == UNKNOWN]).tolist()
    assert found.judged is not None
    assert found.judged == compared(pairs.some((days >= 2) & (days < 7)), asked).judged
    assert (found.judged.first, found.judged.last, found.judged.days) == (found.days[2].date, found.days[6].date, 5)
    assert found.missing == ("2 days are left out, because one of the two learned from them or was tested on them",)
    earlier = compared(pairs, question(FIRST_DAY + 10 * DAY - 2, learned))
    assert [day.standing for day in earlier.days] == [LEARNED] * 2 + [COUNTED] * 4 + [NOT_DUE] * 4


def test_what_only_one_scored_is_counted_day_by_day_and_said() -> None:
    """A span that was given up on one day, and half of another."""
    pairs = pairs_of(1)
    days = pairs.event_times // DAY - FIRST_DAY // DAY
    every = Counter((pairs.event_times // DAY).tolist())
    given_up = (days == 3) & (np.arange(4_000) % 100 < 30) | (days == 5) & (np.arange(4_000) % 2 == 0)
    found = compared(pairs.some(~given_up), question(traffic=traffic_of(every)))
    assert [day.others for day in found.days] == np.bincount(days[given_up], minlength=10).tolist()
    assert found.missing == (
        f"{given_up.sum()} of the 4,000 transactions of these days were not scored by both: the challenger was not "
        "there yet or was given up, or another bundle was in use",
    )
    assert found.judged is not None
    assert (found.judged.transactions, found.judged.others) == (4_000 - given_up.sum(), given_up.sum())


def test_days_that_were_given_up_entirely_count_among_what_both_should_have_scored() -> None:
    pairs = pairs_of(1, in_use=2.5, challenger=4.5)
    every = Counter((pairs.event_times // DAY).tolist())
    days = pairs.event_times // DAY - FIRST_DAY // DAY
    found = compared(pairs.some(days < 4), question(traffic=traffic_of(every)))
    assert [(day.transactions, day.others) for day in found.days[4:]] == [(0, np.sum(days == n)) for n in range(4, 10)]
    assert found.judged is not None
    assert (found.judged.days, found.judged.others) == (4, np.sum(days >= 4))
    assert found.why_no_evidence is not None
    assert f"both scored {np.sum(days < 4):,}, expected at least half" in found.why_no_evidence


def test_of_a_part_of_the_transactions_that_part_of_the_cases_is_allowed() -> None:
    pairs = pairs_of(1, challenger=2.0)
    every = Counter((pairs.event_times // DAY).tolist())
    half = pairs.some(np.arange(4_000) % 2 == 0)
    judged = compared(half, question(cases_per_day=6, traffic=traffic_of(every))).judged
    assert judged is not None
    assert judged.equal_work is not None
    assert judged.equal_work.cases_per_day == 3


def test_what_the_challenger_decided_itself_takes_its_part_of_the_cases_and_was_given_up_by_nobody() -> None:
    """Of a half of the customers, one team works the cases of both halves."""
    pairs = pairs_of(1, challenger=2.0)
    every = Counter((pairs.event_times // DAY).tolist())
    others = pairs.some(pairs.customers % 2 == 0)
    given = every - Counter((others.event_times // DAY).tolist())
    found = compared(others, question(cases_per_day=6, traffic=traffic_of(every, given)))
    assert found.judged is not None
    assert found.judged.equal_work is not None
    assert found.judged.equal_work.cases_per_day == pytest.approx(6 * len(others.scores) / 4_000)
    assert [(day.others, day.given) for day in found.days] == [(0, given[day]) for day in sorted(every)]
    assert (found.judged.others, found.missing) == (0, ())


def test_where_both_scored_nothing_on_days_that_are_due_that_is_said_and_nothing_of_labels() -> None:
    pairs = pairs_of(1)
    days = pairs.event_times // DAY - FIRST_DAY // DAY
    every = Counter((pairs.event_times // DAY).tolist())
    found = compared(pairs.some(days > 6), question(FIRST_DAY + 10 * DAY - 1, traffic=traffic_of(every)))
    assert found.judged is None
    assert found.missing[1:] == ("both scored nothing on the 7 days whose labels are due",)


def test_days_whose_labels_are_not_due_are_said_beside_those_that_are_left_out() -> None:
    pairs, first = pairs_of(1), FIRST_DAY // DAY
    found = compared(pairs, question(FIRST_DAY + 5 * DAY - 1, [range(first, first + 2)]))
    assert found.missing == (
        "no day's labels are due: the first are on 2022-01-14, as event time goes, with a label delay of 3 days; "
        "labels are known until 2022-01-12",
        "2 days are left out, because one of the two learned from them or was tested on them",
    )


def differing(customers: int) -> Pairs:
    """Of so many customers the challenger alone catches the frauds; of all others both do."""
    pairs = pairs_of(1, in_use=4.5, challenger=4.5)
    is_fraud = pairs.verdicts == FRAUD
    chosen = np.unique(pairs.customers[is_fraud])[:customers]
    scores = np.where(np.isin(pairs.customers, chosen), 0.0, np.where(is_fraud, 0.9, 0.0))
    better = np.where(is_fraud, 0.9, 0.0)
    levels = [np.where(each > 0.5, 2, 0) for each in (scores, better)]
    return pairs._replace(scores=scores, levels=levels[0], challenger_scores=better, challenger_levels=levels[1])


def test_an_interval_that_few_customers_make_is_no_evidence() -> None:
    """Four customers, all on one side: the interval is above 0, as one in eight pairs of equal models has it there or
    below."""
    asked = question(cases_per_day=20)
    few, enough = (compared(differing(count), asked) for count in (4, FEWEST_DIFFERENT))
    for found, count in ((few, 4), (enough, FEWEST_DIFFERENT)):
        assert found.judged is not None
        assert found.judged.customers_different == count
        assert found.judged.equal_work is not None
        assert (found.judged.equal_work.frauds_caught.low or 0) > 0
    assert few.why_no_evidence == (
        "of 4 customers one of the two catches more frauds than the other at equal work, expected 10 or more, which "
        "takes about 15 days more"
    )
    assert enough.why_no_evidence is None


def test_where_frauds_of_a_merchant_go_together_whole_merchants_are_drawn() -> None:
    """The challenger catches all that happened at two merchants, and the other one nothing there."""
    pairs = differing(30)
    alone = (pairs.verdicts == FRAUD) & (pairs.scores < 0.5)
    merchants = np.where(alone, 1 + np.arange(4_000) % 2, 3 + np.arange(4_000) % 100)
    asked = question(cases_per_day=20)
    customers, both = (compared(each, asked).judged for each in (pairs, pairs._replace(merchants=merchants)))
    assert customers is not None
    assert customers.equal_work is not None
    assert both is not None
    assert both.equal_work is not None
    assert (customers.equal_work.frauds_caught.unit, both.equal_work.frauds_caught.unit) == ("customers", "merchants")
    assert (both.equal_work.frauds_caught.low or 0) < (customers.equal_work.frauds_caught.low or 0)


def test_a_cap_on_cases_holds_for_both() -> None:
    judged = compared(pairs_of(1, challenger=2.0), question(cases_per_day=3)).judged
    assert judged is not None
    assert judged.equal_work is not None
    assert judged.equal_work.cases_per_day == 3
    assert 20 < judged.equal_work.money.alerts <= 30
    assert 20 < judged.equal_work.other_money.alerts <= 30


def no_evidence() -> Iterator[tuple[str, Pairs, Question]]:
    pairs = pairs_of(1, challenger=4.0)
    none = np.zeros(4_000, np.int64)
    yield "no transaction was scored by both old and new", pairs.some(np.zeros(4_000, bool)), question()
    yield "no label has come yet", pairs, question(until=None)
    yield "no day's labels are due: the first are on 2022-01-12", pairs, question(FIRST_DAY)
    yield (
        "1 day is left out, because one of the two learned from it or was tested on it",
        pairs.some(pairs.event_times < FIRST_DAY + DAY),
        question(learned=[range(20_000)]),
    )
    yield "is known as a fraud", pairs._replace(verdicts=none), question()
    yield "old opened no case at its own threshold", pairs._replace(levels=none), question()
    twice = Counter((pairs.event_times // DAY).tolist() * 2) + Counter([FIRST_DAY // DAY])
    yield (
        "of the 8,001 transactions of the days whose labels are due, both scored 4,000",
        pairs,
        question(traffic=traffic_of(twice)),
    )
    few = pairs.verdicts.copy()
    few[np.isin(pairs.customers, np.unique(pairs.customers[few == FRAUD])[FEWEST_CUSTOMERS - 1 :])] = GENUINE
    yield (
        "19 customers had a fraud on the days whose labels are due, expected 20",
        pairs._replace(verdicts=few),
        question(),
    )


@pytest.mark.parametrize(
    ("words", "pairs", "asked"), list(no_evidence()), ids=lambda case: case if isinstance(case, str) else ""
)
def test_where_there_is_no_evidence_the_reason_is_said(words: str, pairs: Pairs, asked: Question) -> None:
    found = compared(pairs, asked)
    assert found.why_no_evidence is not None
    assert words in found.why_no_evidence


def test_what_never_varies_has_no_rank_correlation() -> None:
    pairs = pairs_of(1)
    assert agreement_of(pairs._replace(challenger_scores=np.full(4_000, 0.5))).rank_correlation is None
    assert agreement_of(pairs).rank_correlation == pytest.approx(1)


@pytest.mark.parametrize(
    ("newest_event", "newest_label", "until"),
    [(None, None, None), (9, None, None), (9, 6, 9), (9, 5, 5), (9, 12, 9)],
)
def test_where_labels_no_longer_come_they_are_known_as_far_as_they_came(
    newest_event: int | None, newest_label: int | None, until: int | None
) -> None:
    """In days, with a delay of three."""
    given = [None if day is None else day * DAY for day in (newest_event, newest_label)]
    assert labelled_until(*given, DELAY) == (None if until is None else until * DAY)


def test_it_is_written_as_json_and_read_again() -> None:
    found = compared(pairs_of(1, challenger=2.0), resamples=20)
    assert msgspec.json.decode(msgspec.json.encode(found), type=LiveComparison) == found


def test_a_partition_where_no_challenger_has_begun_yet_has_no_days_of_one() -> None:
    """A challenger that has just been named begins in each partition with the next chunk there."""
    starts = [VersionStart(0, 0, "a", 5, None), VersionStart(0, 8, "b", 20, None)]
    assert list(spans_of(starts, 0, "a", 30)) == [(5, 19)]
    assert list(spans_of(starts, 0, "b", 30)) == [(20, 30)]
    assert list(spans_of(starts, 1, "a", 30)) == []
