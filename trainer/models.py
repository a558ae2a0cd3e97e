"""models and promote: which bundles there are, and which of them is in use."""

import argparse
from pathlib import Path
from typing import Any

from console.help import epilog
from console.terminal import complain, notice, say, say_table
from risk.bundle import Days, Manifest
from risk.clock import DAY, date_ms
from risk.errors import BundleError
from trainer.training.bundle_folder import current_version, make_current, named_bundle, versions
from trainer.training.periods import day_text

DEFAULT_MODELS = Path("models")
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
    listing.add_argument("--models", type=Path, default=DEFAULT_MODELS, metavar="DIR", help="default: models")
    listing.set_defaults(run=run_models)
    promotion = commands.add_parser(
        "promote",
        description="Make a bundle the current one, after it was read and checked.",
        epilog=epilog(
            "python -m trainer promote lightgbm-1a2b3c4d",
            notes="Workers take it at their next start.",
            done="it is in use",
            failed="the one that was in use still is; the last line says why",
        ),
    )
    promotion.add_argument("version", metavar="VERSION", help="as models lists it")
    promotion.add_argument("--models", type=Path, default=DEFAULT_MODELS, metavar="DIR", help="default: models")
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
    lines: list[tuple[str, ...]] = [TITLES]
    whole: list[str] = []
    for name in names:
        mark = "*" if name == current else ""
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
    for text in damaged:
        complain(text)
    return 1 if damaged else 0


def run_promote(options: argparse.Namespace) -> int:
    try:
        before = current_version(options.models)
    except BundleError as error:
        before = None
        notice(f"{error} It is replaced.")
    version = named_bundle(options.models, options.version).manifest.version
    make_current(options.models, version)
    say(f"{version} is in use now" + (f"; before: {before}" if before and before != version else ""))
    return 0


def _cells(manifest: Manifest) -> tuple[str, ...]:
    thresholds = manifest.thresholds
    tested = _metrics(manifest)
    return (
        manifest.version,
        f"{manifest.training_data.transactions:,}",
        _days(manifest.training.fit),
        _days(manifest.training.test),
        _figure(tested, "average_precision"),
        _figure(tested, "roc_auc"),
        f"{thresholds.medium:.4g}",
        f"{thresholds.high:.4g}",
    )


def _days(days: Days | None) -> str:
    return "at random" if days is None else f"{days.first} to {day_text(date_ms(days.until) // DAY - 1)}"


def _metrics(manifest: Manifest) -> dict[str, Any]:
    """The champion's own figures."""
    models = manifest.metrics.get("models", ())
    return next((one["metrics"] for one in models if one["name"] == manifest.model), {})


def _figure(metrics: dict[str, Any], name: str) -> str:
    value = metrics.get(name, {}).get("value")
    return "-" if value is None else f"{value:.3f}"
