"""One training from the opened file to its result: what is learned, who wins, and what the test says of it."""

from typing import Any, NamedTuple

from console.terminal import notice, warn
from evaluation.comparison import ModelPredictions
from risk.catalogue import FeatureSet
from trainer.families.family import family_of
from trainer.replay import (
    check_labels_in_time,
    check_something_scored,
    currency_of,
    warn_of_left_out,
    warn_of_unlabelled_days,
)
from trainer.training.asked import Asked
from trainer.training.contest import Contest
from trainer.training.external import External, open_external, read_external
from trainer.training.learned import learn
from trainer.training.matrix import Matrix, read_matrix
from trainer.training.parts import Parts, check_labels, check_parts, check_rows, parts_at_random, parts_by_time
from trainer.training.periods import split_days, warn_of_short_gap
from trainer.training.proof import prove
from trainer.training.session import Candidate, Session, Trained, best
from trainer.training.source import Opened, opened, replay_of, stamp_of
from trainer.training.stages import Stages
from trainer.training.summary import say_start
from trainer.training.truth import truth_file, truth_of

WITHOUT_CLOCK = frozenset({"customer_id", "merchant_id"})


class Result(NamedTuple):
    """Everything that a training came to, before it is written down."""

    session: Session
    models: list[Trained]
    champion: Trained
    candidate: Candidate  # the champion's
    contenders: list[ModelPredictions]
    baselines: list[ModelPredictions]
    figures: dict[str, Any]
    external: External | None


def open_file(asked: Asked) -> Opened:
    stamp = stamp_of(asked.file)
    dataset = opened(asked.file, asked.columns, asked.settings)
    feature_set = dataset.feature_set
    if asked.is_random:
        notice("--split random: history and ledger features are left out, because they need times that mean something")
        feature_set = FeatureSet(
            feature_set.fields - WITHOUT_CLOCK, feature_set.number_attributes, feature_set.category_attributes
        )
    replay = replay_of(dataset, asked.settings, asked.currency or currency_of(dataset), feature_set)
    return Opened(replay, stamp)


def learn_and_judge(file: Opened, asked: Asked, stages: Stages) -> Result:
    replay = file.replay
    to_look_at = open_external(asked, replay)
    truth = truth_file(asked.file)
    with stages.stage("features"):
        matrix = read_matrix(replay, keep_ids=truth is not None)
    check_something_scored(replay)
    warn_of_left_out(replay)
    check_rows(matrix, asked.file)
    check_labels(matrix, asked.file)
    check_labels_in_time(replay)
    warn_of_unlabelled_days(replay)
    parts = _parts(matrix, asked)
    check_parts(parts, asked.file)
    say_start(parts, matrix)
    external = None
    if to_look_at is not None:
        with stages.stage("external"):
            external = read_external(to_look_at)
    with stages.stage("learn"):
        features = learn(matrix, parts.fit.rows)
    for reason, names in features.dropped_by_reason().items():
        warn(f"features dropped, because {reason}: {', '.join(names)}")
    session = Session(matrix, parts, features, asked.plan, stages)
    models = session.fit_all()
    champion = best(models)
    with stages.stage("proof"):
        own = family_of(champion.kind).own_scores(champion.estimator, session.validation)
        proof = prove(champion.kind, own, champion.onnx, champion.model, session.validation, champion.raw)
    contest = Contest(session, models, champion)
    test = contest.exam(matrix, parts.test, truth_of(truth, matrix, parts.test))
    judged = contest.judge(test, with_measures=True)
    missing = [*judged.figures["missing"], *contest.absent]
    figures = {
        **judged.figures,
        "missing": missing,
        "proof": proof._asdict(),
        **_external_figures(contest, external),
    }
    return Result(session, models, champion, contest.champion, judged.contenders, judged.baselines, figures, external)


def _external_figures(contest: Contest, external: External | None) -> dict[str, Any]:
    if external is None:
        return {}
    exam = contest.exam(external.matrix, external.part, external.truth)
    return {"external": contest.judge(exam, with_measures=False).figures}


def _parts(matrix: Matrix, asked: Asked) -> Parts:
    if asked.is_random:
        return parts_at_random(matrix, asked.plan.seed)
    delay = asked.settings.label_delay
    periods = asked.periods or split_days(*matrix.days, delay, asked.train, asked.test)
    warn_of_short_gap(periods, delay)
    return parts_by_time(matrix, periods)
