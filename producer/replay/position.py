"""Where a replay is: a small file beside the data, from which an interrupted one goes on.

It is written whole, after what it says was acknowledged. What was acknowledged after it was written is found in the
topics, behind the offsets that it names.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from console.output import replaced
from producer.delivery.already import Place
from producer.replay.tally import Tally
from risk.errors import OptionError

SUFFIX = ".replay.json"
VERSION = 1
HEAD_BYTES = 1 << 20


class Origin(Struct, frozen=True):
    """What a position belongs to. In another file, topic or order of entries it would mean nothing."""

    file_bytes: int
    head_sha256: str
    columns_sha256: str
    since: int | None
    until: int | None
    labels: bool
    loop: bool
    chunk_rows: int
    cluster: str
    transactions: str
    labels_topic: str
    topic_ids: tuple[str, str]


class Position(Struct, frozen=True):
    """So many entries of the sequence are acknowledged."""

    version: int
    origin: Origin
    shift_days: int
    entries: int
    transactions: int
    event_time: int | None  # ms, of the newest transaction
    is_finished: bool
    ends: dict[str, list[int]]  # by topic, the offset behind the last in each partition


def head_of(path: Path) -> tuple[int, str]:
    """The size of a file and the hash of its beginning."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.sha256(file.read(HEAD_BYTES)).hexdigest()


class Bookmark:
    """Notes where a replay is."""

    def __init__(
        self, path: Path, origin: Origin, shift_days: int, tally: Tally, ends: Mapping[Place, int], before: int
    ) -> None:
        """`before`: the transactions that earlier runs had sent."""
        self.path = path
        self._origin, self._shift_days, self._tally, self._ends, self._before = origin, shift_days, tally, ends, before

    def save(self, *, is_finished: bool) -> None:
        tally = self._tally
        topics: dict[str, list[int]] = {}
        for (topic, _), end in sorted(self._ends.items()):
            topics.setdefault(topic, []).append(end)
        position = Position(
            VERSION,
            self._origin,
            self._shift_days,
            tally.entries,
            self._before + tally.transactions,
            tally.event_time,
            is_finished,
            topics,
        )
        with replaced(self.path) as (unfinished,):
            unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(position), indent=1) + b"\n")


def read_position(path: Path) -> Position | None:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OptionError(f"{path}: the position cannot be read ({error.strerror}); check its rights") from error
    try:
        position = msgspec.json.decode(raw, type=Position)
    except msgspec.DecodeError as error:
        raise OptionError(
            f"{path}: got no position of a replay ({error}), expected what `replay` wrote; delete it, and begin anew "
            "without --resume, or name another with --position"
        ) from None
    if position.version != VERSION:
        raise OptionError(
            f"{path}: got a position of version {position.version}, expected {VERSION}; begin anew without --resume"
        )
    return position


def check_origin(path: Path, there: Origin, wanted: Origin) -> None:
    """OptionError naming everything that is not as it was."""
    wrong = [
        f"{name.replace('_', ' ')} was {getattr(there, name)!r} and is {getattr(wanted, name)!r}"
        for name in Origin.__struct_fields__
        if getattr(there, name) != getattr(wanted, name)
    ]
    if wrong:
        raise OptionError(
            f"{path}: the position is of another replay: {'; '.join(wrong)}. Expected the same file, options and "
            "topics; give them again, or begin anew without --resume"
        )
