"""The report command: the training that a bundle came from, once more, and the same model on other pasts."""

import argparse
from hashlib import file_digest

from threadpoolctl import threadpool_limits

from risk.bundle import Manifest
from risk.errors import OptionError
from trainer.terminal import say, say_table
from trainer.training import command
from trainer.training.asked import Asked, asked_for
from trainer.training.bundle_folder import named_bundle, prepare_folder
from trainer.training.estimators import KINDS
from trainer.training.folds import Fold, folds_at_random, folds_in_time
from trainer.training.stages import Stages
from trainer.training.summary import about, say_figures

MOST_FOLDS = 100


def report_again(options: argparse.Namespace) -> int:
    folds: int = options.folds
    if not (folds == 0 or 2 <= folds <= MOST_FOLDS):
        raise OptionError(f"--folds: got {folds}, expected 0 for none, or a number from 2 to {MOST_FOLDS}")
    manifest = named_bundle(options.models, options.version).manifest
    asked = _asked_as_then(options, manifest)
    _check_file(asked, manifest)
    prepare_folder("--reports", asked.reports)
    with threadpool_limits(1):
        stages = Stages()
        dataset = command.opened(asked)
        replay = command.replay_of(dataset, asked)
        result = command.trained(replay, asked, stages)
        again = command.manifest_from(dataset, replay, asked, result, stages, metrics={})
        _check_same(again, manifest)
        found = _folds(result, asked, manifest.model, folds) if folds else []
    figures = {**result.figures, "folds": [fold._asdict() for fold in found]}
    folder = asked.reports / manifest.version
    command.report(
        folder, result._replace(figures=figures), about(asked, again, result.session, result.trained)
    )  # fmt: skip
    say_figures(figures)
    _say_folds(found)
    say()
    say(f"report      {folder / 'report.html'}")
    return 0


def _asked_as_then(options: argparse.Namespace, manifest: Manifest) -> Asked:
    """What the bundle remembers of its training need not be said again."""
    thresholds = manifest.thresholds
    trained = [each["name"] for each in manifest.metrics.get("models", ()) if not each["is_baseline"]]
    options.model = [name for name in trained if name in KINDS] or [manifest.model]
    options.review_cost, options.loss_rate = thresholds.review_cost, thresholds.loss_rate
    options.alerts_per_day, options.seed = thresholds.alerts_per_day, manifest.seed
    options.label_delay = options.bucket = None
    asked = asked_for(options)
    settings = asked.settings._replace(
        label_delay=manifest.label_delay_days, bucket=manifest.bucket_ms, max_lateness=manifest.max_lateness_ms
    )
    return asked._replace(settings=settings)


def _check_file(asked: Asked, manifest: Manifest) -> None:
    try:
        with asked.file.open("rb") as file:
            found = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OptionError(f"FILE: got {asked.file}, which cannot be read ({error.strerror}); expected the file that "
                          f"{manifest.version} was trained on") from None  # fmt: skip
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
    why = f" Libraries: {', '.join(changed)}." if changed else ""
    raise OptionError(
        f"VERSION: trained again this gives {again.version}, expected {manifest.version}. Give the options that the "
        f"training was given: --columns, --train, --test, --split, --balance, --params, --search, --currency.{why}"
    )


def _folds(result: command.Result, asked: Asked, model: str, count: int) -> list[Fold]:
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
        lines.append((fold.name, f"{fold.transactions:,}", f"{fold.frauds:,}", *numbers))
    say_table(lines)
    for fold in folds:
        if fold.note:
            say(f"{fold.name}: {fold.note}")
