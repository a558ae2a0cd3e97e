"""What is asked of a replay, as a person types it."""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

from console.options import option_of
from producer.replay.shift import shift
from risk.clock import date_ms
from risk.errors import OptionError
from risk.settings import count

DEFAULT_IN_FLIGHT = 20_000

EPILOG = """\
examples:
  python -m producer replay history.parquet
  python -m producer replay mine.csv --columns map.toml --rate 2000
  python -m producer replay history.parquet --speed 3600 --shift auto
  python -m producer replay history.parquet --resume

Transactions are sent by event time (what happened at once, by line), keyed by customer; labels as soon as event time
passes their labelled_at, and those that are due after the last transaction behind it. Before the first transaction of
a UTC day is sent, everything dated before that day is acknowledged, labels too.

Rows that are no transactions are sent as they are where JSON can say them, so that the worker's rejects show them;
others are counted and named at the end.

What is acknowledged is noted beside the data, in FILE.replay.json (elsewhere with --position). With --resume a replay
that was interrupted goes on from there. What had arrived though it was not noted any more, as when the program is
killed, is looked up in the topics and not sent again.

If the broker goes away, the replay waits, and says so. Nothing is lost, and nothing reordered within a partition. If
there is none at the start, it ends at once.

exit status: 0 everything is sent; 1 it could not be, the last line says why; 130 and 143: interrupted or ended, the
last line says where it was.
"""


class Asked(NamedTuple):
    file: Path
    columns: Path | None
    since: int | None
    until: int | None
    labels: bool
    loop: bool
    limit: int | None
    rate: float | None
    speed: float | None
    max_in_flight: int | None
    shift: str | int | None
    resume: bool
    position: Path


def positive(text: str) -> float:
    try:
        value = float(text.removesuffix("x"))
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError("a number greater than 0")
    return value


def day(text: str) -> int:
    try:
        return date_ms(text)
    except ValueError:
        raise ValueError("a day such as 2024-12-01") from None


def count_or_none(text: str) -> int | None:
    return None if text == "0" else count(text)


def add_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--columns", type=Path, metavar="MAP.toml", help="which column is what; see python -m trainer inspect")
    add("--rate", type=option_of(positive), metavar="N", help="at most so many transactions a second")
    add("--speed", type=option_of(positive), metavar="X", help="X times as fast as it happened, such as 1 or 3600")
    add(
        "--max-in-flight",
        type=option_of(count_or_none),
        metavar="N",
        default=DEFAULT_IN_FLIGHT,
        help="at most so many transactions that the scorers have not committed yet; 0: any number "
        f"(default {DEFAULT_IN_FLIGHT})",
    )
    add("--from", dest="since", type=option_of(day), metavar="DATE", help="from this day (UTC, the file's own) on")
    add("--until", type=option_of(day), metavar="DATE", help="stop before this day (UTC, the file's own)")
    add("--labels", action=argparse.BooleanOptionalAction, default=True, help="send the labels too (default)")
    add("--limit", type=option_of(count), metavar="N", help="stop after so many transactions; --resume goes on")
    add(
        "--loop",
        action="store_true",
        help="begin again at the end, behind it by whole days and with other ids, until Ctrl-C; once it has caught up "
        "with the clock, nothing is sent before its time",
    )
    add(
        "--shift",
        type=option_of(shift),
        metavar="DAYS",
        help="move all times by whole days, such as --shift=-400d; auto: so that the history ends less than a day ago",
    )
    add("--resume", action="store_true", help="go on where an interrupted replay was")
    add("--position", type=Path, metavar="FILE", help="where to note the place; default: FILE.replay.json")


def asked_of(options: argparse.Namespace, file: Path, position: Path) -> Asked:
    if options.since is not None and options.until is not None and options.since >= options.until:
        raise OptionError("--from is not before --until, expected at least a day between them")
    if options.loop and (options.since is not None or options.until is not None):
        raise OptionError("--loop cannot be with --from or --until: expected a whole file to repeat; leave one out")
    return Asked(
        file,
        options.columns,
        options.since,
        options.until,
        options.labels,
        options.loop,
        options.limit,
        options.rate,
        options.speed,
        options.max_in_flight,
        options.shift,
        options.resume,
        options.position or position,
    )
