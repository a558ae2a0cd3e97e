"""Contributions are exact: with a constant they add up to the score, and are summed up by what is strongest."""

import numpy as np
import pytest

from evaluation.contributions import ContributionSample, contributions_of
from tests.evidence_cases import evaluation_of
from tests.test_evidence_report import ABOUT
from tests.test_training_parts import history, in_time
from trainer.evaluate import contribution_sample
from trainer.families import DETECTORS, ENSEMBLE, HYBRID
from trainer.families.family import Explaining, Rows, family_of, fitted
from trainer.families.hybrid import joined
from trainer.families.parameters import read_parameters
from trainer.fit import Session, served
from trainer.preprocess import learn
from trainer.printing import Stages
from trainer.report.page import MEANINGS, page
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


def test_contributions_of_a_hybrid_are_of_the_features_and_of_what_the_detectors_say():
    kind, few = HYBRID + "lightgbm", {"isolation-forest": {"n_estimators": 10}, "one-class-svm": {"n_components": 10},
                                      "autoencoder": {"hidden": 3, "max_iter": 2}}  # fmt: skip
    parameters = {each: {**read_parameters(None, [each])[each], **few[each]} for each in DETECTORS}
    parameters[kind] = {**read_parameters(None, ["lightgbm"])["lightgbm"], **SMALL["lightgbm"]}
    matrix = history()
    values = np.random.default_rng(1).lognormal(size=matrix.values.shape)
    matrix = matrix._replace(values=values * np.where(matrix.is_fraud[:, None], 9.0, 1.0))
    parts = in_time(matrix)
    plan = Plan((kind,), parameters, "none", 0, 5, 1, None, 1)
    session = Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages())
    (model,) = session.fit_all()
    sample = contribution_sample(session, model, session.prepared(parts.test), parts.test.is_fraud)
    features = len(session.names)
    assert sample.names == (*session.names, *DETECTORS)
    assert "strange" in sample.meanings["autoencoder"]
    assert np.array_equal(sample.values, joined(model.fit.estimator.detectors, sample.values[:, :features]))
    assert np.abs(sample.contributions[:, features:]).max() > 0
    raw = model.fit.raw_scores(np.ascontiguousarray(sample.values[:, :features]))
    assert np.ptp(np.log(raw / (1 - raw)) - sample.contributions.sum(axis=1)) < 1e-4


@pytest.mark.parametrize("kind", ["random-forest", HYBRID + "logistic", ENSEMBLE])
def test_a_family_without_exact_ones_says_so(kind):
    assert not isinstance(family_of(kind), Explaining)


@pytest.mark.parametrize(
    ("name", "why"), [("ensemble", "is the mean of what several models say"), ("mlp", "For this kind of model")]
)
def test_the_report_says_why_there_are_none_and_what_is_lost_without_a_feature(name, why):
    text = page(evaluation_of(name, 0.4, 0.9, importances=(("amount", 0.125),)), ABOUT, [])
    assert why in text
    assert f"<th scope=row>amount<small>{MEANINGS['amount']}</small></th><td>0.125</td>" in text


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


def test_seconds_are_said_as_durations():
    seconds = np.array([[30.0], [90.0], [240.0], [9000.0], [200_000.0], [2_500_000.0]])
    sample = ContributionSample(
        ("seconds_since_last",), {}, {}, seconds, seconds, np.zeros(6, bool), durations={"seconds_since_last"}
    )
    (found,) = contributions_of(sample).features
    assert [each.values for each in found.effects] == ["30 s", "90 s", "4 min", "2 h", "2 d", "29 d"]
