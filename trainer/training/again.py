"""The report command: the training that a bundle came from, once more, and the same model on other pasts."""

import argparse

from console.options import settings_of
from console.terminal import say, say_table
from risk.bundle import Days, Manifest
from risk.clock import DAY, date_ms
from risk.dataset.column_map import ColumnMap
from risk.dataset.map_file import load_map, parse_map
from risk.errors import OptionError
from trainer.evidence.page_words import FOLDS_AFTER_SEARCH
from trainer.families.family import family_of
from trainer.training.asked import RANDOM, Asked, check_resamples, external_map
from trainer.training.assembling import manifest_of
from trainer.training.bundle_folder import named_bundle, prepare_folder
from trainer.training.command import write_evidence
from trainer.training.folds import Fold, folds_at_random, folds_in_time
from trainer.training.periods import NOT_GIVEN, Period, Periods
from trainer.training.same_bits import one_thread
from trainer.training.session import Plan
from trainer.training.source import check_unchanged, stamp_of
from trainer.training.stages import Stages
from trainer.training.summary import say_external, say_figures
from trainer.training.whole_folder import whole_folder
from trainer.training.workflow import Result, learn_and_judge, open_file

MOST_FOLDS = 100


def report_again(options: argparse.Namespace) -> int:
    folds: int = options.folds
    if not (folds == 0 or 2 <= folds <= MOST_FOLDS):
        raise OptionError(f"--folds: got {folds}, expected 0 for none, or a number from 2 to {MOST_FOLDS}")
    check_resamples(options.resamples)
    manifest = named_bundle(options.models, options.version).manifest
    asked = _asked_as_then(options, manifest)
    for kind in asked.plan.kinds:
        family_of(kind)  # what is not installed is said before the file is read
    _check_file(asked, manifest)
    prepare_folder("--reports", asked.reports)
    with one_thread():
        stages = Stages()
        with stages.stage("open"):
            file = open_file(asked)
        result = learn_and_judge(file, asked, stages)
        again = manifest_of(file, asked, result, stages.seconds, metrics={})
        _check_same(again, manifest)
        found = _folds(result, asked, manifest.model, folds) if folds else []
    check_unchanged(file.path, file.stamp)
    is_searched = asked.plan.search > 0
    figures = {**result.figures, "folds": [fold._asdict() for fold in found], "folds_follow_a_search": is_searched}
    folder = asked.reports / manifest.version
    with whole_folder(folder) as temporary:
        write_evidence(temporary, asked, again, result._replace(figures=figures))
    say_figures(figures, manifest.currency)
    say_external(asked, figures, manifest.currency)
    _say_folds(found)
    if found and is_searched:
        say(FOLDS_AFTER_SEARCH)
    say()
    say(f"report      {folder / 'report.html'}")
    return 0


def _asked_as_then(options: argparse.Namespace, manifest: Manifest) -> Asked:
    """What the bundle remembers of its training; only how the columns are called may be said anew."""
    training, thresholds = manifest.training, manifest.thresholds
    columns = _columns(options, manifest)
    return Asked(
        file=options.file,
        columns=columns,
        external=options.external,
        external_columns=external_map(options, columns),
        models=options.models,
        reports=options.reports,
        settings=settings_of(options)._replace(
            label_delay=manifest.label_delay_days, bucket=manifest.bucket_ms, max_lateness=manifest.max_lateness_ms
        ),
        currency=manifest.currency,
        is_random=training.split == RANDOM,
        train=NOT_GIVEN,
        test=NOT_GIVEN,
        periods=_periods(training.fit, training.validation, training.test),
        plan=Plan(
            kinds=training.models,
            parameters=training.parameters,
            balance=training.balance,
            search=training.search,
            review_cost=thresholds.review_cost,
            loss_rate=thresholds.loss_rate,
            alerts_per_day=thresholds.alerts_per_day,
            seed=manifest.seed,
            resamples=options.resamples,
        ),
        with_plots=not options.no_plots,
        may_promote=False,
    )


def _columns(options: argparse.Namespace, manifest: Manifest) -> ColumnMap | None:
    if options.columns is not None:
        return load_map(options.columns)
    text = manifest.training.columns
    return None if text is None else parse_map(text, f"the column map of {manifest.version}")


def _periods(*three: Days | None) -> Periods | None:
    found = [Period(date_ms(days.first) // DAY, date_ms(days.until) // DAY) for days in three if days is not None]
    return Periods(*found) if found else None


def _check_file(asked: Asked, manifest: Manifest) -> None:
    found = stamp_of(asked.file).sha256
    if found != manifest.training_data.sha256:
        raise OptionError(
            f"FILE: got {asked.file} with SHA-256 {found}, expected {manifest.training_data.sha256}: the file that "
            f"{manifest.version} was trained on. To try a bundle on another file, use backtest."
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


def _folds(result: Result, asked: Asked, model: str, count: int) -> list[Fold]:
    matrix, plan = result.session.matrix, asked.plan._replace(kinds=(model,), search=0)
    # Chosen once by the search, if there was one; a fold does not search again.
    plan = plan._replace(parameters={**plan.parameters, model: result.champion.parameters})
    if asked.is_random:
        return folds_at_random(matrix, plan, count, asked.file)
    return folds_in_time(matrix, plan, asked.settings.label_delay, count, asked.file)


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
