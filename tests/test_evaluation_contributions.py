"""Contributions are exact: with a constant they add up to the score, and are summed up by what is strongest."""

import numpy as np
import pytest

from evaluation.contributions import ContributionSample, contributions_of
from tests.test_training_parts import history, in_time
from trainer.contributions import contribution_sample
from trainer.families.family import Explaining, Rows, family_of, fitted
from trainer.families.parameters import read_parameters
from trainer.fit import Session, served
from trainer.preprocess import learn
from trainer.printing import Stages
from trainer.train_options import Plan

SMALL = {
    "lightgbm": {"n_estimators": 5, "min_child_samples": 5},
    "xgboost": {"n_estimators": 5},
    "catboost": {"iterations": 5},
}


@pytest.mark.parametrize("kind", SMALL)
def test_contributions_add_up_to_the_log_odds(kind):
    random = np.random.default_rng(1)
    values = random.normal(size=(400, 4)).astype(np.float32)
    rows = Rows(values, values[:, 1] + 0.3 * values[:, 2] > 0.8, None, ())
    family = family_of(kind)
    assert isinstance(family, Explaining)
    model = fitted(family, {**read_parameters(None, [kind])[kind], **SMALL[kind]}, rows, seed=1)
    added = family.contributions(model, values)
    scores = family.own_scores(model, values)
    constant = np.log(scores / (1 - scores)) - added.sum(axis=1)
    assert np.ptp(constant) < 1e-4
    assert np.abs(added).mean(axis=0).argmax() == 1


@pytest.mark.parametrize("kind", SMALL)
def test_contributions_are_those_of_the_model_that_is_served(kind):
    """What is scored by the bundle's own ONNX, and not the first fit: the constant is one only for that."""
    random, matrix = np.random.default_rng(1), history()
    values = random.lognormal(size=matrix.values.shape)
    matrix = matrix._replace(values=values + matrix.is_fraud[:, None])
    parts = in_time(matrix)
    plan = Plan((kind,), {kind: {**read_parameters(None, [kind])[kind], **SMALL[kind]}}, "none", 0, 5, 1, None, 1,
                refit=True)  # fmt: skip
    session = Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages())
    (first,) = session.fit_all()
    again = served(session, first)
    rows = again.session.prepared(parts.test)
    sample = contribution_sample(again.session, again.model, rows, parts.test.is_fraud)
    spreads = []
    for model in (again.model, first):
        raw = model.fit.raw_scores(sample.values.astype(np.float32))
        spreads.append(np.ptp(np.log(raw / (1 - raw)) - sample.contributions.sum(axis=1)))
    assert spreads[0] < 1e-4 < spreads[1]


def test_a_family_without_exact_ones_says_so():
    assert not isinstance(family_of("random-forest"), Explaining)


def test_the_strongest_are_first_with_what_their_values_add():
    values = np.array([[0, 2], [0, 2], [1, 3], [1, 3]], np.float32)
    added = np.array([[-1.0, 0.1], [-3.0, 0.1], [4.0, -0.3], [2.0, -0.3]])
    sample = ContributionSample(
        ("new", "channel"), {"new": "whether it is new"}, {"channel": ("(none)", "(unknown)", "pos", "web")}, values,
        added, np.array([False, False, True, False]),
    )  # fmt: skip
    found = contributions_of(sample)
    assert (found.rows, found.frauds) == (4, 1)
    first, second = found.features
    assert (first.name, first.meaning, first.mean_absolute) == ("new", "whether it is new", 2.5)
    assert [(each.values, each.rows, each.mean) for each in first.effects] == [("0", 2, -2.0), ("1", 2, 3.0)]
    assert [(each.values, each.mean) for each in second.effects] == [("pos", 0.1), ("web", -0.3)]
    assert contributions_of(None) is None
