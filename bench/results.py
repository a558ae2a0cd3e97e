"""What was measured, as files that a page can be made of: a part of the benchmark each, kept until it is run again."""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.machine import machine

FOLDER = Path(".bench")
FORMAT = 1  # raised when a part keeps something else


class Spread(NamedTuple):
    """The median of repetitions, and between which two they lie."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Of the repetitions side by side, not of the medians."""
    return spread([one / other for one, other in zip(ours, theirs, strict=True)])


def keep(folder: Path, part: str, found: dict[str, Any], command: str) -> None:
    folder.mkdir(exist_ok=True)
    whole = {"format": FORMAT, "command": command, "machine": machine(), "found": found}
    (folder / f"{part}.json").write_text(json.dumps(whole, indent=1) + "\n")


def read(folder: Path, part: str) -> dict[str, Any] | None:
    """What was kept of a part; None where it was not run."""
    path = folder / f"{part}.json"
    if not path.exists():
        return None
    whole: dict[str, Any] = json.loads(path.read_text())
    if whole.get("format") != FORMAT:
        raise SystemExit(
            f"{path}: got format {whole.get('format')}, expected {FORMAT}; run `python -m bench --only {part}` again"
        )
    return whole
