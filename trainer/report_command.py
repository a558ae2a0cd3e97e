"""The report command: the training that a bundle came from, once more, and cross-validation:

its model trained anew on several pasts, each time tested on what came next.
"""

import argparse
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import numpy as np

from console.output import whole_folder
from console.terminal import notice, say, say_table
from evaluation.ranking import areas
from evaluation.result import Fold
from risk.bundle import Manifest
from risk.codes import Array
from risk.errors import OptionError, TrustLensError
from trainer.bundle_writer import prepare_folder
from trainer.families import ENSEMBLE
from trainer.families.ensemble import are_chosen
from trainer.families.family import family_of
from trainer.fit import Session
from trainer.load import stamp_of
from trainer.matrix import Matrix
from trainer.options import MOST_FOLDS, RESAMPLES
from trainer.preprocess import learn
from trainer.printing import Stages, say_external, say_figures
from trainer.promotion import evaluation_of, named_bundle
from trainer.report.wording import FOLDS_AFTER_CHOICE
from trainer.reproducible import one_thread
from trainer.splits import (
    VALIDATION_PERCENT,
    Given,
    Part,
    Parts,
    check_parts,
    day_text,
    known_frauds,
    parts_by_time,
    refit_part,
    split_days,
    true_frauds,
)
from trainer.train import TrainingResult, learn_and_evaluate, manifest_of_result, write_evidence
from trainer.train_options import Plan, TrainOptions, as_trained

# The first fold needs a past to learn from; the rest of the days is divided among the folds.
FIRST_PAST = 0.4
FIT, VALIDATION, TEST = range(3)


def folds_in_time(matrix: Matrix, plan: Plan, delay: int, count: int, path: object) -> list[Fold]:
    """Each learns from everything up to the label delay before its test, as a training then would have."""
    first, last = matrix.days
    until = last + 1
    cuts = np.unique(np.linspace(first + FIRST_PAST * (until - first), until, count + 1).round().astype(int)).tolist()
    if len(cuts) - 1 < count:
        notice(
            f"--folds: got {count}, and {until - cuts[0]} days to divide, expected at most a fold a day: "
            f"{len(cuts) - 1} were made"
        )
    found = []
    for begin, end in pairwise(cuts):
        name = f"{day_text(begin)} to {day_text(end - 1)}"
        try:
            periods = split_days(*matrix.days, delay, Given(None, begin - delay), Given(begin, end))
            parts = parts_by_time(matrix, periods, delay)
            check_parts(parts, path)
            found.append(_fold(name, matrix, parts, plan))
        except TrustLensError as error:
            found.append(Fold(name, None, None, None, None, str(error)))
    return found


def folds_at_random(matrix: Matrix, plan: Plan, count: int, path: object) -> list[Fold]:
    """Every row is tested once; each fold has as many frauds as the others, give or take one."""
    found = []
    for place, drawn in enumerate(drawn_folds(matrix, plan.seed, count)):
        fit, validation, test = drawn
        parts = Parts(
            Part(fit, known_frauds(matrix, fit, None), 1, None),
            Part(validation, known_frauds(matrix, validation, None), 1, None),
            Part(test, true_frauds(matrix, test), 1, None),
        )
        name = f"fold {place + 1} of {count}"
        try:
            check_parts(parts, path)
            found.append(_fold(name, matrix, parts, plan))
        except TrustLensError as error:
            found.append(Fold(name, None, None, None, None, str(error)))
    return found


def drawn_folds(matrix: Matrix, seed: int, count: int) -> Iterator[tuple[Array, Array, Array]]:
    """For each fold the rows of fit, validation and test, with the same share of each class."""
    rows = np.flatnonzero(matrix.is_fraud >= 0)
    dice, frauds = np.random.default_rng(seed), true_frauds(matrix, rows)
    orders = [dice.permutation(np.flatnonzero(of_class)) for of_class in (frauds, ~frauds)]
    for place in range(count):
        chosen = np.empty(len(rows), np.int8)
        for order in orders:
            is_test = np.arange(len(order)) % count == place
            rest = order[~is_test]
            share = (np.arange(len(rest)) + 0.5) / max(len(rest), 1)
            chosen[order[is_test]] = TEST
            chosen[rest] = np.where(share < 1 - VALIDATION_PERCENT / 100, FIT, VALIDATION)
        yield rows[chosen == FIT], rows[chosen == VALIDATION], rows[chosen == TEST]


