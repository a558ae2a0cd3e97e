"""Where a replay begins: at the start of the file, or where an earlier one was."""

import hashlib
import shlex
from pathlib import Path
from typing import NamedTuple

from console.terminal import notice
from producer.replay.position import Origin, Position, check_origin, found, head_of
from producer.replay.replay_options import ReplayOptions
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
    options: ReplayOptions, position: Path, dataset: Dataset, target: Target, chunk_rows: int, now_ms: int
) -> Beginning:
    origin = _origin_of(options, target, chunk_rows)
    where, noted = found(position, options.file, is_named=options.position is not None)
    if options.resume:
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
    last = last if options.until is None else min(last, options.until - 1)
    return Beginning(origin, shift_days(options.shift, last, now_ms), None)


def ends_of(dataset: Dataset) -> tuple[int, int]:
    if dataset.ends is None:
        raise OptionError(
            f"{dataset.path}: got no row with a time, expected transactions; `python -m trainer inspect "
            f"{shlex.quote(str(dataset.path))}` tells why"
        )
    return dataset.ends


def check_days(dataset: Dataset, options: ReplayOptions) -> None:
    """Refused where nothing of the file lies in --from and --until. Labels may be due after the last transaction."""
    first, last = ends_of(dataset)
    if options.until is not None and options.until <= first:
        option, day = "--until", options.until
    elif (
        options.since is not None
        and options.since > last
        and not (options.labels and _has_label(dataset, options.since))
    ):
        option, day = "--from", options.since
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


def _origin_of(options: ReplayOptions, target: Target, chunk_rows: int) -> Origin:
    size, head = head_of(options.file)
    columns = b"" if options.columns is None else read_small(options.columns)
    return Origin(
        size,
        head,
        hashlib.sha256(columns).hexdigest(),
        options.since,
        options.until,
        options.labels,
        options.loop,
        chunk_rows,
        target.cluster,
        target.topics.transactions,
        target.topics.labels,
        target.ids,
    )
