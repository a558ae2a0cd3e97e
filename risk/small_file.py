"""Small files that a person wrote, such as a column map: read whole, up to a limit.

A device never ends, and a data set that is named by mistake would fill memory before it is found to be no TOML.
"""

import errno
import tomllib
from pathlib import Path
from typing import Any

SMALL_BYTES = 16 * 1024**2  # far more than the map of as many columns as a file may have


def read_small(path: Path) -> bytes:
    """OSError also for what is larger. A pipe is read to its end: shells make them of what a command prints."""
    with path.open("rb") as file:
        raw = file.read(SMALL_BYTES + 1)
    if len(raw) > SMALL_BYTES:
        raise OSError(errno.EFBIG, f"more than {SMALL_BYTES:,} bytes", str(path))
    return raw


def read_toml(text: str) -> dict[str, Any]:
    """ValueError where it is none; the library recurses at each bracket, and ends at some hundred of them."""
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
