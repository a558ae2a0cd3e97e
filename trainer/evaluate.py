"""Models and baselines on rows that nothing was learned from: their predictions, what they look at, their speed."""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from evaluation.comparison import Context, ModelPredictions, compare
from evaluation.contributions import ContributionSample
from evaluation.ranking import areas
from evaluation.result import Costs, Evaluation
from evaluation.segments import MOST, NOT_GIVEN, Grouping
from risk.bundle import LearnedCategory, LearnedNumber
from risk.catalogue import ATTRIBUTE_PREFIX, HISTORY_FEATURES, LEDGER_FEATURES
from risk.codes import Array
from risk.errors import OptionError
from risk.model import Model
from trainer.calibrate import Calibrated, predictions_of, work_of
from trainer.families.family import Explaining, family_of
from trainer.families.hybrid import HybridModel, joined
from trainer.fit import FittedModel, Served, Session
from trainer.in_force import AMOUNT_ALONE
from trainer.matrix import Matrix
from trainer.reproducible import one_thread
from trainer.splits import Part

FIRST_FIT = "{}, first fit"
WITHOUT_PAST = "{} without history and ledger"
_PAST = frozenset(feature.name for feature in (*HISTORY_FEATURES, *LEDGER_FEATURES))


class Sample(NamedTuple):
    """Rows to evaluate on."""

    matrix: Matrix
    part: Part
    truth: Array | None  # the true probability of each row, where the data comes with it


class AmountAlone(NamedTuple):
    """The baseline that anybody has: the higher the amount, the higher the score."""

    usual: float  # amount
    calibrated: Calibrated
    name: str = AMOUNT_ALONE


class Candidates(NamedTuple):
    """Who is evaluated: always with what validation chose."""

    models: list[FittedModel]
    champion: FittedModel  # as it was when calibration and thresholds were chosen
    served: Served
    baselines: list[FittedModel | AmountAlone]
    absent: tuple[str, ...]  # sentences: baselines that there cannot be


class Evaluated(NamedTuple):
    """An evaluation, and the predictions that it was made from."""

    evaluation: Evaluation
    models: list[ModelPredictions]
    baselines: list[ModelPredictions]


def candidates_of(session: Session, models: list[FittedModel], champion: FittedModel, serving: Served) -> Candidates:
    """With baselines: what anybody could do, by amount alone and by the transaction alone."""
    baselines: list[FittedModel | AmountAlone] = []
    absent = []
    medians = {each.name: each.median for each in session.features.learned if isinstance(each, LearnedNumber)}
    if "amount" in medians:
        usual = medians["amount"]
        validation = session.parts.validation
        raw, unlabelled = (
            _amount_odds(session.matrix, rows, usual) for rows in (validation.rows, validation.unlabelled)
        )
        baselines.append(AmountAlone(usual, session.calibrate(raw, unlabelled)))
    else:
        absent.append("There is no baseline by amount alone, because no amount is known in the fit period.")
    columns = [column for column, name in enumerate(session.names) if name not in _PAST]
    if 0 < len(columns) < len(session.names):
        name = WITHOUT_PAST.format(champion.name)
        try:
            fit = session.fit(champion.fit.family, champion.fit.parameters, columns, name)
            baselines.append(session.calibrated(name, fit))
        except OptionError as error:  # the champion is as good as it was
            absent.append(f"There is no baseline without history and ledger, because it could not be fitted: {error}")
    else:
        which = "no feature of either" if columns else "no other feature"
        absent.append(f"There is no baseline without history and ledger, because the champion has {which}.")
    return Candidates(models, champion, serving, baselines, tuple(absent))


def evaluate(session: Session, candidates: Candidates, sample: Sample, *, with_measures: bool) -> Evaluated:
    """Side by side, the champion as it is served. `with_measures`: importances, speed and the champion's first fit too,
    which take longer than all the rest."""
    plan, champion, serving = session.plan, candidates.champion, candidates.served
    values = sample.matrix.prepared(session.preparation, sample.part.rows)
    models = [
        _predicted(session, each, sample, values, with_measures) for each in candidates.models if each is not champion
    ]
    baselines = [_predicted(session, each, sample, values, with_measures=False) for each in candidates.baselines]
    first_fit = None
    if serving.model is not champion:
        if with_measures:
            named = champion._replace(name=FIRST_FIT.format(champion.name))
            first_fit = _predicted(session, named, sample, values, with_measures=False)
        values = sample.matrix.prepared(serving.session.preparation, sample.part.rows)
    served = _predicted(serving.session, serving.model, sample, values, with_measures)
    unlabelled = serving.session.unlabelled_scores(serving.model.fit, sample.matrix, sample.part)
    calibration = serving.model.calibrated.calibration
    served = served._replace(test_work=work_of(sample.matrix, sample.part, served.test.raw, unlabelled, calibration))
    if with_measures:
        with session.stages.stage("contributions"):
            found = contribution_sample(serving.session, serving.model, values, sample.part.is_fraud)
        served = served._replace(contributions=found)
    models.insert(candidates.models.index(champion), served)
    with session.stages.stage("judge"):
        evaluation = compare(
            models,
            baselines,
            candidates.champion.name,
            sample.truth,
            Costs(plan.review_cost, plan.loss_rate, plan.alerts_per_day),
            seed=plan.seed,
            resamples=plan.resamples,
            context=context_of(sample.matrix, sample.part)._replace(is_refit=serving.model is not champion),
            first_fit=first_fit,
        )
    return Evaluated(evaluation, models, baselines)


