"""From a matrix to fitted models, each with a calibration and thresholds, and a champion: all without the test.

The few frauds get more weight where that was asked for. That changes what is fitted, never what chooses or judges.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from console.terminal import notice, say
from evaluation.ranking import areas
from evaluation.result import Trial
from risk.bundle import LearnedCategory, ScoredBy
from risk.codes import Array
from risk.model import Model, quickest
from risk.scorer import Preparation
from trainer.calibrate import Calibrated, calibrate, few_frauds
from trainer.families import CLASS_WEIGHT, ENSEMBLE, HYBRID, SMOTE, UNDERSAMPLE
from trainer.families.ensemble import WEIGHTS, are_chosen, is_settled, settled, shares_in_words, weights_of
from trainer.families.family import Parameters, Rows, family_of, fitted
from trainer.families.hybrid import with_detectors
from trainer.families.search import Round, draws, rounds_of, search
from trainer.matrix import Matrix
from trainer.onnx_model import serialized
from trainer.preprocess import Features, learn
from trainer.printing import Stages, say_search
from trainer.splits import Part, Parts, refit_part
from trainer.train_options import Plan


class Fit(NamedTuple):
    """What a family made of the fit period, or of its latest days, in both its forms: a search compares several."""

    family: str
    parameters: dict[str, Any]
    columns: tuple[int, ...]  # of the prepared rows
    estimator: Any  # as its family fitted it
    onnx: bytes
    scored_by: ScoredBy
    model: Model
    raw: Array  # of validation
    average_precision: float  # of raw, on validation
    trials: tuple[Trial, ...] = ()  # of the search that found it

    def raw_scores(self, prepared: Array) -> Array:
        whole = len(self.columns) == prepared.shape[1]
        return self.model.raw_scores(prepared if whole else np.ascontiguousarray(prepared[:, self.columns]))


class FittedModel(NamedTuple):
    """A fit whose scores are probabilities and which has thresholds: all that is known of a model before the test."""

    name: str  # its family's, or that of a baseline
    fit: Fit
    calibrated: Calibrated


def say_what_is_weak(parts: Parts, plan: Plan) -> None:
    """Before anything is fitted: where the data are too few for what was asked."""
    for name, part in zip(parts._fields, parts, strict=True):
        text = few_frauds(name, int(part.is_fraud.sum()))
        if text is not None:
            notice(text)
    if plan.balance in (UNDERSAMPLE, SMOTE) and has_enough(parts.fit.is_fraud):
        notice(f"--balance {plan.balance} changes nothing: it brings frauds to 1 for each {1 / WANTED_RATIO:.0f} "
               f"genuine rows, and {parts.fit.is_fraud.mean():.1%} of the fit rows are frauds already")  # fmt: skip


class Served(NamedTuple):
    """The model that goes into the bundle, and the session whose rows and preparation are its own."""

    session: "Session"
    model: FittedModel


class Session:
    """One training: the rows as the models see them, and what is done with them."""

    def __init__(self, matrix: Matrix, parts: Parts, features: Features, plan: Plan, stages: Stages) -> None:
        self.matrix, self.parts, self.features, self.plan, self.stages = matrix, parts, features, plan, stages
        self.names = tuple(feature.name for feature in features.learned)
        self.preparation = Preparation(features.learned)
        self._categories = [
            column for column, feature in enumerate(features.learned) if isinstance(feature, LearnedCategory)
        ]
        with stages.stage("prepare"):
            self._fit = self.prepared(parts.fit)
            self.validation = self.prepared(parts.validation)
        self._hybrid_rows: Rows | None = None  # the fit period with what the detectors say, once they are fitted

    def prepared(self, part: Part) -> Array:
        return self.matrix.prepared(self.preparation, part.rows)

    def fit_all(self) -> list[FittedModel]:
        """The best of each family that was asked for."""
        fits: list[Fit] = []
        for kind in self.plan.kinds:  # an ensemble comes behind its members
            fits.append(self._ensemble_of(fits) if kind == ENSEMBLE else self._searched(kind))
        return [self.calibrated(fit.family, fit) for fit in fits]

    def calibrated(self, name: str, fit: Fit) -> FittedModel:
        return FittedModel(
            name, fit, self.calibrate(fit.raw, self.unlabelled_scores(fit, self.matrix, self.parts.validation))
        )

    def calibrate(self, raw: Array, unlabelled: Array) -> Calibrated:
        """Raw scores of validation: what they mean, and where the levels begin."""
        return calibrate(self.matrix, self.parts.validation, raw, unlabelled, self.plan)

    def unlabelled_scores(self, fit: Fit, matrix: Matrix, part: Part) -> Array:
        """Raw scores of what has no label on its days."""
        rows = part.unlabelled
        return fit.raw_scores(matrix.prepared(self.preparation, rows)) if len(rows) else np.empty(0)

    def fit_scores(self, fit: Fit, most: int) -> Array:
        """Raw scores of the fit rows, evenly thinned to so many."""
        # Side by side: of rows with gaps between them the compiled loop over trees would be compiled a second time.
        return fit.raw_scores(np.ascontiguousarray(self._fit[:: -(-len(self._fit) // most)]))

    def fit(
        self, kind: str, parameters: Parameters, columns: Sequence[int], name: str, rows: slice = slice(None)
    ) -> Fit:
        """On these columns of the prepared rows, and these rows of the fit period; `name` is for people."""
        family, seed, width = family_of(kind), self.plan.seed, len(columns)
        seen = self._rows(columns, is_hybrid=kind.startswith(HYBRID))
        with self.stages.stage(f"fit {name}"):
            some = seen._replace(values=seen.values[rows], is_fraud=seen.is_fraud[rows])
            estimator = fitted(family, parameters, balanced(self.plan.balance, some, seed), seed)
            onnx = serialized(family.to_onnx(estimator, width))
        validation = self.validation if width == len(self.names) else self.validation[:, columns]
        return self._served(kind, parameters, columns, estimator, onnx, np.ascontiguousarray(validation))

    def _rows(self, columns: Sequence[int], *, is_hybrid: bool) -> Rows:
        """The fit period in these columns; for a hybrid with what the detectors say, which is the same in a search."""
        is_all = len(columns) == len(self.names)
        if is_hybrid and is_all and self._hybrid_rows is not None:
            return self._hybrid_rows
        places = {column: place for place, column in enumerate(columns)}
        categories = [places[column] for column in self._categories if column in places]
        values = self._fit if is_all else np.ascontiguousarray(self._fit[:, columns])
        rows = Rows(values, self.parts.fit.is_fraud, None, categories)
        if is_hybrid:
            with self.stages.stage("fit detectors"):
                rows = with_detectors(rows, self.plan.parameters, self.plan.seed)
            if is_all:
                self._hybrid_rows = rows
        return rows

    def _served(
        self,
        kind: str,
        parameters: Parameters,
        columns: Sequence[int],
        estimator: Any,
        onnx: bytes,
        validation: Array,
    ) -> Fit:
        scored_by, model = quickest(onnx, len(columns), kind)
        raw = model.raw_scores(validation)
        reached = areas(raw, self.parts.validation.is_fraud).average_precision
        return Fit(kind, dict(parameters), tuple(columns), estimator, onnx, scored_by, model, raw, reached)

    def _ensemble_of(self, fits: Sequence[Fit]) -> Fit:
        """Of the models that are there already; where its members were settled by an earlier training, of new ones."""
        asked, columns = self.plan.parameters[ENSEMBLE], range(len(self.names))
        if is_settled(asked):
            return self.fit(ENSEMBLE, asked, columns, ENSEMBLE)
        members = {one.family: one for one in fits if one.family in asked}
        is_fraud = self.parts.validation.is_fraud
        with self.stages.stage(f"fit {ENSEMBLE}"):
            raws = {kind: members[kind].raw for kind in asked}
            weights = weights_of(asked, raws, lambda raw: areas(raw, is_fraud).average_precision)
            parameters = settled(weights, {kind: one.parameters for kind, one in members.items()})
            estimator = {kind: (weight, members[kind].estimator) for kind, weight in parameters[WEIGHTS].items()}
            onnx = serialized(family_of(ENSEMBLE).to_onnx(estimator, len(self.names)))
        if are_chosen(asked):
            say(f"ensemble    validation chose {shares_in_words(parameters)}")
        return self._served(ENSEMBLE, parameters, columns, estimator, onnx, self.validation)

    def _searched(self, kind: str) -> Fit:
        """The best of a search, which without --search is what was asked for."""
        family, columns, plan = family_of(kind), range(len(self.names)), self.plan
        settings = list(draws(family, plan.parameters[kind], plan.search, plan.seed))
        rounds = rounds_of(self.parts.fit, self.matrix.event_times, plan.search)

        def fit(parameters: Parameters, on: Round) -> Fit:
            return self.fit(kind, parameters, columns, kind, on.rows)

        found, trials = search(family, settings, rounds, fit)
        if len(settings) == 1:
            return found
        say_search(trials)
        return found._replace(trials=trials)


def served(session: Session, champion: FittedModel) -> Served:
    """The champion, fitted again on fit and validation together, where that is wanted: newer days, and more frauds.
    What is learned of rows is learned anew, medians and vocabularies too. What was chosen stays: hyper-parameters, and
    the calibration and thresholds, for which no rows are left that the new model has not seen."""
    if not session.plan.refit:
        return Served(session, champion)
    matrix, parts = session.matrix, session.parts
    parts = parts._replace(fit=refit_part(matrix, parts))
    again = Session(matrix, parts, learn(matrix, parts.fit.rows), session.plan, session.stages)
    fit = again.fit(champion.fit.family, champion.fit.parameters, range(len(again.names)), f"{champion.name} again")
    return Served(again, champion._replace(fit=fit))


def best(models: Iterable[FittedModel]) -> FittedModel:
    """The champion: the highest average precision of raw scores on validation; of equal ones the first."""
    return max(models, key=lambda model: _reached(model.fit))


def _reached(fit: Fit) -> float:
    return fit.average_precision


# Frauds for each genuine transaction afterwards. As many of both would throw most of the history away, or drown it.
WANTED_RATIO = 0.1


def balanced(balance: str, rows: Rows, seed: int) -> Rows:
    """None are left out or made where there are enough frauds already."""
    if balance == CLASS_WEIGHT:
        return rows._replace(weights=_weights(rows.is_fraud))
    if balance not in (UNDERSAMPLE, SMOTE) or has_enough(rows.is_fraud):
        return rows
    return _undersampled(rows, seed) if balance == UNDERSAMPLE else _with_made_frauds(rows, seed)


def has_enough(is_fraud: Array) -> bool:
    frauds = int(is_fraud.sum())
    return frauds >= WANTED_RATIO * (len(is_fraud) - frauds)


def _weights(is_fraud: Array) -> Array:
    """Frauds together count as much as all genuine rows, and all together as many as they are."""
    frauds = int(is_fraud.sum())
    return np.where(is_fraud, len(is_fraud) / (2 * frauds), len(is_fraud) / (2 * (len(is_fraud) - frauds)))


def _undersampled(rows: Rows, seed: int) -> Rows:
    from imblearn.under_sampling import RandomUnderSampler  # takes a second to load, and few ask for it

    sampler = RandomUnderSampler(sampling_strategy=WANTED_RATIO, random_state=seed)
    sampler.fit_resample(np.arange(len(rows.values))[:, None], rows.is_fraud)
    kept = np.sort(sampler.sample_indices_)
    return rows._replace(values=rows.values[kept], is_fraud=rows.is_fraud[kept])


def _with_made_frauds(rows: Rows, seed: int) -> Rows:
    """Frauds between neighbouring frauds; near is measured in standard deviations, and codes are not averaged."""
    from imblearn.over_sampling import SMOTE as Plain  # noqa: N811 - it is called after itself
    from imblearn.over_sampling import SMOTENC

    values, categories = rows.values, list(rows.categories)
    scale = values.std(axis=0)
    scale[scale == 0] = 1
    scale[categories] = 1
    chosen = {"sampling_strategy": WANTED_RATIO, "random_state": seed}
    sampler = SMOTENC(categories, **chosen) if categories else Plain(**chosen)
    made, labels = sampler.fit_resample(values / scale, rows.is_fraud)
    more = made[len(values) :] * scale
    # The real rows stay as they are, to the bit.
    both = np.concatenate([values, more.astype(np.float32)])
    return rows._replace(values=both, is_fraud=labels.astype(bool))
