"""From a matrix to trained models, each with thresholds and a calibration, and a champion: all without the test."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from console.terminal import notice
from evaluation.ranking import Predictions
from risk.bundle import Calibration, LearnedCategory, ScoredBy, Thresholds
from risk.codes import Array
from risk.model import Model, quickest
from risk.scorer import Preparation
from trainer.families import SMOTE, UNDERSAMPLE
from trainer.families.family import Rows, family_of, fitted
from trainer.families.parameters import draws
from trainer.train import DEFAULT_RESAMPLES
from trainer.training.balance import WANTED_RATIO, balanced, has_enough
from trainer.training.calibrating import FEW_FRAUDS, calibration_of, has_few_frauds
from trainer.training.judging import average_precision, predictions_of
from trainer.training.learned import Features
from trainer.training.matrix import Matrix
from trainer.training.onnx_model import serialized
from trainer.training.parts import Part, Parts
from trainer.training.stages import Stages
from trainer.training.thresholds import chosen


class Plan(NamedTuple):
    """What was asked for."""

    kinds: tuple[str, ...]
    parameters: dict[str, dict[str, Any]]
    balance: str
    search: int
    review_cost: float
    loss_rate: float
    alerts_per_day: float | None
    seed: int
    resamples: int = DEFAULT_RESAMPLES


class Trained(NamedTuple):
    """A model that was fitted, in both its forms."""

    kind: str
    parameters: dict[str, Any]
    estimator: Any  # as its family fitted it
    onnx: bytes
    scored_by: ScoredBy
    model: Model
    raw: Array  # of validation
    average_precision: float  # of raw, on validation


class Candidate(NamedTuple):
    """A way to score whose scores are probabilities and which has a threshold: both from validation."""

    name: str
    calibration: Calibration
    thresholds: Thresholds
    validation: Predictions


class Session:
    """One training: the rows as the models see them, and what is done with them."""

    def __init__(self, matrix: Matrix, parts: Parts, features: Features, plan: Plan, stages: Stages) -> None:
        self.matrix, self.parts, self.features, self.plan, self.stages = matrix, parts, features, plan, stages
        self.names = tuple(feature.name for feature in features.learned)
        self.preparation = Preparation(features.learned)
        self._categories = [
            column for column, feature in enumerate(features.learned) if isinstance(feature, LearnedCategory)
        ]
        if has_few_frauds(parts.validation.is_fraud):
            notice(f"validation has {int(parts.validation.is_fraud.sum())} frauds, fewer than {FEW_FRAUDS}: the scores "
                   "become probabilities by a simpler curve, and thresholds are uncertain")  # fmt: skip
        if plan.balance in (UNDERSAMPLE, SMOTE) and has_enough(parts.fit.is_fraud):
            notice(f"--balance {plan.balance} changes nothing: it brings frauds to 1 for each {1 / WANTED_RATIO:.0f} "
                   f"genuine rows, and {parts.fit.is_fraud.mean():.1%} of the fit rows are frauds already")  # fmt: skip
        with stages.stage("prepare"):
            self._fit = self.prepared(parts.fit)
            self.validation = self.prepared(parts.validation)

    def prepared(self, part: Part) -> Array:
        return self.matrix.prepared(self.preparation, part.rows)

    def fit_all(self) -> list[Trained]:
        return [self._best_of_search(kind) for kind in self.plan.kinds]

    def candidate(self, name: str, raw: Array) -> Candidate:
        """Calibrated on validation, with thresholds chosen there."""
        part, plan = self.parts.validation, self.plan
        calibration = calibration_of(raw, part.is_fraud)
        validation = predictions_of(self.matrix, part, raw, calibration)
        thresholds = chosen(
            validation, review_cost=plan.review_cost, loss_rate=plan.loss_rate, alerts_per_day=plan.alerts_per_day
        )
        return Candidate(name, calibration, thresholds, validation)

    def fit_scores(self, trained: Trained, most: int) -> Array:
        """Raw scores of the fit rows, evenly thinned to so many."""
        return trained.model.raw_scores(self._fit[:: -(-len(self._fit) // most)])

    def train(self, kind: str, parameters: dict[str, Any], columns: Sequence[int], name: str) -> Trained:
        """On these columns of the prepared rows; `name` is for people."""
        places = {column: place for place, column in enumerate(columns)}
        categories = [places[column] for column in self._categories if column in places]
        family, seed, is_all = family_of(kind), self.plan.seed, len(columns) == len(self.names)
        fit, validation = (
            values if is_all else np.ascontiguousarray(values[:, columns]) for values in (self._fit, self.validation)
        )
        with self.stages.stage(f"fit {name}"):
            rows = balanced(self.plan.balance, Rows(fit, self.parts.fit.is_fraud, None, categories), seed)
            estimator = fitted(family, parameters, rows, seed)
            onnx = serialized(family.to_onnx(estimator, len(columns)))
        scored_by, model = quickest(onnx, len(columns), name)
        raw = model.raw_scores(validation)
        return Trained(
            kind,
            parameters,
            estimator,
            onnx,
            scored_by,
            model,
            raw,
            average_precision(raw, self.parts.validation.is_fraud),
        )

    def _best_of_search(self, kind: str) -> Trained:
        tried = (
            self.train(kind, parameters, range(len(self.names)), kind)
            for parameters in draws(family_of(kind), self.plan.parameters[kind], self.plan.search, self.plan.seed)
        )
        return best(tried)


def best(trained: Iterable[Trained]) -> Trained:
    """The highest average precision of raw scores on validation; of equal ones the first."""
    return max(trained, key=lambda one: one.average_precision)