def _fold(name: str, matrix: Matrix, parts: Parts, plan: Plan) -> Fold:
    if plan.refit:  # nothing is chosen in a fold, so the first fit can be left out
        parts = parts._replace(fit=refit_part(matrix, parts))
    session = Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages())
    (model,) = session.fit_all()
    raw, truth = model.fit.raw_scores(session.prepared(parts.test)), parts.test.is_fraud
    found = areas(raw, truth)
    return Fold(name, len(truth), int(truth.sum()), _said(found.average_precision), _said(found.roc_auc), None)


def _said(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def report_again(options: argparse.Namespace) -> int:
    folds: int = options.folds
    if not (folds == 0 or 2 <= folds <= MOST_FOLDS):
        raise OptionError(f"--folds: got {folds}, expected 0 for none, or a number from 2 to {MOST_FOLDS}")
    RESAMPLES.check(options)
    manifest = named_bundle(options.models, options.version).manifest
    train_options = as_trained(options, manifest)
    for kind in train_options.plan.kinds:
        family_of(kind)  # what is not installed is said before the file is read
    _check_file(train_options, manifest)
    prepare_folder("--reports", train_options.reports)
    stages = Stages()
    with one_thread():
        result = learn_and_evaluate(train_options, stages)
        again = manifest_of_result(train_options, result, stages, metrics={})
        _check_same(again, manifest)
        found = _folds(result, train_options, manifest.model, folds) if folds else []
    result.file.check_unchanged()
    is_chosen = _is_chosen_by_validation(train_options.plan, manifest.model)
    then = evaluation_of(manifest)
    evaluation = msgspec.structs.replace(
        result.evaluation,
        in_use=None if then is None else then.in_use,  # what is in use now was not in use then
        folds=tuple(found),
        folds_follow_a_search=is_chosen,
    )
    folder = train_options.reports / manifest.version
    with whole_folder(folder) as temporary:
        write_evidence(temporary, train_options, again, result, evaluation)
    say_figures(evaluation, manifest.currency)
    say_external(train_options, evaluation, manifest.currency)
    _say_folds(found)
    if found and is_chosen:
        say(FOLDS_AFTER_CHOICE)
    say()
    say(f"report      {folder / 'report.html'}")
    return 0


def _check_file(train_options: TrainOptions, manifest: Manifest) -> None:
    found = stamp_of(train_options.file).sha256
    if found != manifest.training_data.sha256:
        raise OptionError(
            f"FILE: got {train_options.file} with SHA-256 {found}, expected {manifest.training_data.sha256}: the file "
            f"that {manifest.version} was trained on. To try a bundle on another file, use backtest."
        )


def _check_same(again: Manifest, manifest: Manifest) -> None:
    if again.version == manifest.version:
        return
    changed = [
        f"{name} {manifest.libraries.get(name)} then and {version} now"
        for name, version in again.libraries.items()
        if manifest.libraries.get(name) != version
    ]
    why = f"libraries: {', '.join(changed)}" if changed else "the libraries are the same, so the code is not"
    raise OptionError(
        f"VERSION: trained again this gives {again.version}, expected {manifest.version} ({why}). Use the versions "
        "that it was trained with, or train anew."
    )


def _folds(result: TrainingResult, train_options: TrainOptions, model: str, count: int) -> list[Fold]:
    matrix, plan = result.session.matrix, train_options.plan._replace(kinds=(model,), search=0)
    # Chosen once, by a search or as an ensemble's weights; a fold does not choose again.
    plan = plan._replace(parameters={**plan.parameters, model: result.candidates.champion.fit.parameters})
    if train_options.split.is_random:
        return folds_at_random(matrix, plan, count, train_options.file)
    return folds_in_time(matrix, plan, train_options.settings.label_delay, count, train_options.file)


def _is_chosen_by_validation(plan: Plan, model: str) -> bool:
    """Whether the champion is what it is by a choice that the folds do not make again."""
    return plan.search > 0 or (model == ENSEMBLE and are_chosen(plan.parameters[ENSEMBLE]))


def _say_folds(folds: list[Fold]) -> None:
    if not folds:
        return
    say()
    lines: list[tuple[str, ...]] = [("fold", "transactions", "frauds", "average precision", "ROC-AUC")]
    for fold in folds:
        numbers = ("-" if value is None else f"{value:.3f}" for value in (fold.average_precision, fold.roc_auc))
        counts = ("-" if count is None else f"{count:,}" for count in (fold.transactions, fold.frauds))
        lines.append((fold.name, *counts, *numbers))
    say_table(lines)
    for fold in folds:
        if fold.note:
            say(f"{fold.name}: {fold.note}")
