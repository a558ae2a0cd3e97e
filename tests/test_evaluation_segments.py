"""Segments add up to the whole, small ones are said to be small, and intervals are as wide as customers make them."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from evaluation.ranking import shares_of_groups
from evaluation.segments import NOT_GIVEN, Grouping, segments_of
from risk.catalogue import FeatureSet
from risk.clock import DAY
from tests.evidence_cases import thrown
from tests.training_rows import CHANNELS, made_matrix
from trainer.evaluate import NEW_AND_KNOWN, context_of
from trainer.matrix import Words
from trainer.splits import Part, Period

TEST = thrown(2, lift=3.0, fraud_share=0.1)
THRESHOLD = 0.2


def by(codes, words=("a", "b", "c"), **options):
    return segments_of(TEST, THRESHOLD, Grouping("way", words, np.asarray(codes), **options))


def test_each_segment_is_judged_as_if_it_were_alone():
    codes = np.arange(len(TEST.scores)) % 3
    for place, segment in enumerate(sorted(by(codes).segments, key=lambda one: one.name)):
        mine = codes == place
        passed, false, missed, caught = confusion_matrix(TEST.is_fraud[mine], TEST.scores[mine] >= THRESHOLD).ravel()
        assert (segment.transactions, segment.frauds, segment.alerts) == (mine.sum(), missed + caught, false + caught)
        assert segment.alert_rate.value == pytest.approx((false + caught) / mine.sum())
        assert segment.precision.value == pytest.approx(caught / (caught + false))
        assert segment.recall.value == pytest.approx(caught / (caught + missed))
        assert segment.false_positive_rate.value == pytest.approx(false / (false + passed))
        assert segment.recall.low < segment.recall.value < segment.recall.high
        assert segment.note == ""


def test_small_segments_are_put_together_and_say_so():
    """The largest first; two with fewer than 100 rows are others; of 9 frauds no share is given."""
    codes = np.zeros(len(TEST.scores), int)
    codes[:500] = NOT_GIVEN
    codes[500:530], codes[530:560] = 1, 2
    first, second, others = by(codes).segments
    assert (first.name, second.name, others.name) == ("a", "(not given)", "2 others")
    assert others.transactions == 60
    assert others.note == "small: 60 transactions"
    assert others.recall.value is None
    few = np.zeros(len(TEST.scores), int)
    few[np.flatnonzero(TEST.is_fraud)[:9]] = 1
    few[np.flatnonzero(~TEST.is_fraud)[:400]] = 1
    _, rare = by(few).segments
    assert rare.frauds == 9
    assert rare.note.startswith("few: 9 frauds")
    assert rare.recall.value is None
    assert rare.alert_rate.value is not None


def test_no_more_segments_than_a_reader_can_take_in():
    codes = np.arange(len(TEST.scores)) % 30
    segments = by(codes, tuple(f"w{place}" for place in range(30))).segments
    assert len(segments) == 11
    assert segments[-1].name == "20 others"
    assert sum(one.transactions for one in segments) == len(TEST.scores)


def test_bands_stay_in_their_order():
    codes = np.where(np.arange(len(TEST.scores)) % 4 == 0, 0, 1)
    assert [one.name for one in by(codes).segments] == ["b", "a"]
    assert [one.name for one in by(codes, is_in_order=True).segments] == ["a", "b"]


def test_groups_of_a_sensitive_attribute_are_beside_the_largest():
    codes = np.where(np.arange(len(TEST.scores)) % 4 == 0, 0, 1)
    largest, other = by(codes, is_sensitive=True).segments
    assert largest.ratios.alert_rate == 1
    assert other.ratios.recall == pytest.approx(other.recall.value / largest.recall.value)


def test_groups_are_not_held_against_those_of_whom_nothing_is_known():
    """Nor against many small ones that stand together, however many they are."""
    codes = np.full(len(TEST.scores), NOT_GIVEN)
    codes[:300], codes[300:800] = 0, 1
    unknown, largest, other = by(codes, is_sensitive=True).segments
    assert [one.name for one in (unknown, largest, other)] == ["(not given)", "b", "a"]
    assert largest.ratios.alert_rate == 1
    assert unknown.ratios.alert_rate == pytest.approx(unknown.alert_rate.value / largest.alert_rate.value)
    nobody = by(np.full(len(TEST.scores), NOT_GIVEN), is_sensitive=True).segments
    assert nobody[0].ratios.alert_rate is None


def test_bursts_of_one_customer_widen_an_interval():
    """A hundred rows of ten customers that all do alike say as much as ten."""
    hits = np.repeat(np.arange(10) < 5, 10)
    groups = np.zeros(100, int)
    apart = shares_of_groups(groups, 1, hits, np.arange(100))
    together = shares_of_groups(groups, 1, hits, np.repeat(np.arange(10), 10))
    ten = shares_of_groups(np.zeros(10, int), 1, np.arange(10) < 5, np.arange(10))
    assert together.high[0] - together.low[0] == pytest.approx(ten.high[0] - ten.low[0])
    assert together.high[0] - together.low[0] > 2 * (apart.high[0] - apart.low[0])


@pytest.mark.parametrize("customers", [3, 6, 12])
def test_intervals_cover_where_few_customers_make_up_a_group(customers):
    """Frauds of a customer come in bursts, which are caught whole, or all but the first, or not at all."""
    covered = 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        bursts = random.integers(2, 12, customers)
        tendency = random.choice([0.95, 0.65, 0.05], customers, p=[0.4, 0.4, 0.2])
        hits = random.random(bursts.sum()) < tendency.repeat(bursts)
        shares = shares_of_groups(np.zeros(len(hits), int), 1, hits, np.arange(customers).repeat(bursts))
        covered += shares.low[0] <= 0.65 <= shares.high[0]
    assert covered / 300 >= 0.92


def test_one_customer_tells_nothing_of_others():
    shares = shares_of_groups(np.zeros(50, int), 1, np.arange(50) < 20, np.zeros(50, int))
    assert shares.low[0] == pytest.approx(0, abs=1e-3)
    assert shares.high[0] == pytest.approx(1, abs=1e-3)


def test_a_group_that_always_hits_has_an_interval_all_the_same():
    shares = shares_of_groups(np.array([0, 0, 0, 2]), 3, np.array([True, True, True, False]), np.arange(4))
    assert shares.value[0] == shares.high[0] == 1
    assert shares.low[0] < 0.6
    assert np.isnan(shares.value[1])


def test_sensitive_attributes_are_measured_whether_learned_from_or_not():
    """An age in bands; a channel that the models learn from is only there as sensitive."""
    count = 400
    ages = Words(tuple(str(18 + age) for age in range(60)), (np.arange(count) % 60).astype(np.int32))
    channel = Words(CHANNELS, (np.arange(count) % 3).astype(np.int32))
    zeros = np.zeros(count, int)
    matrix = made_matrix(np.arange(count), zeros, zeros, channels=channel.codes)
    matrix = matrix._replace(sensitive={"age": ages, "channel": channel})
    age, by_channel, *others = context_of(matrix, Part(np.arange(count), zeros > 0, 1, None)).groupings
    assert (age.name, age.is_sensitive, age.is_learned_from) == ("age", True, False)
    assert len(age.words) == 6
    assert age.words[0].startswith("below ")
    assert (by_channel.name, by_channel.is_sensitive, by_channel.is_learned_from) == ("channel", True, True)
    assert "channel" not in [each.name for each in others]


def test_bands_of_large_amounts_are_written_as_people_write_them():
    """Where a currency has no cents, a usual amount is in the thousands, and a large one in the millions."""
    count = 400
    zeros = np.zeros(count, int)
    matrix = made_matrix(np.arange(count), zeros, zeros, amounts=np.arange(count) * 10_000.0)
    *_, amount = context_of(matrix, Part(np.arange(count), zeros > 0, 1, None)).groupings
    assert amount.name == "amount"
    assert amount.words[0] == "below 800,000"
    assert amount.words[-1] == "3,800,000 or more"


def test_a_matrix_is_divided_by_what_it_has():
    """Its categories, how much is known of a customer, the amount; rows without a label are counted beside."""
    count = 400
    times = np.sort(np.arange(count) % 10) * DAY
    known = np.where(np.arange(count) % 50 == 0, -1, 0)
    matrix = made_matrix(times, known, known, amounts=np.arange(count), channels=np.arange(count) % 3,
                         feature_set=FeatureSet(frozenset({"channel", "customer_id"})))  # fmt: skip
    rows = np.flatnonzero((known >= 0) & (times >= 5 * DAY))
    period = Period(5, 10)
    unlabelled = np.flatnonzero((known < 0) & (times >= 5 * DAY))
    context = context_of(matrix, Part(rows, np.zeros(len(rows), bool), 5, period, unlabelled))
    channel, history, amount = context.groupings
    assert (channel.name, channel.words) == ("channel", CHANNELS)
    assert (history.name, set(history.codes.tolist())) == (NEW_AND_KNOWN, {0})
    assert amount.name == "amount"
    for place, word in enumerate(amount.words):
        mine = np.arange(count)[rows][amount.codes == place]
        low = float(word.split(" ")[0].replace(",", "")) if place else 0.0
        assert mine.min() >= low
    np.testing.assert_array_equal(context.unlabelled, times[unlabelled])
    assert not context.is_random
    assert context_of(matrix, Part(rows, np.zeros(len(rows), bool), 5, None)).is_random
