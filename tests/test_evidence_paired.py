"""Two models at equal work: the same number of cases, the same draws, and only who ranks the frauds higher can win."""

import msgspec
import numpy as np
import pytest

from evaluation.comparison import paired
from evaluation.result import Costs, PairedComparison
from risk.errors import EngineError
from tests.evidence_cases import judged_rows, thrown

COSTS = Costs(5, 1, None)


def compared(one, other, cases_per_day, *, costs=COSTS, resamples=200, work=None):
    return paired(("new", one), ("old", other), costs, cases_per_day, seed=3, resamples=resamples, work=work)


def test_both_raise_as_many_cases_and_the_better_ranking_catches_more() -> None:
    """The scores of one are a thousandth of the other's: thresholds of their own would be far apart."""
    good, bad = thrown(1, lift=4.0), thrown(1, lift=1.0)
    found = compared(good, bad._replace(scores=bad.scores / 1000), 5)
    assert found.money.alerts == found.other_money.alerts == 50
    assert found.money.review == found.other_money.review
    caught, frauds = found.money.frauds_caught - found.other_money.frauds_caught, int(good.is_fraud.sum())
    assert found.frauds_caught.value == pytest.approx(caught / frauds)
    assert found.saved.value == pytest.approx(found.money.saved - found.other_money.saved)
    assert 0 < found.frauds_caught.low < found.frauds_caught.value < found.frauds_caught.high
    assert found.average_precision.low > 0
    assert (found.name, found.other) == ("new", "old")


def test_turned_round_the_signs_are() -> None:
    one, other = thrown(1, lift=4.0), thrown(1, lift=3.0)
    forth, back = compared(one, other, 5), compared(other, one, 5)
    assert forth.frauds_caught.value == pytest.approx(-back.frauds_caught.value)
    assert forth.frauds_caught.low == pytest.approx(-back.frauds_caught.high)


def test_the_interval_is_of_the_difference_and_narrower_than_those_of_the_two() -> None:
    """The same frauds are drawn for both, so what is hard for both does not widen it."""
    one, other = thrown(1, lift=4.0), thrown(1, lift=4.0)
    tiny = other._replace(scores=other.scores + (other.event_times % 2) * 1e-6)
    found = compared(one, tiny, 5)
    assert found.frauds_caught.high - found.frauds_caught.low < 0.05
    same = compared(one, other, 5)
    assert (same.frauds_caught.value, same.frauds_caught.low, same.frauds_caught.high) == (0, 0, 0)


def test_of_a_hand_of_rows_the_cases_are_counted_by_hand() -> None:
    """A case a day: the highest customer of the two days each; the old one lists a genuine customer first."""
    rows = [(0.1, 1, 10.0, 0.9, True), (0.2, 2, 20.0, 0.5, False), (1.1, 3, 30.0, 0.8, True), (1.2, 4, 5.0, 0.4, False)]
    new = judged_rows(rows, 2)
    old = new._replace(scores=new.scores * [1.0, 2.0, 1.0, 0.1])
    found = compared(new, old, 1)
    assert (found.money.alerts, found.money.frauds_caught, found.money.saved) == (2, 2, 40.0)
    assert (found.other_money.alerts, found.other_money.frauds_caught, found.other_money.saved) == (2, 1, 10.0)
    assert (found.frauds_caught.value, found.saved.value) == (0.5, 30.0)


def test_cases_of_what_has_no_label_are_work_too() -> None:
    """Two customers without a label, whom the old one puts first: they are its two cases, and it catches nothing."""
    labelled = [(0.1, 1, 10.0, 0.9, True), (0.3, 2, 20.0, 0.8, True)]
    new = judged_rows(labelled, 2)
    every = judged_rows([*labelled, (1.1, 3, 5.0, 0.1, False), (1.2, 4, 5.0, 0.1, False)], 2)
    found = compared(new, new, 1, work=(every, every._replace(scores=np.add(every.scores, [0, 0, 0.9, 0.9]))))
    assert (found.money.alerts, found.money.frauds_caught) == (2, 2)
    assert (found.other_money.alerts, found.other_money.frauds_caught) == (0, 0)
    assert compared(new, new, 1).other_money.frauds_caught == 2


def test_without_a_fraud_no_difference_is_said() -> None:
    calm = thrown(1, fraud_share=0.0)
    found = compared(calm, calm, 5)
    assert found.frauds_caught.value is None
    assert found.average_precision.value is None


def test_other_rows_are_refused() -> None:
    with pytest.raises(EngineError, match="old: got other test rows"):
        compared(thrown(1), thrown(2), 5)


def test_it_is_written_as_json_and_read_again() -> None:
    found = compared(thrown(1), thrown(1, lift=2.0), 5, resamples=20)
    assert msgspec.json.decode(msgspec.json.encode(found), type=PairedComparison) == found
