"""promotions.ndjson beside the bundles: what came into use when, by what, and what spoke against it or was refused."""

import os
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from console.output import writing
from console.terminal import notice
from risk.small_file import read_small
from risk.words import counted

RECORD = "promotions.ndjson"
By = Literal["promote", "back", "train", "retrain", "shadow", "no-shadow", "retrain-shadow", "challenger"]
OF_CHALLENGERS = ("shadow", "no-shadow", "retrain-shadow")


class Promotion(Struct, frozen=True, omit_defaults=True):
    """A line of the record: what came into use when, and what spoke against it; or what became the challenger; or what
    was refused one of the two."""

    at: str
    version: str  # empty where no bundle is the challenger from then on
    before: str | None
    by: By
    forced: bool = False
    against: str | None = None
    evidence: dict[str, Any] | None = None  # a LiveComparison, as it was then
    share: float | None = None  # of a challenger, in percent of the customers
    refused: bool = False  # because of `against`: nothing changed


def remember(models: Path, promotion: Promotion) -> None:
    """In one write, so that two at once do not mix. A line that a crash cut off ends where the next one begins."""
    path = models / RECORD
    with writing(path), path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        begin = b"" if file.read() in (b"", b"\n") else b"\n"
        file.write(begin + msgspec.json.encode(promotion) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def promotions(models: Path) -> list[Promotion]:
    """What came into use, in the order in which it did. OSError where the record cannot be read."""
    return [line for line in _lines(models) if line.by not in OF_CHALLENGERS and not line.refused]


def looks_before(models: Path, challenger: str, in_use: str) -> int:
    """How often the labels of the store were asked already whether this challenger is better, and said no. OSError
    where the record cannot be read."""
    return sum(
        (line.by, line.version, line.before, line.refused) == ("challenger", challenger, in_use, True)
        and (line.evidence or {}).get("judged") is not None
        for line in _lines(models)
    )


def _lines(models: Path) -> list[Promotion]:
    path, found, unread = models / RECORD, [], []
    for number, line in enumerate((read_small(path) if path.is_file() else b"").splitlines(), 1):
        try:
            found.append(msgspec.json.decode(line, type=Promotion))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            unread.append((number, error))
    if unread:
        lines, (first, why) = counted(len(unread), "line", "lines"), unread[0]
        notice(
            f"{path}: {lines} cannot be read, expected promotions, and passed over; the first is line {first} ({why})"
        )
    return found
