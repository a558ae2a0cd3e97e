"""The challenger: the bundle that scores in the shadow of the one in use."""

from pathlib import Path

from risk.bundle import current_bundle
from risk.small_file import is_absent

CHALLENGER = "challenger"


def challenger_bundle(models: Path) -> Path | None:
    """The folder of the version that is to score in the shadow; None where none is to."""
    return None if is_absent(models / CHALLENGER) else current_bundle(models, CHALLENGER)
