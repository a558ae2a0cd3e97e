"""The challenger: the bundle that scores in the shadow of the one in use, and may decide for a share of the customers.

models/challenger   its version, and on a second line `share 10` where it decides for ten percent of the customers
"""

from pathlib import Path
from typing import NamedTuple

from risk.bundle import named_bundle
from risk.errors import BundleError
from risk.settings import number
from risk.share import PERCENT, is_percent
from risk.small_file import is_absent

CHALLENGER = "challenger"
SHARE = "share"


class Named(NamedTuple):
    folder: Path
    percent: float | None  # of the customers; None where it only scores in the shadow


def named_challenger(models: Path) -> Named | None:
    """What is to score in the shadow; None where nothing is to."""
    path = models / CHALLENGER
    if is_absent(path):
        return None
    folder, rest = named_bundle(models, path)
    return Named(folder, _percent(path, rest) if rest else None)


def challenger_bundle(models: Path) -> Path | None:
    """Its folder; None where there is none."""
    named = named_challenger(models)
    return None if named is None else named.folder


def pointer_to(version: str, percent: float | None) -> str:
    """What the file says."""
    return f"{version}\n" if percent is None else f"{version}\n{SHARE} {percent:g}\n"


def _percent(path: Path, lines: list[str]) -> float:
    word, _, text = lines[0].partition(" ")
    try:
        percent = number(text) if word == SHARE and len(lines) == 1 else 0.0
    except ValueError:
        percent = 0.0
    if not is_percent(percent):
        raise BundleError(
            f"{path}: got {' '.join(lines)[:80]!r} behind the version, expected {SHARE} and a percentage, {PERCENT}; "
            "`trainer promote VERSION --shadow --share 10` writes it"
        )
    return percent
