"""Where a replay is: a small file in the folder for state, from which an interrupted one goes on.

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
from risk.dataset.folder import part_files
from risk.errors import OptionError
from risk.small_file import read_small

BESIDE = ".replay.json"  # of version 0.1: beside the data
NAME_LENGTH = 40  # characters of the data's name; with the rest no file system finds it too long
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


def state_folder(given: Path | None, environment: Mapping[str, str]) -> Path:
    """TRUSTLENS_STATE, or where programs keep such things by the XDG rules: a relative path there counts for none."""
    if given is not None:
        return given
    named = environment.get("XDG_STATE_HOME", "")
    try:
        home = Path(environment.get("HOME") or Path.home())
    except RuntimeError as error:
        raise OptionError(
            f"TRUSTLENS_STATE: got none, and no home folder ({error}), expected a folder; name one"
        ) from None
    return (Path(named) if Path(named).is_absolute() else home / ".local/state") / "trustlens"


def place_of(state: Path, file: Path, cluster: str, topic: str) -> Path:
    """For each file, Kafka and topic another, however the file is called. Its folder is there afterwards."""
    key = "\0".join((str(file.resolve()), cluster, topic))
    digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:16]
    folder = state / "replay"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            f"TRUSTLENS_STATE: got {state}, expected a folder that may be written ({error.strerror}). Name another, "
            "or a file with --position"
        ) from None
    return folder / f"{file.name[:NAME_LENGTH]}-{digest}.json"


def found(position: Path, file: Path, *, is_named: bool) -> tuple[Path, Position | None]:
    """What is noted, and where: version 0.1 noted it beside the data. `is_named`: by --position, so nowhere else."""
    noted, beside = read_position(position), file.with_name(file.name + BESIDE)
    if noted is None and not is_named:
        old = read_position(beside)
        if old is not None:
            return beside, old
    return position, noted


def head_of(path: Path) -> tuple[int, str]:
    """The size of a file and the hash of its beginning; of a folder, of all its parts."""
    size, digest = 0, hashlib.sha256()
    for part in part_files(path):
        with part.open("rb") as file:
            size += part.stat().st_size
            digest.update(file.read(HEAD_BYTES))
    return size, digest.hexdigest()


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
        raw = read_small(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OptionError(f"{path}: the position cannot be read ({error.strerror}); check its rights") from error
    try:
        position = msgspec.json.decode(raw, type=Position)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
