"""Intervals: weights agree with drawing real rows, units hang together, and 95 % means 95 %."""

import tracemalloc

import numpy as np
import pytest

from evaluation.bootstrap import Figure, Sampled, Units, draw_all, figure, units_of
from evaluation.ranking import Ranking, areas, ratio
from tests.evidence_cases import judged_rows, thrown


def share_of(values):
    """The mean of a column as a contender would give it."""
    columns = {"sum": values, "rows": np.ones(len(values))}
    return Sampled(columns, {"share": lambda sums: ratio(sums["sum"], sums["rows"])}, None)


def every_row_alone(count):
    return Units("customers", np.arange(count), count)


def test_the_same_seed_gives_the_same_draws_and_another_does_not():
    values = np.random.default_rng(1).random(200)
    one, same, other = (
        draw_all([share_of(values)], every_row_alone(200), seed=seed, resamples=50)[0]["share"] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()


def test_weights_agree_with_drawing_real_rows():
    """The spread of a mean, drawn by weights here and by picking rows there, is the same within a few percent."""
    random = np.random.default_rng(3)
    values = random.random(300) < 0.2
    weighted = draw_all([share_of(values.astype(float))], every_row_alone(300), seed=4, resamples=4000)[0]["share"]
    picked = [values[random.integers(0, 300, 300)].mean() for _ in range(4000)]
    assert weighted.std() == pytest.approx(np.std(picked), rel=0.06)
    assert weighted.mean() == pytest.approx(values.mean(), abs=3 * np.std(picked) / np.sqrt(4000) + 1e-3)


def test_whole_customers_are_drawn():
    """Ten rows for each customer, all alike: the spread is that of the customers, not that of ten times as many."""
    by_customer = (np.random.default_rng(5).random(200) < 0.3).astype(float)
    units = Units("customers", np.repeat(np.arange(200), 10), 200)
    spread = draw_all([share_of(np.repeat(by_customer, 10))], units, seed=6, resamples=2000)[0]["share"].std()
    assert spread == pytest.approx(np.sqrt(0.3 * 0.7 / 200), rel=0.12)


def test_areas_of_each_draw_are_those_of_the_weighted_rows():
    """The fast way, with weights of units, against the plain figure with a weight on each row."""
    predictions = thrown(7, rows=500, customers=30, grid=40)
    units = units_of(predictions)[0]
    seen = {}

    class Watched(Ranking):
        def areas_of_draws(self, copies):
            found = super().areas_of_draws(copies)
            seen.update(zip(found, copies, strict=True))
            return found

    ranking = Watched(predictions.scores, predictions.is_fraud)
    drawn = draw_all([Sampled({}, {}, ranking)], units, seed=8, resamples=20)[0]
    for place in range(20):
        found = (drawn["roc_auc"][place], drawn["average_precision"][place])
        weights = seen[found][units.of_row]
        assert areas(predictions.scores, predictions.is_fraud, weights) == pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize("drawn_bytes", [1, 3_000, 2**21])
@pytest.mark.parametrize("frauds", [0, 1, 40, 200])
def test_areas_of_many_draws_are_those_of_each(drawn_bytes, frauds):
    """To the bit, and however many at a time; with ties, and with draws that have no fraud."""
    random = np.random.default_rng(frauds)
    is_fraud = np.arange(200) < frauds
    ranking = Ranking(np.round(random.random(200), 2), is_fraud).weighed_by(random.integers(0, 30, 200))
    copies = random.poisson(0.6, (50, 30)).astype(np.int32)
    each = [ranking.areas(weights) for weights in copies]
    np.testing.assert_array_equal(ranking.areas_of_draws(copies, drawn_bytes), each)


def test_contenders_get_the_same_draws():
    """So a difference of two equal contenders is nothing in every draw."""
    values = np.random.default_rng(9).random(100)
    one, two = draw_all([share_of(values), share_of(values)], every_row_alone(100), seed=1, resamples=40)
    np.testing.assert_array_equal(one["share"], two["share"])


def test_sums_are_brought_back_to_as_many_units_as_there_are():
    """A sum over all rows of a column of ones cannot vary."""
    sampled = Sampled({"rows": np.ones(50)}, {"rows": lambda sums: sums["rows"]}, None)
    drawn = draw_all([sampled], every_row_alone(50), seed=1, resamples=100)[0]["rows"]
    np.testing.assert_allclose(drawn, 50)


@pytest.mark.proof
def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """400 worlds with a share of 0.3: the interval holds it in 90 to 98 of 100."""
    random, covered = np.random.default_rng(10), 0
    for world in range(400):
        values = (random.random(150) < 0.3).astype(float)
        drawn = draw_all([share_of(values)], every_row_alone(150), seed=world, resamples=300)[0]["share"]
        found = figure(values.mean(), {"customers": drawn})
        covered += found.low <= 0.3 <= found.high
    assert 0.90 <= covered / 400 <= 0.98


def test_the_wider_unit_is_shown_and_named():
    drawn = {"customers": np.linspace(0.4, 0.6, 100), "merchants": np.linspace(0.3, 0.7, 100)}
    found = figure(0.5, drawn)
    assert found.unit == "merchants"
    assert (found.low, found.high) == (pytest.approx(0.31), pytest.approx(0.69))


def test_what_cannot_be_said_has_no_interval():
    """No value: nothing. Draws without the figure are left out; if it is never there, only the value is given."""
    assert figure(None, {"customers": np.ones(9)}) == Figure(None)
    assert figure(np.nan, {"customers": np.ones(9)}) == Figure(None)
    assert figure(0.5, {"customers": np.full(9, np.nan)}) == Figure(0.5)
    assert figure(0.5, {"customers": np.array([np.nan, 0.5, 0.5])}) == Figure(0.5, 0.5, 0.5, "customers")


def test_merchants_are_drawn_where_there_are_enough():
    """A row without merchant goes with its customer, of which there are three."""
    rows = [(0.1, place % 3, 5, 0.5, False) for place in range(64)]
    customers, merchants = units_of(judged_rows(rows, 1, [-1, -1, -1, -1, *range(30), *range(30)]))
    assert (customers.name, customers.size) == ("customers", 3)
    assert (merchants.name, merchants.size) == ("merchants", 30 + 3)
    assert merchants.of_row[0] == merchants.of_row[3] != merchants.of_row[1]


def test_few_merchants_are_not_drawn():
    rows = [(0.1, place, 5, 0.5, False) for place in range(29)]
    assert [units.name for units in units_of(judged_rows(rows, 1, list(range(29))))] == ["customers"]
    assert [units.size for units in units_of(judged_rows([], 1))] == [0]


def test_columns_held_a_few_at_a_time_give_the_same_numbers():
    """Counts to the bit; of money, sums in another order could differ in the last one."""
    random = np.random.default_rng(12)
    columns = {f"c{place}": random.random(900) < 0.1 for place in range(20)} | {"money": random.random(900)}
    formulas = {name: (lambda sums, name=name: sums[name]) for name in columns}
    predictions = thrown(7, rows=900, customers=80, grid=40)
    units, ranking = units_of(predictions)[0], Ranking(predictions.scores, predictions.is_fraud)
    sampled = [Sampled(columns, formulas, ranking), Sampled({}, {}, None), Sampled(columns, formulas, None)]
    at_once, few = (
        draw_all(sampled, units, seed=3, resamples=70, column_bytes=size) for size in (2**28, 3 * 8 * units.size)
    )
    for one, other in zip(at_once, few, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            if name == "money":
                np.testing.assert_allclose(one[name], other[name], rtol=1e-14)
            else:
                np.testing.assert_array_equal(one[name], other[name])


def test_no_more_columns_are_held_than_said():
    """Two hundred columns of fifty thousand units are 80 MB; held are 4."""
    count = 50_000
    columns = {f"c{place}": np.ones(count, bool) for place in range(200)}
    sampled = Sampled(columns, {"c0": lambda sums: sums["c0"]}, None)
    tracemalloc.start()
    draw_all([sampled], every_row_alone(count), seed=1, resamples=2, column_bytes=4 * 2**20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20


@pytest.mark.parametrize("customers", [80, 81])
def test_draws_made_a_few_at_a_time_are_the_same_draws(customers):
    """An odd number of units, too: the generator draws two of them at once."""
    predictions = thrown(7, rows=900, customers=customers, grid=40)
    units, ranking = units_of(predictions)[0], Ranking(predictions.scores, predictions.is_fraud)
    sampled = [Sampled({"frauds": predictions.is_fraud}, {"frauds": lambda sums: sums["frauds"]}, ranking)]
    (at_once,), (few,) = (
        draw_all(sampled, units, seed=3, resamples=71, copy_bytes=size) for size in (2**27, 7 * 14 * units.size)
    )
    for name in ("frauds", "roc_auc", "average_precision"):
        np.testing.assert_array_equal(at_once[name], few[name])


def test_no_more_draws_are_in_memory_than_said():
    """Thirty-two draws of a hundred thousand units are 45 MB; two, the fewest, are 3."""
    count = 100_000
    sampled = Sampled({"all": np.ones(count, bool)}, {"all": lambda sums: sums["all"]}, None)
    tracemalloc.start()
    draw_all([sampled], every_row_alone(count), seed=1, resamples=32, copy_bytes=2**20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20