def _predicted(
    session: Session, model: FittedModel | AmountAlone, sample: Sample, values: Array, with_measures: bool
) -> ModelPredictions:
    important: tuple[tuple[str, float], ...] = ()
    speed = None
    with session.stages.stage(f"test {model.name}"):
        if isinstance(model, AmountAlone):
            raw = _amount_odds(sample.matrix, sample.part.rows, model.usual)
        else:
            raw = model.fit.raw_scores(values)
            if with_measures:
                served, is_fraud = model.fit.model, sample.part.is_fraud
                important = importances(served, session.names, values, is_fraud, session.plan.seed)
                speed = milliseconds_per_1000_rows(served, values)
    calibration, thresholds, validation, work = model.calibrated
    return ModelPredictions(
        model.name,
        validation,
        predictions_of(sample.matrix, sample.part, raw, calibration),
        thresholds.high,
        thresholds.medium,
        important,
        speed,
        validation_work=work,
    )


def _amount_odds(matrix: Matrix, rows: Array, usual: float) -> Array:
    """Amounts as raw scores: in (0, 1), in the same order; a missing amount is the smallest."""
    amounts = np.nan_to_num(matrix.number("amount")[rows])
    odds: Array = amounts / (amounts + max(usual, 1e-9))
    return odds


IMPORTANT = 12
PERMUTED_ROWS = 15_000  # of each class
STRANGENESS = "how strange the detector {} finds the transaction beside those it learned from"
EXPLAINED_ROWS = 250  # of each class; exact contributions of a row take about as long as its score a thousand times
TIMED_ROWS = 20_000
TIMED_BATCH = 500


def importances(
    model: Model, names: tuple[str, ...], values: Array, is_fraud: Array, seed: int
) -> tuple[tuple[str, float], ...]:
    """How much average precision is lost when one feature's values are dealt out anew: the largest losses.

    All frauds are looked at, as far as they are few. Genuine rows are thinned, and each stands for as many as it was.
    """
    rows, weights = _sample(is_fraud)
    values, is_fraud = values[rows], is_fraud[rows]
    if not is_fraud.any():
        return ()
    whole = areas(model.raw_scores(values), is_fraud, weights).average_precision
    # Dealt out by weight: a thinned genuine row's value is as likely as those of the rows it stands for.
    dealt = np.random.default_rng(seed).choice(len(rows), len(rows), p=weights / weights.sum())
    losses = []
    for column, name in enumerate(names):
        kept = values[:, column].copy()
        values[:, column] = kept[dealt]
        losses.append((name, whole - areas(model.raw_scores(values), is_fraud, weights).average_precision))
        values[:, column] = kept
    return tuple(sorted(losses, key=lambda loss: -loss[1])[:IMPORTANT])


