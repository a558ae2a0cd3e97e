"""Which workers cannot go on with a bundle that is put in use, and must be stopped and started."""

from itertools import islice
from pathlib import Path

from console.terminal import warn
from risk.bundle import Manifest, bundle_of_version, needs_a_restart
from risk.errors import BundleError
from trainer.record import RECORD, promotions

LOOKED_BACK = 20  # bundles; each is read to its end


def warn_of_restart(models: Path, manifest: Manifest, in_use: Manifest) -> None:
    """Of workers that run with the bundle in use, and of those that could not go on with it and may still run with one
    before it."""
    restart = needs_a_restart(manifest, in_use)
    if restart is not None:
        warn(
            f"workers that run with {in_use.version} go on with it until they are stopped, all of them, and started: "
            f"{restart}"
        )
    older = _on_other_terms(models, in_use)
    restart = None if older is None else needs_a_restart(manifest, older)
    if older is not None and restart is not None:
        warn(
            f"workers that were not started anew since {older.version} was in use go on with it until they are "
            f"stopped, all of them, and started: {restart}"
        )


def _on_other_terms(models: Path, in_use: Manifest) -> Manifest | None:
    """The newest bundle of the record from which workers could not go on with the one in use."""
    try:
        lines = promotions(models)
    except OSError as error:
        warn(f"{models / RECORD}: {error.strerror}, so nobody knows here what was in use before {in_use.version}")
        return None
    for version in islice(dict.fromkeys(line.version for line in reversed(lines)), LOOKED_BACK):
        try:
            older = bundle_of_version(models, version).manifest
        except BundleError:  # deleted, or damaged: its terms are not known any more
            continue
        if needs_a_restart(in_use, older) is not None:
            return older
    return None
