"""The train command from its options to the files that it leaves behind."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from risk.bundle import Manifest
from risk.catalogue import FeatureSet
from risk.dataset import Dataset, open_dataset
from risk.dataset.map_file import load_map
from risk.errors import DatasetError
from trainer.evidence.contender import Contender
from trainer.evidence.evidence import judge
from trainer.evidence.write import write_report
from trainer.features import check_labels_in_time, check_something_scored, warn_of_left_out
from trainer.replay import Replay, currency_of
from trainer.terminal import notice, warn
from trainer.training.asked import Asked, asked_for
from trainer.training.assembling import bundle_files, manifest_of, training_data
from trainer.training.bundle_folder import make_current, prepare_folder, write_bundle
from trainer.training.learned import learn
from trainer.training.matrix import Matrix, read_matrix
from trainer.training.parts import Parts, check_labels, check_parts, parts_at_random, parts_by_time
from trainer.training.proof import prove
from trainer.training.session import Candidate, Session, Trained, best
from trainer.training.stages import Stages
from trainer.training.summary import about, say_end, say_start
from trainer.training.truth import truth_file, truth_of
from trainer.training.whole_folder import whole_folder

WITHOUT_CLOCK = frozenset({"customer_id", "merchant_id"})
SHOWN_CURVES = ("sweep",)


class Result(NamedTuple):
    """Everything that a training came to, before it is written down."""

    session: Session
    trained: list[Trained]
    champion: Trained
    candidate: Candidate
    contenders: list[Contender]
    baselines: list[Contender]
    figures: dict[str, Any]


def train(options: argparse.Namespace) -> int:
    asked = asked_for(options)
    prepare_folder("--models", asked.models)
    prepare_folder("--reports", asked.reports)
    # One thread for every matrix product: with more, sums are split by the number of cores.
    with threadpool_limits(1):
        stages = Stages()
        with stages.stage("open"):
            dataset = opened(asked)
        replay = replay_of(dataset, asked)
        result = trained(replay, asked, stages)
        manifest, was_written = _written(dataset, replay, asked, result, stages)
    say_end(asked, manifest, result.figures, was_written)
    return 0


def opened(asked: Asked) -> Dataset:
    column_map = load_map(asked.columns) if asked.columns else None
    dataset = open_dataset(asked.file, column_map, chunk_rows=asked.settings.chunk_rows)
    for text in dataset.notices:
        notice(text)
    if dataset.column_map.is_fraud is None:
        raise DatasetError(f"{asked.file}: got no label column, expected one that says which transactions were frauds. "
                           "Name it as is_fraud in a map (--columns); inspect proposes one.")  # fmt: skip
    if not dataset.row_count:
        raise DatasetError(f"{asked.file}: got no rows, expected a history of transactions. Check the file.")
    return dataset


def replay_of(dataset: Dataset, asked: Asked) -> Replay:
    feature_set = dataset.feature_set
    if asked.is_random:
        notice("--split random: history and ledger features are left out, because they need times that mean something")
        feature_set = FeatureSet(
            feature_set.fields - WITHOUT_CLOCK, feature_set.number_attributes, feature_set.category_attributes
        )
    settings = asked.settings
    return Replay(
        dataset,
        label_delay_days=settings.label_delay,
        bucket_ms=settings.bucket,
        max_lateness_ms=settings.max_lateness,
        currency=asked.currency or currency_of(dataset),
        feature_set=feature_set,
    )


def trained(replay: Replay, asked: Asked, stages: Stages) -> Result:
    truth = truth_file(asked.file)
    with stages.stage("features"):
        matrix = read_matrix(replay, keep_ids=truth is not None)
    check_something_scored(replay)
    warn_of_left_out(replay)
    check_labels(matrix, asked.file)
    check_labels_in_time(replay)
    parts = _parts(matrix, asked)
    check_parts(parts, asked.file)
    say_start(parts)
    with stages.stage("learn"):
        features = learn(matrix, parts.fit.rows)
    for text in features.dropped:
        warn(f"feature dropped: {text}")
    session = Session(matrix, parts, features, asked.plan, stages)
    trained = session.fit_all()
    champion = best(trained)
    candidates = [session.candidate(each.kind, each.raw) for each in trained]
    with stages.stage("proof"):
        prove(champion.kind, champion.estimator, champion.model, session.validation, champion.raw)
    test = session.prepared(parts.test)
    contenders = [session.contender(own, each, test) for own, each in zip(candidates, trained, strict=True)]
    baselines = session.baselines(champion, test)
    with stages.stage("judge"):
        figures = judge(
            contenders,
            baselines,
            champion.kind,
            truth_of(truth, matrix, parts.test),
            review_cost=asked.plan.review_cost,
            loss_rate=asked.plan.loss_rate,
            alerts_per_day=asked.plan.alerts_per_day,
            seed=asked.plan.seed,
        )
    own = candidates[trained.index(champion)]
    return Result(session, trained, champion, own, contenders, baselines, figures)


def _parts(matrix: Matrix, asked: Asked) -> Parts:
    if asked.is_random:
        return parts_at_random(matrix, asked.plan.seed)
    return parts_by_time(matrix, asked.settings.label_delay, asked.train, asked.test)


def manifest_from(
    dataset: Dataset, replay: Replay, asked: Asked, result: Result, stages: Stages, metrics: dict[str, Any]
) -> Manifest:
    """The champion's manifest; the metrics are no part of its version."""
    return manifest_of(
        result.session,
        result.champion,
        result.candidate,
        training_data(dataset.path, result.session),
        asked.settings,
        replay.currency,
        timings=stages.seconds,
        metrics=metrics,
    )


def _written(dataset: Dataset, replay: Replay, asked: Asked, result: Result, stages: Stages) -> tuple[Manifest, bool]:
    metrics = {name: value for name, value in result.figures.items() if name not in SHOWN_CURVES}
    manifest = manifest_from(dataset, replay, asked, result, stages, metrics)
    with stages.stage("report"):
        report(asked.reports / manifest.version, result, about(asked, manifest, result.session, result.trained))
    was_written = write_bundle(asked.models, manifest.version, bundle_files(manifest, result.champion))
    make_current(asked.models, manifest.version)
    return manifest, was_written


def report(folder: Path, result: Result, about: dict[str, Any]) -> None:
    """The evidence of a training; it takes the place of an earlier one for the same bundle."""
    with whole_folder(folder) as temporary:
        write_report(temporary, result.figures, result.contenders, result.baselines, result.champion.kind, about)
