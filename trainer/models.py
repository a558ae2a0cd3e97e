"""models and promote: which bundles there are, and which of them is in use."""

import argparse
from pathlib import Path
from typing import Any

from risk.bundle import Manifest
from risk.clock import to_text
from risk.errors import BundleError
from trainer.terminal import say, say_table, warn
from trainer.training.bundle_folder import current_version, make_current, named_bundle, versions

DEFAULT_MODELS = Path("models")


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = commands.add_parser(
        "models",
        help="list bundles, and which one is in use",
        description="List the bundles of a folder with their main figures of the test; each is checked.",
    )
    listing.add_argument("--models", type=Path, default=DEFAULT_MODELS, metavar="DIR", help="default: models")
    listing.set_defaults(run=run_models)
    promotion = commands.add_parser(
        "promote",
        help="put another bundle in use",
        description="Make a bundle the current one, after it was read and checked.",
    )
    promotion.add_argument("version", metavar="VERSION", help="as models lists it")
    promotion.add_argument("--models", type=Path, default=DEFAULT_MODELS, metavar="DIR", help="default: models")
    promotion.set_defaults(run=run_promote)


def run_models(options: argparse.Namespace) -> int:
    names = versions(options.models)
    if not names:
        say(f"{options.models}: no bundles; train writes one")
        return 0
    current = current_version(options.models)
    titles = ("", "version", "rows", "trained on", "avg precision", "ROC-AUC", "medium", "high")
    lines, broken = [titles], 0
    for name in names:
        try:
            manifest = named_bundle(options.models, name).manifest
        except BundleError as error:
            warn(str(error))
            broken += 1
        else:
            lines.append(("*" if name == current else "", *_cells(manifest)))
    say_table(lines, left=2)
    say()
    say(f"* in use: {current}" if current in names else f"none of them is in use; promote one of {', '.join(names)}")
    return 1 if broken else 0


def run_promote(options: argparse.Namespace) -> int:
    before = current_version(options.models)
    version = named_bundle(options.models, options.version).manifest.version
    make_current(options.models, version)
    say(f"{version} is in use now" + (f"; before: {before}" if before and before != version else ""))
    return 0


def _cells(manifest: Manifest) -> tuple[str, ...]:
    data, thresholds = manifest.training_data, manifest.thresholds
    tested = _metrics(manifest)
    return (
        manifest.version,
        f"{data.rows:,}",
        f"{to_text(data.first_event)[:10]} to {to_text(data.last_event)[:10]}",
        _figure(tested, "average_precision"),
        _figure(tested, "roc_auc"),
        f"{thresholds.medium:.4g}",
        f"{thresholds.high:.4g}",
    )


def _metrics(manifest: Manifest) -> dict[str, Any]:
    """The champion's own figures."""
    models = manifest.metrics.get("models", ())
    return next((one["metrics"] for one in models if one["name"] == manifest.model), {})


def _figure(metrics: dict[str, Any], name: str) -> str:
    value = metrics.get(name, {}).get("value")
    return "-" if value is None else f"{value:.3f}"
