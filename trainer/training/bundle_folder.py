"""Bundles on disk: written whole or not at all, and `current`, which names the one in use."""

import os
from pathlib import Path

from console.output import replaced
from risk.bundle import CURRENT, JOBLIB, MANIFEST, ONNX, Bundle, bundle_of_version, current_bundle, read_bundle
from risk.errors import BundleError, OptionError
from trainer.training.whole_folder import make_parents, remove_empty, synced, whole_folder


def write_bundle(models: Path, version: str, files: dict[str, bytes]) -> bool:
    """Whether it was written; a bundle of this version that is there already is checked and left as it is."""
    folder = models / version
    if folder.exists():
        read_bundle(folder)
        return False
    with whole_folder(folder) as temporary:
        for name, contents in files.items():
            (temporary / name).write_bytes(contents)
        _read_as(temporary, folder)
    return True


def make_current(models: Path, version: str) -> None:
    with replaced(models / CURRENT) as (temporary,):
        temporary.write_text(f"{version}\n")
        synced(temporary)
    synced(models)


def current_version(models: Path) -> str | None:
    return current_bundle(models).name if os.path.lexists(models / CURRENT) else None


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


def prepare_folder(option: str, folder: Path) -> None:
    """Before an hour of training and not after it: something can be written there. What is tried leaves no trace."""
    probe = folder / f".{os.getpid()}.probe"
    made: list[Path] = []
    try:
        try:
            make_parents(probe, made)
            probe.write_bytes(b"")
            probe.unlink()
        finally:
            remove_empty(made)
    except OSError as error:
        raise OptionError(
            f"{option}: got {folder}, which cannot be written to ({error.strerror}); expected a folder, or a place for "
            "a new one. Choose another."
        ) from None


def _read_as(temporary: Path, folder: Path) -> None:
    try:
        read_bundle(temporary)
    except BundleError as error:
        raise BundleError(f"{folder}: what was written cannot be read back: {error}") from error
