"""Where a replay begins: at the start of the file, or where an earlier one was."""

import hashlib
from typing import NamedTuple

from console.terminal import notice
from producer.replay.asked import Asked
from producer.replay.position import Origin, Position, check_origin, head_of, read_position
from producer.replay.shift import shift_days
from producer.replay.topics import Target
from risk.dataset import Dataset
from risk.errors import OptionError


class Beginning(NamedTuple):
    origin: Origin
    shift_days: int
    before: Position | None  # of the earlier run that is gone on with


def beginning_of(asked: Asked, dataset: Dataset, target: Target, chunk_rows: int, now_ms: int) -> Beginning:
    origin = _origin_of(asked, target, chunk_rows)
    noted = read_position(asked.position)
    if asked.resume:
        if noted is None:
            raise OptionError(
                f"--resume: got no {asked.position}, expected what an interrupted replay leaves there; leave --resume "
                "out to begin anew, or name the file with --position"
            )
        check_origin(asked.position, noted.origin, origin)
        return Beginning(origin, noted.shift_days, noted)
    if noted is not None and not noted.is_finished:
        notice(f"{asked.position} says where an earlier replay was; this one begins anew (--resume goes on)")
    return Beginning(origin, shift_days(asked.shift, _last(dataset, asked), now_ms), None)


def _last(dataset: Dataset, asked: Asked) -> int:
    """The time of the last transaction that is to be sent, or a later one."""
    if dataset.ends is None:
        raise OptionError(
            f"{asked.file}: got no row with a time, expected transactions; `python -m trainer inspect` tells why"
        )
    last = dataset.ends[1]
    return last if asked.until is None else min(last, asked.until - 1)


def _origin_of(asked: Asked, target: Target, chunk_rows: int) -> Origin:
    size, head = head_of(asked.file)
    columns = b"" if asked.columns is None else asked.columns.read_bytes()
    return Origin(
        size,
        head,
        hashlib.sha256(columns).hexdigest(),
        asked.since,
        asked.until,
        asked.labels,
        asked.loop,
        chunk_rows,
        target.cluster,
        target.topics.transactions,
        target.topics.labels,
        target.ids,
    )
