"""train: a history becomes a bundle that is worth serving, and the evidence for it. The steps stand here, in order."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from console.output import whole_folder
from console.terminal import say, warn
from evaluation.result import Evaluation, InUse
from risk.bundle import Manifest
from trainer.beside import beside_in_use
from trainer.bundle_writer import bundle_files, manifest_of, prepare_folder, prove, write_bundle
from trainer.evaluate import Candidates, Evaluated, Sample, candidates_of, evaluate
from trainer.fit import Session, best, say_what_is_weak, served
from trainer.in_force import bundle_to_replace, make_current, remember_refused, why_not_in_force, why_not_unasked
from trainer.load import External, Opened, open_external, open_history, read_external, read_history, truth_of
from trainer.matrix import Matrix
from trainer.preprocess import learn, quality_of, warn_of_dropped
from trainer.printing import Stages, say_end, say_start
from trainer.report.write import about_training, write_report
from trainer.reproducible import one_thread
from trainer.splits import Parts, check_parts, parts_at_random, parts_by_time, split_days, warn_of_short_gaps
from trainer.train_options import TrainOptions, train_options_of


class TrainingResult(NamedTuple):
    """Everything that a training came to, before it is written."""

    file: Opened
    session: Session
    candidates: Candidates
    test: Sample
    tested: Evaluated
    external: External | None
    evaluation: Evaluation  # of the test, with the proof, and with what data of another source say


# What each retraining told beside the report, which may be made again: by the next one that comes to the same bundle.
RETRAININGS = "retrain-*"

# Belongs to a report: what looks closer at the same test.
NOT_IN_A_BUNDLE: dict[str, Any] = {
    "sweep": (), "marked": (), "gains": (), "segments": (), "course": None, "contributions": None, "quality": None,
}  # fmt: skip


def train(options: argparse.Namespace) -> int:
    """The command: learn, evaluate, write, promote."""
    train_options = train_options_of(options)
    prepare_folder("--models", train_options.models)
    prepare_folder("--reports", train_options.reports)
    stages = Stages()
    with one_thread():
        result = learn_and_evaluate(train_options, stages)
        manifest, evaluation, is_new = write(train_options, result, stages)
    say_end(train_options, manifest, evaluation, is_new)
    _promote(train_options, manifest, evaluation)
    return 0


def learn_and_evaluate(train_options: TrainOptions, stages: Stages) -> TrainingResult:
    """Until the last step nothing looks at the test period, and the last step looks at it once."""
    plan = train_options.plan

    # 1. Load: the file goes through the engine once; everything else looks at the matrix.
    with stages.stage("open"):
        file = open_history(train_options)
    external_file = open_external(train_options, file.replay)
    with stages.stage("features"):
        matrix, truth = read_history(file)

    # 2. Split, with the labels as they were known when the next period began.
    parts = _parts(matrix, train_options)
    check_parts(parts, train_options.file)
    say_start(parts, matrix, is_refit=plan.refit)
    say_what_is_weak(parts, plan)
    external = None
    if external_file is not None:
        with stages.stage("external"):
            external = read_external(external_file)

    # 3. Preprocess: medians, clip points and vocabularies, of the fit period alone.
    with stages.stage("learn"):
        features = learn(matrix, parts.fit.rows)
    warn_of_dropped(features)

    # 4. Fit on the fit period; calibrate, choose thresholds and the champion on validation.
    session = Session(matrix, parts, features, plan, stages)
    models = session.fit_all()
    champion = best(models)

    # 5. Refit the champion on fit and validation together, and prove that it is served as it was fitted.
    serving = served(session, champion)
    with stages.stage("proof"):
        proof = prove(serving.model.fit, serving.session.validation)

    # 6. Evaluate all models and the baselines: on the test period, and on data of another source.
    candidates = candidates_of(session, models, champion, serving)
    test = Sample(matrix, parts.test, truth_of(truth, matrix, parts.test))
    tested = evaluate(session, candidates, test, with_measures=True)
    evaluation = msgspec.structs.replace(
        tested.evaluation,
        missing=(*tested.evaluation.missing, *candidates.absent),
        proof=proof,
        quality=quality_of(file.replay, matrix, serving.session.parts, serving.session.features),
        trials=tuple(trial for model in models for trial in model.fit.trials),
        fit_frauds=int(parts.fit.is_fraud.sum()),
    )
    if external is not None:
        sample = Sample(external.matrix, external.part, external.truth)
        elsewhere = evaluate(session, candidates, sample, with_measures=False)
        evaluation = msgspec.structs.replace(evaluation, external=elsewhere.evaluation)
    return TrainingResult(file, session, candidates, test, tested, external, evaluation)


def _parts(matrix: Matrix, train_options: TrainOptions) -> Parts:
    split, delay = train_options.split, train_options.settings.label_delay
    if split.is_random:
        return parts_at_random(matrix, train_options.plan.seed)
    periods = split.periods or split_days(*matrix.days, delay, split.train, split.test, split.validation)
    warn_of_short_gaps(periods, delay)
    return parts_by_time(matrix, periods, delay)


def manifest_of_result(
    train_options: TrainOptions, result: TrainingResult, stages: Stages, metrics: dict[str, Any]
) -> Manifest:
    return manifest_of(result.file, train_options, result.session, result.candidates.served, stages.seconds, metrics)


def write_evidence(
    folder: Path, train_options: TrainOptions, manifest: Manifest, result: TrainingResult, evaluation: Evaluation
) -> None:
    write_report(
        folder,
        evaluation,
        result.tested.models,
        result.tested.baselines,
        about_training(train_options, manifest, result.session, result.candidates, result.external, evaluation),
        with_plots=train_options.with_plots,
    )


def write(train_options: TrainOptions, result: TrainingResult, stages: Stages) -> tuple[Manifest, Evaluation, bool]:
    """Report and bundle, with what the bundle in use reached in the test; whether the bundle is new."""
    manifest = manifest_of_result(train_options, result, stages, {})
    evaluation = msgspec.structs.replace(
        result.evaluation, in_use=_beside_in_use(train_options, result, manifest.version, stages)
    )
    # A sweep belongs to a report and not to a bundle, and data of another source may be others next time.
    kept = msgspec.structs.replace(evaluation, external=None, **NOT_IN_A_BUNDLE)
    manifest = msgspec.structs.replace(manifest, metrics=msgspec.to_builtins(kept))
    result.file.check_unchanged()

    def write_staged_evidence() -> None:
        with stages.stage("report"):
            write_evidence(temporary, train_options, manifest, result, evaluation)

    with whole_folder(train_options.reports / manifest.version, keep=RETRAININGS) as temporary:
        is_new = report_then_bundle(
            write_staged_evidence,
            lambda: write_bundle(
                train_options.models, manifest.version, bundle_files(manifest, result.candidates.served.model.fit)
            ),
            f"{manifest.version} is in {train_options.models} and was NOT put in use, because its report failed",
        )
    return manifest, evaluation, is_new


def _beside_in_use(train_options: TrainOptions, result: TrainingResult, version: str, stages: Stages) -> InUse | None:
    bundle = bundle_to_replace(train_options.models)
    if bundle is None or bundle.manifest.version == version:
        return None
    with stages.stage("beside the bundle in use"):
        terms = result.file.replay.terms
        return beside_in_use(bundle, terms, result.tested, result.test, train_options.plan, train_options.margin)


def report_then_bundle(write_report: Callable[[], None], write_bundle: Callable[[], bool], without: str) -> bool:
    """Whether there is a new bundle. The report takes its place after the bundle has: where a bundle fails, no report
    stays behind. A full disk leaves neither. Anything else that is wrong with the report does not lose the bundle."""
    try:
        write_report()
    except OSError:
        raise
    except Exception:
        write_bundle()
        warn(without)
        raise
    return write_bundle()


def _promote(train_options: TrainOptions, manifest: Manifest, evaluation: Evaluation) -> None:
    version, bundle = manifest.version, bundle_to_replace(train_options.models, is_said=True)
    before = None if bundle is None else bundle.manifest.version
    against = why_not_unasked(evaluation, before if before != version else None)
    if against is None:
        against = why_not_in_force(train_options.settings.rules, manifest)
    how = f"`python -m trainer promote {version} --models {train_options.models}"
    if not train_options.may_promote:
        say(f"not in use  as --no-promote asks; {how}` puts it in use"
            + ("" if against is None else f" with --force alone, because {against}"))  # fmt: skip
    elif against is not None:
        remember_refused(train_options.models, version, against, by="train")
        warn(f"{version} was NOT put in use: {against}. {how} --force` puts it in use all the same")
    else:
        make_current(train_options.models, version, by="train")
        say(f"in use      {version} is the current one of {train_options.models} now"
            + (f"; before: {before}" if before not in (None, version) else ""))  # fmt: skip
