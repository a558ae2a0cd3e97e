"""What lies between a matrix and a champion: balances, searches, and who wins."""

import numpy as np
import pytest

from risk.bundle import ONNX_RUNTIME
from risk.clock import DAY
from risk.errors import OptionError
from tests.training_rows import made_matrix
from trainer import train
from trainer.training.balance import BALANCES, CLASS_WEIGHT, NONE, SMOTE, UNDERSAMPLE, balanced
from trainer.training.estimators import DEFAULTS, FOREST, KINDS, LIGHTGBM, LOGISTIC, fitted
from trainer.training.learned import learn
from trainer.training.parameters import read_parameters
from trainer.training.parts import parts_by_time
from trainer.training.periods import split_days
from trainer.training.search import draws
from trainer.training.session import Plan, Session, Trained, best
from trainer.training.stages import Stages

ROWS = 3000


def rare() -> tuple[np.ndarray, np.ndarray]:
    dice = np.random.default_rng(1)
    values = np.column_stack([dice.normal(size=ROWS), dice.normal(size=ROWS) * 1000, dice.integers(0, 4, ROWS)])
    return values.astype(np.float32), np.arange(ROWS) % 50 == 0


@pytest.mark.parametrize("balance", [NONE, CLASS_WEIGHT])
def test_rows_stay_as_they_are(balance: str) -> None:
    values, is_fraud = rare()
    assert balanced(balance, values, is_fraud, [2], 1)[0] is values


def test_undersampling_keeps_every_fraud_and_ten_genuine_for_each_in_their_order() -> None:
    values, is_fraud = rare()
    kept, labels = balanced(UNDERSAMPLE, values, is_fraud, [2], 1)
    assert (labels.sum(), (~labels).sum()) == (60, 600)
    assert np.array_equal(kept[labels], values[is_fraud])
    assert not np.array_equal(balanced(UNDERSAMPLE, values, is_fraud, [2], 2)[0], kept)


@pytest.mark.parametrize("categories", [[], [2]])
def test_made_frauds_lie_between_frauds_and_leave_the_real_rows_alone(categories: list[int]) -> None:
    values, is_fraud = rare()
    more, labels = balanced(SMOTE, values, is_fraud, categories, 1)
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
    values, _ = rare()
    is_fraud = np.arange(ROWS) % 5 == 0
    assert balanced(UNDERSAMPLE, values, is_fraud, [], 1)[0] is values


@pytest.mark.parametrize(("balance", "every", "is_said"), [(SMOTE, 5, True), (SMOTE, 50, False), (NONE, 5, False)])
def test_a_balance_that_changes_nothing_says_so(
    capsys: pytest.CaptureFixture[str], balance: str, every: int, is_said: bool
) -> None:
    times = np.arange(ROWS) * (60 * DAY // ROWS)
    matrix = made_matrix(times, np.arange(ROWS) % every == 0, times + 1, amounts=np.arange(ROWS))
    parts = parts_by_time(matrix, split_days(*matrix.days, 3))
    plan = Plan((), read_parameters(None), balance, 0, 5.0, 1.0, None, 1)
    Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages())
    assert (f"--balance {balance} changes nothing: " in capsys.readouterr().err) == is_said


@pytest.mark.parametrize(
    ("kind", "odd"), [(LOGISTIC, {"C": -1.0}), (LIGHTGBM, {"learning_rate": -1.0}), (FOREST, {"max_depth": -7})]
)
def test_what_the_library_refuses_is_said_with_the_values_that_it_was_given(kind: str, odd: dict[str, float]) -> None:
    values, is_fraud = rare()
    (name, value), *_ = odd.items()
    with pytest.raises(OptionError, match=rf"\[{kind}\]: got .*{name} = {value}.* which the library refuses"):
        fitted(kind, {**DEFAULTS[kind], **odd}, values, is_fraud, [], weighted=False, seed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_begins_with_what_was_asked_for_and_draws_what_the_model_knows(kind: str) -> None:
    asked = {**DEFAULTS[kind]}
    found = list(draws(kind, asked, 20, 3))
    assert found[0] == asked
    assert len(found) == 21
    assert len({str(one) for one in found}) == 21
    assert all(one.keys() == asked.keys() for one in found)
    assert list(draws(kind, asked, 20, 3)) == found
    assert list(draws(kind, asked, 20, 4)) != found


def test_the_highest_average_precision_wins_and_of_equal_ones_the_first() -> None:
    def one(kind: str, average_precision: float) -> Trained:
        return Trained(kind, {}, None, b"", ONNX_RUNTIME, None, np.empty(0), average_precision)  # type: ignore[arg-type]

    three = [one("logistic", 0.3), one("random-forest", 0.5), one("lightgbm", 0.5)]
    assert best(three) is three[1]


def test_the_command_line_offers_what_there_is() -> None:
    """Its lists stand apart, so that asking for help loads no model library."""
    assert (train.KINDS, train.BALANCES) == (KINDS, BALANCES)
