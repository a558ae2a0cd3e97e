"""The champion beside the bundle that is in use, on the rows of its test."""

import numpy as np

from evaluation.comparison import paired
from evaluation.money import scored
from evaluation.ranking import Predictions
from evaluation.result import InUse
from risk.bundle import Bundle, LearnedCategory, LearnedNumber, Manifest
from risk.catalogue import EngineTerms, FeatureSet
from risk.clock import DAY, day_of, to_date
from risk.errors import BundleError, EngineError
from risk.learned_days import learned_days_of
from risk.model import model_of
from risk.scorer import Preparation
from risk.words import duration_in_words
from trainer.calibrate import predictions_of, work_of
from trainer.evaluate import Evaluated, Sample
from trainer.train_options import Plan


def beside_in_use(
    bundle: Bundle, terms: EngineTerms, tested: Evaluated, sample: Sample, plan: Plan, margin: float
) -> InUse:
    """The champion and the bundle in use on the test rows, each by its own preparation, at equal work: as many cases a
    day as the cap allows, or else as the bundle in use raises there, which is what the team is used to."""
    manifest, test, evaluation = bundle.manifest, sample.part, tested.evaluation
    why = _why_not_compared(manifest, terms, sample.matrix.feature_set)
    if why is not None:
        return InUse(manifest.version, margin, None, why)
    try:
        model = model_of(bundle.onnx, len(manifest.features), str(bundle.folder), manifest.scored_by)
        preparation = Preparation(manifest.features)
        raw, unlabelled = (
            model.raw_scores(sample.matrix.prepared(preparation, rows)) if len(rows) else np.empty(0)
            for rows in (test.rows, test.unlabelled)
        )
        theirs = predictions_of(sample.matrix, test, raw, manifest.calibration)
        their_work = work_of(sample.matrix, test, raw, unlabelled, manifest.calibration)
        every = their_work or theirs
        raised = int(scored(every, evaluation.costs).accounting.alerts(manifest.thresholds.high))
    except (BundleError, EngineError) as error:  # the training is as good as it was
        return InUse(manifest.version, margin, None, f"it cannot score the rows of the test ({error})")
    (ours,) = (each for each in tested.models if each.name == evaluation.champion)
    cases = max(raised / every.days, 1.0) if plan.alerts_per_day is None else plan.alerts_per_day
    comparison = paired(
        (evaluation.champion, ours.test),
        (manifest.version, theirs),
        evaluation.costs,
        cases,
        seed=plan.seed,
        resamples=plan.resamples,
        work=None if their_work is None or ours.test_work is None else (ours.test_work, their_work),
    )
    if not comparison.money.alerts and not comparison.other_money.alerts:
        why = f"with at most {cases:g} cases a day neither raises one in the test, and without a case all are equal"
        return InUse(manifest.version, margin, None, why)
    return InUse(manifest.version, margin, comparison, None, _why_unfair(manifest, ours.test))


def _why_not_compared(manifest: Manifest, terms: EngineTerms, features: FeatureSet) -> str | None:
    theirs, ours = _terms_in_words(manifest.terms), _terms_in_words(terms)
    other = [
        f"its {name} is {theirs[name]}, and here it is {here}" for name, here in ours.items() if theirs[name] != here
    ]
    there: dict[str, type] = dict.fromkeys((feature.name for feature in features.numbers), LearnedNumber)
    there |= dict.fromkeys((feature.name for feature in features.categories), LearnedCategory)
    # An attribute keeps its name where it was text and is a number now.
    lacking = [feature.name for feature in manifest.features if there.get(feature.name) is not type(feature)]
    if lacking:
        other.append(f"it wants {', '.join(lacking)}, which this history does not have, or not in that form")
    return "; ".join(other) or None


def _terms_in_words(terms: EngineTerms) -> dict[str, str]:
    return {
        "currency": terms.currency,
        "label delay": duration_in_words(terms.label_delay_days * DAY),
        "bucket of the merchant ledger": duration_in_words(terms.bucket_ms),
        "greatest lateness": duration_in_words(terms.max_lateness_ms),
    }


def _why_unfair(manifest: Manifest, test: Predictions) -> str | None:
    if not len(test.event_times):
        return None
    first, last = day_of(int(test.event_times.min())), day_of(int(test.event_times.max()))
    known = [
        f"{to_date(days.start)} to {to_date(days.stop - 1)}"
        for days in learned_days_of(manifest)
        if first < days.stop and last >= days.start
    ]
    if not known:
        return None
    return (
        f"{manifest.version} learned from days of this test ({' and '.join(known)}): if they are of the same data, it "
        "knows them by heart, and the comparison flatters it"
    )
