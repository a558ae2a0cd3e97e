"""topics: make what is missing, and say what is there and wrong."""

import argparse
import asyncio

from console.help import epilog
from console.options import option_of, settings_of
from console.start import EXIT_FAILED, EXIT_OK
from console.terminal import complain, say, say_table
from risk.clock import DAY, HOUR, MINUTE, SECOND
from risk.kafka.connection import Connection, connection_of
from risk.kafka.topic_problems import problems
from risk.kafka.topic_states import UNLIMITED, TopicState, create_missing, look
from risk.settings import count, duration
from risk.topics import Topics, topics_of

_UNITS = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND))


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "topics",
        description="Make the topics that are missing; say which of those that are there cannot be used as they are. "
        "Nothing that is there is changed.",
        epilog=epilog(
            "python -m producer topics",
            "python -m producer topics --partitions 8 --replication 3 --retention 90d",
            done="all topics are there and right",
            failed="something is wrong; a line that begins with `error:` says what",
        ),
    )
    command.add_argument(
        "--partitions", type=option_of(count), default=4, metavar="N", help="of each but the ledger; default: 4"
    )
    command.add_argument(
        "--replication", type=option_of(count), default=1, metavar="N", help="copies of each; default: 1"
    )
    command.add_argument(
        "--retention",
        type=option_of(duration),
        default=UNLIMITED,
        metavar="TIME",
        help="such as 90d; default: for ever",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    return asyncio.run(_run(connection_of(settings), topics_of(settings.topic_prefix), options))


async def _run(connection: Connection, topics: Topics, options: argparse.Namespace) -> int:
    made = await create_missing(
        connection,
        topics,
        partitions=options.partitions,
        replication=options.replication,
        retention_ms=options.retention,
    )
    states = await look(connection, topics)
    _show(states, made)
    if any(state.retention_ms is None for state in states):
        say("this broker makes topics by itself, with as many partitions as it likes, and keeps them in memory only")
    wrong = problems(states, topics, partitions=options.partitions, retention_ms=options.retention)
    for text in wrong:
        complain(text)
    return EXIT_FAILED if wrong else EXIT_OK


def _show(states: list[TopicState], made: list[str]) -> None:
    lines: list[tuple[str, ...]] = [("topic", "partitions", "copies", "kept", "")]
    for state in states:
        note = "made" if state.name in made else "there"
        lines.append((state.name, str(state.partitions), str(state.replication), _kept(state.retention_ms), note))
    say_table(lines)


def _kept(retention_ms: int | None) -> str:
    if retention_ms is None:
        return "-"
    if retention_ms == UNLIMITED:
        return "for ever"
    unit, size = next(((u, s) for u, s in _UNITS if retention_ms % s == 0), ("ms", 1))
    return f"{retention_ms // size}{unit}"
