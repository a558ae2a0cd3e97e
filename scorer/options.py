"""What several commands of the scorer are told in the same way."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from risk.bundle import Bundle


def add_bundle(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--bundle",
        type=Path,
        default=Path("models/current"),
        metavar="DIR",
        help="the bundle's folder (default: models/current)",
    )


def bundle_of(options: argparse.Namespace) -> "Bundle":
    from risk.bundle import CURRENT, read_bundle

    folder: Path = options.bundle
    return read_bundle(folder.parent if folder.name == CURRENT else folder)
