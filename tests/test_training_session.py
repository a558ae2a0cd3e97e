"""What lies between a matrix and a champion: balances, searches, and who wins."""

from collections.abc import Sequence

import numpy as np
import pytest

from risk.bundle import ONNX_RUNTIME
from risk.clock import DAY
from risk.errors import OptionError
from tests.training_rows import made_matrix
from trainer.families import CLASS_WEIGHT, FAMILIES, NONE, SMOTE, UNDERSAMPLE
from trainer.families.family import Rows, family_of, fitted
from trainer.families.parameters import read_parameters
from trainer.families.search import draws
from trainer.fit import Fit, FittedModel, balanced, best, say_what_is_weak
from trainer.splits import parts_by_time, split_days
from trainer.train_options import Plan

ROWS = 3000


def rare(categories: Sequence[int] = (2,)) -> Rows:
    dice = np.random.default_rng(1)
    values = np.column_stack([dice.normal(size=ROWS), dice.normal(size=ROWS) * 1000, dice.integers(0, 4, ROWS)])
    return Rows(values.astype(np.float32), np.arange(ROWS) % 50 == 0, None, categories)


@pytest.mark.parametrize("balance", [NONE, CLASS_WEIGHT])
def test_rows_stay_as_they_are(balance: str) -> None:
    rows = rare()
    assert balanced(balance, rows, 1).values is rows.values


def test_frauds_together_weigh_as_much_as_all_genuine_rows_and_all_as_much_as_without_weights() -> None:
    rows = balanced(CLASS_WEIGHT, rare(), 1)
    assert rows.weights is not None
    assert rows.weights[rows.is_fraud].sum() == pytest.approx(ROWS / 2)
    assert rows.weights[~rows.is_fraud].sum() == pytest.approx(ROWS / 2)
    assert len(set(rows.weights.tolist())) == 2


def test_undersampling_keeps_every_fraud_and_ten_genuine_for_each_in_their_order() -> None:
    values, is_fraud, *_ = rare()
    kept, labels, *_ = balanced(UNDERSAMPLE, rare(), 1)
    assert (labels.sum(), (~labels).sum()) == (60, 600)
    assert np.array_equal(kept[labels], values[is_fraud])
    assert not np.array_equal(balanced(UNDERSAMPLE, rare(), 2).values, kept)


@pytest.mark.parametrize("categories", [[], [2]])
def test_made_frauds_lie_between_frauds_and_leave_the_real_rows_alone(categories: list[int]) -> None:
    values, is_fraud, *_ = rare()
    more, labels, *_ = balanced(SMOTE, rare(categories), 1)
    made = more[ROWS:]
    assert np.array_equal(more[:ROWS], values)
    assert np.array_equal(labels[:ROWS], is_fraud)
    assert labels[ROWS:].all()
    assert labels.sum() == pytest.approx(0.1 * (~labels).sum(), abs=1)
    frauds = values[is_fraud]
    assert (made >= frauds.min(axis=0) - 1e-3).all()
    assert (made <= frauds.max(axis=0) + 1e-3).all()
    if categories:
        assert set(made[:, 2].tolist()) <= {0.0, 1.0, 2.0, 3.0}


def test_data_with_many_frauds_is_not_balanced() -> None:
    rows = rare()._replace(is_fraud=np.arange(ROWS) % 5 == 0)
    assert balanced(UNDERSAMPLE, rows, 1) is rows


@pytest.mark.parametrize(("balance", "every", "is_said"), [(SMOTE, 5, True), (SMOTE, 50, False), (NONE, 5, False)])
def test_a_balance_that_changes_nothing_says_so(
    capsys: pytest.CaptureFixture[str], balance: str, every: int, is_said: bool
) -> None:
    times = np.arange(ROWS) * (60 * DAY // ROWS)
    matrix = made_matrix(times, np.arange(ROWS) % every == 0, times + 1, amounts=np.arange(ROWS))
    parts = parts_by_time(matrix, split_days(*matrix.days, 3), 3)
    plan = Plan((), read_parameters(None), balance, 0, 5.0, 1.0, None, 1)
    say_what_is_weak(parts, plan)
    assert (f"--balance {balance} changes nothing: " in capsys.readouterr().err) == is_said


@pytest.mark.parametrize(
    ("kind", "odd"),
    [
        ("logistic", {"C": -1.0}),
        ("lightgbm", {"learning_rate": -1.0}),
        ("random-forest", {"max_depth": -7}),
        ("xgboost", {"max_depth": -7}),
        ("catboost", {"depth": 99}),
        ("mlp", {"alpha": -1.0}),
        ("isolation-forest", {"max_features": -1.0}),
        ("one-class-svm", {"nu": -1.0}),
        ("autoencoder", {"alpha": -1.0}),
    ],
)
def test_what_the_library_refuses_is_said_with_the_values_that_it_was_given(kind: str, odd: dict[str, float]) -> None:
    (name, value), *_ = odd.items()
    asked = {**read_parameters(None, [kind])[kind], **odd}
    with pytest.raises(OptionError, match=rf"\[{kind}\]: got .*{name} = {value}.* which the library refuses"):
        fitted(family_of(kind), asked, rare(), 1)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_search_begins_with_what_was_asked_for_and_draws_what_the_model_knows(kind: str) -> None:
    family, asked = family_of(kind), read_parameters(None, [kind])[kind]
    found = list(draws(family, asked, 20, 3))
    assert found[0] == asked
    assert len(found) == 21
    assert len({str(one) for one in found}) == 21
    assert all(one.keys() == asked.keys() for one in found)
    assert list(draws(family, asked, 20, 3)) == found
    assert list(draws(family, asked, 20, 4)) != found
    for parameter in family.parameters:
        drawn = {one[parameter.name] for one in found[1:]}
        assert (len(drawn) > 1) == (parameter.searched is not None)
        if parameter.searched is not None:
            assert all(parameter.searched.low <= value <= parameter.searched.high for value in drawn)
            assert {type(value) for value in drawn} == {int if parameter.is_whole else float}


@pytest.mark.parametrize("kind", ["mlp", "autoencoder"])
def test_a_network_is_fitted_without_a_word_whatever_is_left_over_of_the_rows(
    kind: str, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Of 3,000 rows in batches of 64, which are also all at once, 56."""
    monkeypatch.setattr("trainer.families.network.ROWS_AT_ONCE", 64)
    parameters = {**read_parameters(None, [kind])[kind], "batch_size": 64, "max_iter": 1}
    fitted(family_of(kind), parameters, rare(), 1)
    assert [str(each.message) for each in recwarn] == []


def test_the_highest_average_precision_wins_and_of_equal_ones_the_first() -> None:
    def one(kind: str, average_precision: float) -> FittedModel:
        fit = Fit(kind, {}, (), None, b"", ONNX_RUNTIME, None, np.empty(0), average_precision)  # type: ignore[arg-type]
        return FittedModel(kind, fit, None)  # type: ignore[arg-type]

    three = [one("logistic", 0.3), one("random-forest", 0.5), one("lightgbm", 0.5)]
    assert best(three) is three[1]
