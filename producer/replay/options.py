"""replay: its options."""

import argparse
import math
from pathlib import Path

from console.help import epilog
from console.options import A_FILE, day, option_of
from producer.replay.shift import shift
from risk.settings import count, number
from worlds.options import MEANINGS, add_size_options

DEFAULT_IN_FLIGHT = 20_000

EXAMPLES = (
    "python -m producer replay history.parquet",
    "python -m producer replay mine.csv --columns map.toml --rate 2000",
    "python -m producer replay history.parquet --speed 3600 --shift auto",
    "python -m producer replay history.parquet --resume",
)
NOTES = """\
Transactions are sent by event time (what happened at once, by line), keyed by customer; labels as soon as event time
passes their labelled_at, and those that are due after the last transaction behind it. Before the first transaction of
a UTC day is sent, everything dated before that day is acknowledged, labels too.

Rows that are no transactions are sent as they are where JSON can say them, so that the worker's rejects show them;
others are counted and named at the end.

What is acknowledged is noted in the folder for state (TRUSTLENS_STATE, else ~/.local/state/trustlens), for each file,
Kafka and topic apart; elsewhere with --position. With --resume a replay that was interrupted goes on from there; what
version 0.1 noted beside the data, in FILE.replay.json, is found. What had arrived though it was not noted any more, as
when the program is killed, is looked up in the topics and not sent again.

If the broker goes away, the replay waits, and says so. Nothing is lost, and nothing reordered within a partition. If
there is none at the start, it ends at once.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "replay",
        description="Send a history into Kafka, in the order in which it happened.",
        epilog=epilog(
            *EXAMPLES,
            notes=NOTES,
            done="everything is sent",
            failed="it could not be sent; the last line says why",
            when_ended="; the last line says how many were sent, and up to when",
        ),
    )
    command.add_argument("file", metavar="FILE", type=Path, nargs="?", help=A_FILE)
    command.add_argument("--world", metavar="WORLD", help=f"instead of a file, a generated one. {MEANINGS}")
    _add(command)
    add_size_options(command)
    command.set_defaults(run=run)


def _positive(text: str) -> float:
    try:
        value = number(text.removesuffix("x"))
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError("a number greater than 0")
    return value


def _count_or_none(text: str) -> int | None:
    return None if text == "0" else count(text)


def _add(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--columns", type=Path, metavar="MAP.toml", help="which column is what; see python -m trainer inspect")
    add("--rate", type=option_of(_positive), metavar="N", help="at most so many transactions a second")
    add("--speed", type=option_of(_positive), metavar="X", help="X times as fast as it happened, such as 1 or 3600")
    add(
        "--max-in-flight",
        type=option_of(_count_or_none),
        metavar="N",
        default=DEFAULT_IN_FLIGHT,
        help="at most so many transactions that the scorers have not committed yet; 0: any number "
        f"(default {DEFAULT_IN_FLIGHT})",
    )
    add("--from", dest="since", type=option_of(day), metavar="DATE", help="from this day (UTC, the file's own) on")
    add("--until", type=option_of(day), metavar="DATE", help="stop before this day (UTC, the file's own)")
    add(
        "--labels",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="send the labels too (default); without them a merchant ledger sees no fraud, and scores are too low",
    )
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
        metavar="auto|DAYS",
        help="move all times: auto, so that the history ends less than a day ago; or by whole days with a d, 400d "
        "later, or --shift=-400d (with the equals sign) earlier",
    )
    add("--resume", action="store_true", help="go on where an interrupted replay was")
    add("--position", type=Path, metavar="FILE", help="where to note the place (default: in TRUSTLENS_STATE)")


def run(options: argparse.Namespace) -> int:
    from producer.replay import command

    return command.run(options)
