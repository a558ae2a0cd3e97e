"""models and promote: which bundles there are, which is in use or the challenger, and what speaks against one."""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import msgspec

from console.help import epilog
from console.options import settings_of
from console.output import replaced, synced, writing
from console.terminal import complain, notice, say, say_table, warn
from evaluation.result import Evaluation, ModelEvaluation
from risk.bundle import (
    CURRENT,
    JOBLIB,
    MANIFEST,
    ONNX,
    Bundle,
    Manifest,
    bundle_of_version,
    current_bundle,
    needs_a_restart,
)
from risk.challenger import CHALLENGER, challenger_bundle
from risk.clock import to_date, to_text
from risk.errors import BundleError, OptionError, RuleError
from risk.learned_days import days_of, learned_days_of
from risk.rules.compiled import compiled_for
from risk.rules.rule_set import rules_in_force
from trainer.options import add_models
from trainer.record import RECORD, By, Promotion, promotions, remember
from trainer.restarts import warn_of_restart

AMOUNT_ALONE = "amount alone"  # the baseline that every champion must beat
# Figures of different tests say nothing about which model is better, so the test stands beside them.
TITLES = ("", "version", "transactions", "fitted on", "tested on", "avg precision", "ROC-AUC", "medium", "high")


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = commands.add_parser(
        "models",
        description="List the bundles of a folder with their main figures of the test; each is checked.",
        epilog=epilog(
            "python -m trainer models --models models",
            done="all bundles are whole",
            failed="a bundle is damaged, or the folder cannot be read; a line that begins with `error:` says which",
        ),
    )
    add_models(listing)
    listing.set_defaults(run=run_models)
    promotion = commands.add_parser(
        "promote",
        description="Make a bundle the current one, or the challenger, after it was read and checked. A challenger "
        "scores what the current one scores, and nothing of it is sent: both scores lie in the store, to be compared.",
        epilog=epilog(
            "python -m trainer promote lightgbm-1a2b3c4d",
            "python -m trainer promote --back",
            "python -m trainer promote lightgbm-1a2b3c4d --shadow",
            "python -m trainer promote --no-shadow",
            "python -m trainer promote --challenger",
            notes="Workers that run notice it within two seconds and go on with it; `python -m scorer status` says so. "
            "What its test speaks against is refused without --force, and so is a challenger of which `compare --live` "
            "does not show that it catches more frauds. promotions.ndjson, beside the bundles, remembers all of it.",
            done="it is in use, or the challenger",
            failed="the one that was in use still is, and so is the challenger; the last line says why",
        ),
    )
    which = promotion.add_mutually_exclusive_group(required=True)
    which.add_argument("version", metavar="VERSION", nargs="?", help="as models lists it")
    which.add_argument("--back", action="store_true", help="the one that was in use before, whatever its test says")
    which.add_argument("--challenger", action="store_true", help="the challenger, if `compare --live` shows it better")
    which.add_argument("--no-shadow", action="store_true", help="no bundle is the challenger any more")
    how = promotion.add_mutually_exclusive_group()
    how.add_argument("--force", action="store_true", help="even if its evaluation speaks against it")
    how.add_argument("--shadow", action="store_true", help="as the challenger; what is in use stays in use")
    add_models(promotion)
    promotion.set_defaults(run=run_promote)


def run_models(options: argparse.Namespace) -> int:
    names = versions(options.models)
    if not names:
        say(f"{options.models}: no bundles; train writes one")
        return 0
    damaged: list[str] = []
    try:
        current = current_version(options.models)
    except BundleError as error:
        current = None
        damaged.append(str(error))
    challenger = challenger_version(options.models)
    lines: list[tuple[str, ...]] = [TITLES]
    whole: list[str] = []
    for name in names:
        mark = "*" if name == current else "+" if name == challenger else ""
        try:
            lines.append((mark, *_cells(named_bundle(options.models, name).manifest)))
            whole.append(name)
        except BundleError as error:
            lines.append((mark, name, "damaged", *[""] * (len(TITLES) - 3)))
            damaged.append(str(error))
    say_table(lines, left=2)
    say()
    if current is None:
        say(f"none of them is in use; promote one of {', '.join(whole)}" if whole else "none of them can be used")
    else:
        say(f"* in use: {current}" + ("" if current in whole else ", which is damaged: nothing can be scored with it"))
    if challenger is not None:
        say(f"+ challenger: {challenger}")
    for text in damaged:
        complain(text)
    return 1 if damaged else 0


