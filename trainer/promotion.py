"""models and promote: which bundles there are, which is in use or the challenger, and what speaks against one."""

import argparse
import os
from pathlib import Path

import msgspec

from console.help import epilog
from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import complain, notice, say, say_table, warn
from evaluation.result import ModelEvaluation
from risk.bundle import JOBLIB, MANIFEST, ONNX, Bundle, Manifest, bundle_of_version, needs_a_restart
from risk.challenger import CHALLENGER
from risk.clock import to_date
from risk.errors import BundleError, OptionError, StoreError
from risk.learned_days import days_of, learned_days_of
from risk.settings import number
from risk.share import MOST_PERCENT, is_percent, of_the_customers
from risk.words import counted
from trainer.in_force import (
    both_of,
    bundle_in_use,
    bundle_to_replace,
    challenger_version,
    current_version,
    evaluation_of,
    is_compared,
    make_challenger,
    make_current,
    remember_refused,
    remove_challenger,
    share_of_challenger,
    why_not,
    why_not_in_force,
)
from trainer.options import DEFAULT_RESAMPLES, DEFAULT_SEED, add_models
from trainer.record import RECORD, By, looks_before, promotions
from trainer.restarts import warn_of_restart

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
        "scores what the current one scores, and nothing of it is sent: both scores lie in the store, to be compared. "
        "With --share it decides for some of the customers, in place of the current one.",
        epilog=epilog(
            "python -m trainer promote lightgbm-1a2b3c4d",
            "python -m trainer promote --back",
            "python -m trainer promote lightgbm-1a2b3c4d --shadow",
            "python -m trainer promote lightgbm-1a2b3c4d --shadow --share 10",
            "python -m trainer promote --no-shadow",
            "python -m trainer promote --challenger",
            notes="Workers that run notice it within two seconds and go on with it; `python -m scorer status` says so. "
            "What its test speaks against is refused without --force, and so is a challenger of which `compare --live` "
            "does not show that it catches more frauds. Ask for that on a day chosen beforehand: asked every day until "
            "it passes, it passes by chance more often than it says. promotions.ndjson, beside the bundles, remembers "
            "all of it, what was refused as well.",
            done="it is in use, or the challenger",
            failed="the last line says why; `python -m trainer models` shows what is in use and what is the challenger",
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
    promotion.add_argument(
        "--share",
        metavar="PERCENT",
        help="with --shadow: it decides for so many of the customers, whom a hash chooses; more than 0, at most "
        f"{MOST_PERCENT:g}",
    )
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
        say(f"+ challenger: {challenger}{of_the_customers(share_of_challenger(options.models))}")
    for text in damaged:
        complain(text)
    return 1 if damaged else 0


def run_promote(options: argparse.Namespace) -> int:
    models: Path = options.models
    if options.shadow and options.version is None:
        raise OptionError("--shadow: got no VERSION, expected that of the challenger, as models lists it")
    percent = _percent(options)
    if options.challenger:
        return _promote_challenger(options)
    if options.no_shadow:
        return _end_shadow(models)
    if options.shadow:
        manifest = named_bundle(models, options.version).manifest
        refused = None if percent is None else why_not_in_force(settings_of(options).rules, manifest)
        if refused is not None:
            raise OptionError(
                f"--share: got {manifest.version}, expected a bundle that workers let decide: {refused}, or leave "
                "--share out: then it only scores in the shadow"
            )
        return _begin_shadow(models, manifest, bundle_in_use(models), percent)
    bundle = bundle_to_replace(models, is_said=True)
    before = None if bundle is None else bundle.manifest.version
    manifest = named_bundle(models, before_that(models) if options.back else options.version).manifest
    version, evaluation = manifest.version, evaluation_of(manifest)
    if version == before:
        say(f"{version} is in use already")
        return EXIT_OK
    against = None if evaluation is None else why_not(evaluation, before)
    if against is not None and not options.force and not options.back:
        remember_refused(models, version, against, by="promote")
        raise OptionError(f"VERSION: got {version}, expected a bundle that its evaluation does not speak against: "
                          f"{against}. --force puts it in use all the same")  # fmt: skip
    by: By = "back" if options.back else "promote"
    _check_taken(options, "--back" if options.back else "VERSION", manifest, by=by)
    if against is not None:
        how = "--back" if options.back else "--force"
        warn(f"{version} is put in use against its evaluation, because of {how}: {against}")
    if before is not None and not options.back and not is_compared(evaluation, before):
        notice(f"{version} was not compared with {before}, which was in use until now, when it was trained")
    if bundle is not None:
        warn_of_restart(models, manifest, bundle.manifest)
    make_current(models, version, by=by, forced=options.force, against=against)
    say(f"{version} is in use now" + (f"; before: {before}" if before else ""))
    return EXIT_OK


def _percent(options: argparse.Namespace) -> float | None:
    """None where no share is asked for."""
    if options.share is None:
        return None
    if not options.shadow:
        raise OptionError(
            f"--share: got {options.share} without --shadow, expected both: it is a challenger that has a share"
        )
    try:
        percent = number(options.share)
    except ValueError:
        percent = 0.0
    if not is_percent(percent):
        raise OptionError(
            f"--share: got {options.share}, expected a percentage of the customers, more than 0 and at most "
            f"{MOST_PERCENT:g}, with one decimal at most"
        )
    return percent


def _check_taken(options: argparse.Namespace, option: str, manifest: Manifest, *, by: By) -> None:
    """What workers would refuse is put in use by --force alone."""
    refused = why_not_in_force(settings_of(options).rules, manifest)
    if refused is None:
        return
    if not options.force:
        remember_refused(options.models, manifest.version, refused, by=by)
        raise OptionError(
            f"{option}: got {manifest.version}, expected a bundle that workers take: {refused}; --force puts it in use "
            "all the same"
        )
    warn(f"{manifest.version} is put in use because of --force: {refused}")


def _promote_challenger(options: argparse.Namespace) -> int:
    """On the evidence of the store."""
    from trainer.compare.live import LiveOptions, compare_in_store  # no other promotion reads a store

    models: Path = options.models
    in_use, challenger = (bundle.manifest for bundle in both_of(models))
    if challenger.version == in_use.version:  # a promotion that broke off behind its first step
        remove_challenger(models, challenger.version)
        say(f"{challenger.version} is in use already, and the challenger no more")
        return EXIT_OK
    found, against = None, None
    try:
        live_options = LiveOptions(DEFAULT_SEED, DEFAULT_RESAMPLES)
        found = compare_in_store(settings_of(options).db, in_use, challenger, live_options)
        against = found.why_no_evidence
    except StoreError as error:
        against = f"there is no store to compare them in ({error})"
    if against is not None and not options.force:
        # Without its days, which are the most of it: somebody may ask every hour, and the record is read whole.
        seen = None if found is None else msgspec.to_builtins(msgspec.structs.replace(found, days=()))
        remember_refused(models, challenger.version, against, by="challenger", evidence=seen)
        raise OptionError(
            f"--challenger: got {challenger.version}, expected evidence that it is better than {in_use.version}: "
            f"{against}. `python -m trainer compare --live` says more; --force puts it in use all the same"
        )
    _check_taken(options, "--challenger", challenger, by="challenger")
    if found is not None and (text := found.difference_text) is not None:
        say(text)
    if against is not None:
        warn(f"{challenger.version} is put in use without evidence, because of --force: {against}")
    evaluation = evaluation_of(challenger)
    if evaluation is not None and (said := why_not(evaluation, in_use.version)) is not None:
        warn(f"its test spoke against it: {said}")
    if against is None:
        _warn_of_looks(models, challenger.version, in_use.version)
    warn_of_restart(models, challenger, in_use)
    evidence = None if found is None else msgspec.to_builtins(found)
    make_current(models, challenger.version, by="challenger", forced=options.force, against=against, evidence=evidence)
    say(f"{challenger.version} is in use now, and the challenger no more; before: {in_use.version}")
    return EXIT_OK


def _warn_of_looks(models: Path, challenger: str, in_use: str) -> None:
    try:
        looks = looks_before(models, challenger, in_use)
    except OSError as error:
        warn(f"{models / RECORD}: {error.strerror}, so nobody knows here how often this was asked before")
        return
    if looks:
        warn(
            f"this was asked {counted(looks, 'time', 'times')} before, and refused: whoever asks again and again is "
            "told by chance that the challenger is better more often than once in forty times"
        )


def _begin_shadow(models: Path, manifest: Manifest, in_use: Bundle | None, percent: float | None) -> int:
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
    before, share = challenger_version(models), of_the_customers(percent)
    before_percent = share_of_challenger(models)
    if before == version and before_percent == percent:
        say(f"{version} is the challenger{share} already")
        return EXIT_OK
    make_challenger(models, version, percent=percent)
    said = f"; before: {before}{of_the_customers(before_percent)}" if before else ""
    say(f"{version} is the challenger{share} now{said}")
    return EXIT_OK


def _end_shadow(models: Path) -> int:
    version, share = challenger_version(models), of_the_customers(share_of_challenger(models))
    if not os.path.lexists(models / CHALLENGER):
        say("no bundle is the challenger")
        return 0
    remove_challenger(models, version)
    say(f"{version or 'what could not be read'} is the challenger{share} no more")
    return 0


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
    if found[-1] not in versions(models):
        raise OptionError(
            f"--back: got {found[-1]}, which was in use before {current} and is not in {models} any more, expected its "
            "bundle there; name a VERSION, as models lists them"
        )
    return found[-1]


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
