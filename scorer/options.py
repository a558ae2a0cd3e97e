"""What several commands of the scorer are told in the same way."""

import argparse
from pathlib import Path

from risk.bundle import CURRENT, Bundle, read_bundle


def add_bundle(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--bundle", type=Path, default=Path("models") / CURRENT, help="the bundle's folder (default: models/current)"
    )


def bundle_of(options: argparse.Namespace) -> Bundle:
    folder: Path = options.bundle
    return read_bundle(folder.parent if folder.name == CURRENT else folder)