def run_promote(options: argparse.Namespace) -> int:
    models: Path = options.models
    if options.challenger:
        from trainer.challenger import run_challenger  # the others read no store

        return run_challenger(options)
    if options.no_shadow:
        return _end_shadow(models)
    bundle = bundle_in_use(models, is_said=True)
    if options.shadow:
        if options.version is None:
            raise OptionError("--shadow: got no VERSION, expected that of the challenger, as models lists it")
        return _begin_shadow(models, named_bundle(models, options.version).manifest, bundle)
    before = None if bundle is None else bundle.manifest.version
    manifest = named_bundle(models, before_that(models) if options.back else options.version).manifest
    version, evaluation = manifest.version, evaluation_of(manifest)
    if version == before:
        say(f"{version} is in use already")
        return 0
    against = None if evaluation is None else why_not(evaluation, before)
    is_asked_for = options.force or options.back
    if against is not None and not is_asked_for:
        raise OptionError(f"VERSION: got {version}, expected a bundle that its evaluation does not speak against: "
                          f"{against}. --force puts it in use all the same")  # fmt: skip
    beside = _why_not_with_rules(options, manifest)
    if beside is not None and not options.force:
        raise OptionError(
            f"VERSION: got {version}, expected a bundle that the rule set in force can be used with: {beside}. Workers "
            "would refuse it. Put rules in force that fit both, or none, with `trainer rules promote`; --force puts it "
            "in use all the same"
        )
    if beside is not None:
        warn(f"{version} is put in use because of --force, and workers will refuse it: {beside}")
    if against is not None:
        how = "--back" if options.back else "--force"
        warn(f"{version} is put in use against its evaluation, because of {how}: {against}")
    if before is not None and not _is_compared(evaluation, before):
        notice(f"{version} was never compared with {before}, which was in use until now")
    if bundle is not None:
        warn_of_restart(models, manifest, bundle.manifest)
    make_current(models, version, by="back" if options.back else "promote", forced=options.force, against=against)
    say(f"{version} is in use now" + (f"; before: {before}" if before else ""))
    return 0


def _why_not_with_rules(options: argparse.Namespace, manifest: Manifest) -> str | None:
    """What speaks against the bundle beside the rule set in force; None where nothing does."""
    try:
        rules = rules_in_force(settings_of(options).rules)
        if rules is not None:
            compiled_for(rules, manifest)
    except RuleError as error:
        return str(error)
    return None


def _begin_shadow(models: Path, manifest: Manifest, in_use: Bundle | None) -> int:
    version = manifest.version
    if in_use is None:
        raise OptionError(
            f"--shadow: got no bundle in use in {models}, expected one beside which {version} can score; promote one"
        )
    if version == in_use.manifest.version:
        raise OptionError(f"--shadow: got {version}, which is in use, expected another; models lists them")
    why = needs_a_restart(manifest, in_use.manifest)
    if why is not None:
        raise OptionError(
            f"--shadow: {version} cannot score beside {in_use.manifest.version}, which is in use ({why}). Train one on "
            "the same terms"
        )
    before = challenger_version(models)
    if before == version:
        say(f"{version} is the challenger already")
        return 0
    make_challenger(models, version)
    say(f"{version} is the challenger now" + (f"; before: {before}" if before else ""))
    return 0


def _end_shadow(models: Path) -> int:
    version = challenger_version(models)
    if not os.path.lexists(models / CHALLENGER):
        say("no bundle is the challenger")
        return 0
    remove_challenger(models, version)
    say(f"{version or 'what could not be read'} is the challenger no more")
    return 0


def make_challenger(models: Path, version: str, *, by: By = "shadow") -> None:
    """The record comes first, as with a promotion."""
    remember(models, Promotion(_now(), version, challenger_version(models), by))
    _put(models / CHALLENGER, version)


def remove_challenger(models: Path, before: str | None) -> None:
    """The record comes first, as with a promotion."""
    remember(models, Promotion(_now(), "", before, "no-shadow"))
    with writing(models / CHALLENGER):
        (models / CHALLENGER).unlink()
    synced(models)


def challenger_version(models: Path) -> str | None:
    """None where there is none, or its name cannot be read."""
    try:
        folder = challenger_bundle(models)
    except BundleError as error:
        notice(f"{error} It counts as if there were no challenger.")
        return None
    return None if folder is None else folder.name


def make_current(
    models: Path,
    version: str,
    *,
    by: By = "promote",
    forced: bool = False,
    against: str | None = None,
    evidence: dict[str, Any] | None = None,
) -> None:
    """The record comes first: there is nothing in use that it does not know of. What is in use is no challenger."""
    try:
        before = current_version(models)
    except BundleError:
        before = None
    remember(models, Promotion(_now(), version, before, by, forced, against, evidence))
    _put(models / CURRENT, version)
    if challenger_version(models) == version:
        remove_challenger(models, version)


def _now() -> str:
    return to_text(int(time.time() * 1000))


def _put(path: Path, version: str) -> None:
    with replaced(path) as (temporary,):
        temporary.write_text(f"{version}\n")
        synced(temporary)
    synced(path.parent)