def _sample(is_fraud: Array) -> tuple[Array, Array]:
    """At most so many rows of each class, evenly thinned, and for how many each stands."""
    parts, weights = [], []
    for of_class in (np.flatnonzero(is_fraud), np.flatnonzero(~is_fraud)):
        step = max(1, -(-len(of_class) // PERMUTED_ROWS))
        parts.append(of_class[::step])
        weights.append(np.full(len(parts[-1]), step, np.int64))
    return np.concatenate(parts), np.concatenate(weights)


def contribution_sample(
    session: Session, model: FittedModel, values: Array, is_fraud: Array
) -> ContributionSample | None:
    """What each feature adds to the scores of some rows, evenly thinned; None of a family that cannot say it."""
    family = family_of(model.fit.family)
    if not isinstance(family, Explaining):
        return None
    rows = np.sort(np.concatenate([_thinned(np.flatnonzero(each)) for each in (is_fraud, ~is_fraud)]))
    names, shown, estimator = session.names, values[rows], model.fit.estimator
    feature_set = session.matrix.feature_set
    features = (*feature_set.numbers, *feature_set.categories)
    meanings = {feature.name: feature.meaning for feature in features}
    with one_thread():
        contributions = family.contributions(estimator, shown)
    if isinstance(estimator, HybridModel):
        names, shown = (*names, *estimator.detectors), joined(estimator.detectors, shown)
        meanings |= {kind: STRANGENESS.format(kind) for kind in estimator.detectors}
    return ContributionSample(
        names=names,
        meanings=meanings,
        words={
            one.name: ("(not given)", "(not seen in training)", *one.vocabulary)
            for one in session.features.learned
            if isinstance(one, LearnedCategory)
        },
        values=shown,
        contributions=contributions,
        is_fraud=is_fraud[rows],
        durations={feature.name for feature in features if feature.unit == "seconds"},
    )


def _thinned(rows: Array) -> Array:
    return rows[:: max(1, -(-len(rows) // EXPLAINED_ROWS))]


def milliseconds_per_1000_rows(model: Model, values: Array) -> float:
    """In batches as a worker's, one thread; of the processor's time, for what runs beside is not the model's."""
    values = values[:TIMED_ROWS]
    began = time.process_time()
    for first in range(0, len(values), TIMED_BATCH):
        model.raw_scores(values[first : first + TIMED_BATCH])
    return (time.process_time() - began) / len(values) * 1e6


# By what the rows that are judged are divided, and which rows of the same days cannot be judged.
BANDS = (0.2, 0.4, 0.6, 0.8, 0.95)  # of the amounts judged; the highest are worth a band of their own
MOST_NUMBERS = 6  # attributes that are numbers; a file may have hundreds
NEW_AND_KNOWN = "earlier transactions of the customer in 30 days"
KNOWN_FROM = (1, 5, 20)


def context_of(matrix: Matrix, part: Part) -> Context:
    unlabelled = matrix.event_times[part.unlabelled]
    return Context(tuple(_groupings(matrix, part.rows)), unlabelled, is_random=part.period is None)


def _groupings(matrix: Matrix, rows: Array) -> Iterator[Grouping]:
    numbers = [feature.name for feature in matrix.feature_set.numbers]
    for name, column in matrix.sensitive.items():
        learned = name in matrix.categories or ATTRIBUTE_PREFIX + name in (*matrix.categories, *numbers)
        yield _of_people(name, column.words, column.codes[rows])._replace(is_sensitive=True, is_learned_from=learned)
    for name, column in matrix.categories.items():
        if name.removeprefix(ATTRIBUTE_PREFIX) in matrix.sensitive:
            continue
        yield Grouping(_plain(name), column.words, column.codes[rows])
    if "customer_count_30d" in numbers:
        words = ("none: new, or long away", "1 to 4", "5 to 19", "20 or more")
        yield _bands(NEW_AND_KNOWN, matrix.number("customer_count_30d")[rows], KNOWN_FROM, words)
    attributes = [name for name in numbers if name.startswith(ATTRIBUTE_PREFIX)]
    others = [name for name in attributes if name.removeprefix(ATTRIBUTE_PREFIX) not in matrix.sensitive]
    for name in ("amount", *others[:MOST_NUMBERS]):
        values = matrix.number(name)[rows]
        if not np.isnan(values).all():
            yield _in_bands(_plain(name), values)


def _of_people(name: str, words: tuple[str, ...], codes: Array) -> Grouping:
    """In bands, where its words are many numbers, such as an age."""
    if len(words) <= MOST:
        return Grouping(_plain(name), words, codes)
    try:
        numbers = np.array([*map(float, words), np.nan])
    except ValueError:
        return Grouping(_plain(name), words, codes)
    return _in_bands(_plain(name), numbers[codes])


def _in_bands(name: str, values: Array) -> Grouping:
    known = values[~np.isnan(values)]
    edges = np.unique([_two_digits(edge) for edge in np.quantile(known, BANDS)]).tolist() if len(known) else [0.0]
    return _bands(name, values, edges, _words(edges))


def _bands(name: str, values: Array, edges: Sequence[float], words: tuple[str, ...]) -> Grouping:
    codes = np.searchsorted(edges, values, side="right")
    return Grouping(name, words, np.where(np.isnan(values), NOT_GIVEN, codes), is_in_order=True)


def _words(edges: Sequence[float]) -> tuple[str, ...]:
    said = [f"{edge:,.0f}" if edge.is_integer() else f"{edge:g}" for edge in edges]
    between = [f"{low} to below {high}" for low, high in pairwise(said)]
    return (f"below {said[0]}", *between, f"{said[-1]} or more")


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")


def _plain(name: str) -> str:
    return name.removeprefix(ATTRIBUTE_PREFIX).replace("_", " ")
