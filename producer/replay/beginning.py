"""Where a replay begins: at the start of the file, or where an earlier one was."""

import hashlib
import shlex
from pathlib import Path
from typing import NamedTuple

from console.terminal import notice
from producer.replay.asked import Asked
from producer.replay.position import Origin, Position, check_origin, found, head_of
from producer.replay.shift import shift_days
from producer.replay.topics import Target
from risk.clock import day_of, to_date
from risk.dataset import Dataset
from risk.dataset.rows import UNKNOWN
from risk.errors import OptionError
from risk.small_file import read_small


class Beginning(NamedTuple):
    origin: Origin
    shift_days: int
    before: Position | None  # of the earlier run that is gone on with


def beginning_of(
    asked: Asked, position: Path, dataset: Dataset, target: Target, chunk_rows: int, now_ms: int
) -> Beginning:
    origin = _origin_of(asked, target, chunk_rows)
    where, noted = found(position, asked.file, is_named=asked.position is not None)
    if asked.resume:
        if noted is None:
            raise OptionError(
                f"--resume: got no {position}, expected what an interrupted replay leaves there; leave --resume "
                "out to begin anew, or name the file with --position"
            )
        check_origin(where, noted.origin, origin)
        if where != position:
            notice(f"{where} says where the replay was; from now on {position} does, and the other may be deleted")
        return Beginning(origin, noted.shift_days, noted)
    if noted is not None and not noted.is_finished:
        notice(f"{where} says where an earlier replay was; this one begins anew (--resume goes on)")
    _, last = ends_of(dataset)
    # The last transaction that is to be sent, or a later one.
    last = last if asked.until is None else min(last, asked.until - 1)
    return Beginning(origin, shift_days(asked.shift, last, now_ms), None)


def ends_of(dataset: Dataset) -> tuple[int, int]:
    if dataset.ends is None:
        raise OptionError(
            f"{dataset.path}: got no row with a time, expected transactions; `python -m trainer inspect "
            f"{shlex.quote(str(dataset.path))}` tells why"
        )
    return dataset.ends


def check_days(dataset: Dataset, asked: Asked) -> None:
    """Refused where nothing of the file lies in --from and --until. Labels may be due after the last transaction."""
    first, last = ends_of(dataset)
    if asked.until is not None and asked.until <= first:
        option, day = "--until", asked.until
    elif asked.since is not None and asked.since > last and not (asked.labels and _has_label(dataset, asked.since)):
        option, day = "--from", asked.since
    else:
        return
    raise OptionError(
        f"{option}: got {to_date(day_of(day))}, expected a day that leaves something of the data, which goes from "
        f"{to_date(day_of(first))} to {to_date(day_of(last))}"
    )


def _has_label(dataset: Dataset, since: int) -> bool:
    return any(
        bool(((marks.labelled_at >= since) & (marks.is_fraud != UNKNOWN)).any())
        for marks in dataset.marks(with_ids=False)
    )


def _origin_of(asked: Asked, target: Target, chunk_rows: int) -> Origin:
    size, head = head_of(asked.file)
    columns = b"" if asked.columns is None else read_small(asked.columns)
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