def before_that(models: Path) -> str:
    """The version that was in use before the one that is, by the record of promotions."""
    current, path = current_version(models), models / RECORD
    try:
        lines = promotions(models)
    except OSError as error:
        raise OptionError(
            f"--back: {path}: {error.strerror}, expected the record of promotions; name a VERSION, as models lists them"
        ) from None
    found = [line.before for line in lines if line.version == current]
    if not found or found[-1] is None:
        raise OptionError(
            f"--back: got {path}, which knows of nothing that was in use before {current or 'now'}, expected a "
            "promotion in its place; name a VERSION, as models lists them"
        )
    return found[-1]


def current_version(models: Path) -> str | None:
    return current_bundle(models).name if os.path.lexists(models / CURRENT) else None


def bundle_in_use(models: Path, *, is_said: bool = False) -> Bundle | None:
    """None where nothing is in use, or nothing that can be used, which may be said."""
    try:
        version = current_version(models)
        return None if version is None else bundle_of_version(models, version)
    except BundleError as error:
        if is_said:
            notice(f"{error} It counts as if nothing were in use.")
        return None


def versions(models: Path) -> list[str]:
    """Folders with a file of a bundle, by name. What was never finished has a name that begins with a dot."""
    if not models.is_dir():
        raise OptionError(f"--models: got {models}, expected a folder with bundles; train writes one")
    return sorted(
        folder.name
        for folder in models.iterdir()
        if not folder.name.startswith(".") and any((folder / name).is_file() for name in (MANIFEST, ONNX, JOBLIB))
    )


def named_bundle(models: Path, version: str) -> Bundle:
    """The bundle of a version, read and checked."""
    there = versions(models)
    if version not in there:
        raise OptionError(f"VERSION: got {version!r}, expected one of {', '.join(there) or 'none: train writes one'}")
    return bundle_of_version(models, version)


def _cells(manifest: Manifest) -> tuple[str, ...]:
    thresholds, training = manifest.thresholds, manifest.training
    evaluation = evaluation_of(manifest)
    tested = None if evaluation is None else evaluation.model(manifest.model)
    return (
        manifest.version,
        f"{manifest.training_data.transactions:,}",
        _days(None if training.fit is None else learned_days_of(manifest)[0]),
        _days(None if training.test is None else days_of(training.test)),
        _figure(tested, "average_precision"),
        _figure(tested, "roc_auc"),
        f"{thresholds.medium:.4g}",
        f"{thresholds.high:.4g}",
    )


def _days(days: range | None) -> str:
    return "at random" if days is None else f"{to_date(days.start)} to {to_date(days.stop - 1)}"


def _figure(champion: ModelEvaluation | None, name: str) -> str:
    value = None if champion is None else getattr(champion.metrics, name).value
    return "-" if value is None else f"{value:.3f}"


def evaluation_of(manifest: Manifest) -> Evaluation | None:
    """None of a bundle that somebody made without any."""
    try:
        return msgspec.convert(manifest.metrics, Evaluation)
    except msgspec.ValidationError:
        return None


def why_not(evaluation: Evaluation, in_use: str | None) -> str | None:
    """What speaks against the champion, where `in_use` would be replaced by it; None where nothing does."""
    reached = _average_precision(evaluation, evaluation.champion)
    if reached is None:
        if in_use is None:
            return None
        return f"its test has no fraud, so nothing says that it is as good as {in_use}, which is in use"
    chance, amount = evaluation.test.fraud_share, _average_precision(evaluation, AMOUNT_ALONE)
    better = []
    if chance is not None and chance >= reached:
        better.append(f"chance (the share of fraud) reached {chance:.4f}")
    if amount is not None and amount > reached:
        better.append(f"{AMOUNT_ALONE} reached {amount:.4f}")
    if better:
        return f"its average precision in the test is {reached:.4f}, and {' and '.join(better)}"
    beside = evaluation.in_use
    if beside is None or beside.version != in_use or beside.is_as_good:
        return None
    if beside.comparison is None:
        return f"it cannot be compared with {in_use}, which is in use: {beside.not_compared}"
    return f"it is worse than {in_use}, which is in use, by more than the margin of {beside.margin:.1%} of the frauds"


def why_not_unasked(evaluation: Evaluation, in_use: str | None) -> str | None:
    """For a training, behind which nobody stands: it replaces nothing either that it was not compared with, such as
    what another put in use while it ran."""
    against = why_not(evaluation, in_use)
    if against is not None or in_use is None or _is_compared(evaluation, in_use):
        return against
    return f"{in_use} was put in use while it was trained, and they were never compared"


def _is_compared(evaluation: Evaluation | None, in_use: str) -> bool:
    return evaluation is not None and evaluation.in_use is not None and evaluation.in_use.version == in_use


def _average_precision(evaluation: Evaluation, name: str) -> float | None:
    model = evaluation.model(name)
    return None if model is None else model.metrics.average_precision.value
