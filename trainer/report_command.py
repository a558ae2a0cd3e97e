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
from risk.learned_days import days_of, learned_days_of
from risk.words import counted
from trainer.bundle_writer import prepare_folder
from trainer.families import ENSEMBLE
from trainer.families.ensemble import are_chosen
from trainer.families.family import family_of
from trainer.fit import Session
from trainer.in_force import evaluation_of
from trainer.load import stamp_of
from trainer.matrix import Matrix
from trainer.options import MOST_FOLDS, RANDOM, RESAMPLES
from trainer.preprocess import learn
from trainer.printing import Stages, say_external, say_figures
from trainer.promotion import named_bundle
from trainer.report.wording import FOLDS_AFTER_CHOICE
from trainer.reproducible import one_thread
from trainer.splits import (
    VALIDATION_PERCENT,
    Given,
    Part,
    Parts,
    Period,
    check_parts,
    day_text,
    known_frauds,
    parts_by_time,
    refit_part,
    split_days,
    true_frauds,
)
from trainer.train import RETRAININGS, TrainingResult, learn_and_evaluate, manifest_of_result, write_evidence
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
    return [
        _fold_in_time(Period(first, begin - delay), Period(begin, end), matrix, plan, delay, path)
        for begin, end in pairwise(cuts)
    ]


def prequential_folds(
    matrix: Matrix, plan: Plan, delay: int, count: int, path: object, window: int, length: int
) -> list[Fold]:
    """Each learns from a window of as many days, up to the label delay before its test, and the tests follow each other
    until the data ends: `window` and `length` are those of the bundle, where there is room for so much."""
    first, last = matrix.days
    until = last + 1
    days = min(window, int(FIRST_PAST * (until - first)))
    room = max(until - first - days - delay, 0)
    tested = max(min(length, room // count), 1)
    made = min(count, room // tested)
    if made < count:
        notice(
            f"--folds: got {count}, and {room} days to test on behind the first window of {days} days and the label "
            f"delay of {delay} days, expected at most a fold a day: {made} were made"
        )
    tests, each, gap = counted(made, "test", "tests"), counted(tested, "day", "days"), counted(delay, "day", "days")
    say(f"prequential {tests} of {each}; each model learns from {counted(days, 'day', 'days')} that end {gap} "
        f"before its test (the bundle: {window} days, and {length} of test)")  # fmt: skip
    return [
        _fold_in_time(
            Period(begin - delay - days, begin - delay), Period(begin, begin + tested), matrix, plan, delay, path
        )
        for begin in range(until - made * tested, until, tested)
    ]


def _fold_in_time(past: Period, test: Period, matrix: Matrix, plan: Plan, delay: int, path: object) -> Fold:
    try:
        parts = parts_by_time(matrix, split_days(*matrix.days, delay, Given(*past), Given(*test)), delay)
        found = _fold(_dates(test), matrix, parts, plan, path)
    except TrustLensError as error:
        found = Fold(_dates(test), None, None, None, None, str(error))
    return msgspec.structs.replace(found, learned_from=_dates(past))


def _dates(period: Period) -> str:
    return f"{day_text(period.first)} to {day_text(period.until - 1)}"


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
            found.append(_fold(name, matrix, parts, plan, path))
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


def _fold(name: str, matrix: Matrix, parts: Parts, plan: Plan, path: object) -> Fold:
    """One fit, as of what is served. Nothing is chosen in a fold, so where that was fitted again, validation is no more
    than a part of what is learned from, and needs no frauds of its own."""
    if plan.refit:
        learned = refit_part(matrix, parts)
        parts = Parts(learned, learned, parts.test)
    check_parts(parts, path)
    session = Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages())
    (kind,) = plan.kinds
    fit = session.fit(kind, plan.parameters[kind], range(len(session.names)), kind)
    raw, truth = fit.raw_scores(session.prepared(parts.test)), parts.test.is_fraud
    found = areas(raw, truth)
    return Fold(name, len(truth), int(truth.sum()), _said(found.average_precision), _said(found.roc_auc), None)


def _said(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def report_again(options: argparse.Namespace) -> int:
    folds: int = options.folds
    if not (folds == 0 or 2 <= folds <= MOST_FOLDS):
        raise OptionError(f"--folds: got {folds}, expected 0 for none, or a number from 2 to {MOST_FOLDS}")
    if options.prequential and not folds:
        raise OptionError("--prequential: got it with --folds 0, expected folds that it can divide the days into")
    RESAMPLES.check(options)
    manifest = named_bundle(options.models, options.version).manifest
    if options.prequential and manifest.training.split == RANDOM:
        raise OptionError(
            f"--prequential: got {manifest.version}, which was trained with --split random, expected a bundle of days: "
            "where times mean nothing, no fold comes before another. Leave --prequential out."
        )
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
        found = _folds(result, train_options, manifest, folds, is_prequential=options.prequential) if folds else []
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
    with whole_folder(folder, keep=RETRAININGS) as temporary:
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


def _folds(
    result: TrainingResult, train_options: TrainOptions, manifest: Manifest, count: int, *, is_prequential: bool
) -> list[Fold]:
    model, test = manifest.model, manifest.training.test
    matrix, plan = result.session.matrix, train_options.plan._replace(kinds=(model,), search=0)
    # Chosen once, by a search or as an ensemble's weights; a fold does not choose again.
    plan = plan._replace(parameters={**plan.parameters, model: result.candidates.champion.fit.parameters})
    if test is None:
        return folds_at_random(matrix, plan, count, train_options.file)
    delay, learned = manifest.label_delay_days, learned_days_of(manifest)
    if is_prequential:
        window = max(days.stop for days in learned) - min(days.start for days in learned)
        return prequential_folds(matrix, plan, delay, count, train_options.file, window, len(days_of(test)))
    return folds_in_time(matrix, plan, delay, count, train_options.file)


def _is_chosen_by_validation(plan: Plan, model: str) -> bool:
    """Whether the champion is what it is by a choice that the folds do not make again."""
    return plan.search > 0 or (model == ENSEMBLE and are_chosen(plan.parameters[ENSEMBLE]))


def _say_folds(folds: list[Fold]) -> None:
    if not folds:
        return
    say()
    lines: list[tuple[str, ...]] = [("test", "learned from", "transactions", "frauds", "average precision", "ROC-AUC")]
    for fold in folds:
        numbers = ("-" if value is None else f"{value:.3f}" for value in (fold.average_precision, fold.roc_auc))
        counts = ("-" if count is None else f"{count:,}" for count in (fold.transactions, fold.frauds))
        lines.append((fold.name, fold.learned_from or "the other folds", *counts, *numbers))
    say_table(lines, left=2)
    for fold in folds:
        if fold.note:
            say(f"{fold.name}: {fold.note}")
