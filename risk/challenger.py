"""The challenger: the bundle that scores in the shadow of the one in use."""

import os
from pathlib import Path

from risk.bundle import current_bundle

CHALLENGER = "challenger"


def challenger_bundle(models: Path) -> Path | None:
    """The folder of the version that is to score in the shadow; None where none is to."""
    return current_bundle(models, CHALLENGER) if os.path.lexists(models / CHALLENGER) else None
