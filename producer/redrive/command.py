"""redrive: the command."""

import argparse
import asyncio
import logging

from console.help import epilog
from console.options import option_of, settings_of
from console.terminal import notice, say, say_table, warn
from producer.delivery.already import AlreadyThere
from producer.delivery.delivering import AbandonedError, Delivery
from producer.delivery.wire import Wire
from producer.redrive.redriving import BATCH, Redrive
from producer.redrive.shelf import RejectShelf
from producer.stop import Stop, on_signals
from risk.events import RejectReason
from risk.kafka.connection import Connection, connection_of
from risk.settings import count
from risk.topics import Topics, topics_of
from risk.words import counted

GROUP = "trustlens-redrive"

NOTES = f"""\
Takes what was in transactions-rejected when it began, and sends each message, key and bytes as they were, to the topic
and partition that it came from; once each. How far it got is noted as the offset of the group {GROUP}, for
each reason by itself: what --reason passes over is still there for a later run. What is still wrong is rejected
again, and is there for the next run. Of a large message a reject has only the beginning: the whole is read where it
came from, if it is still there. One redrive at a time. One that is killed may have sent up to {BATCH} messages
that it had not noted; the next run sends them again, and a worker counts those that were scored as duplicates.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "redrive",
        description="Send rejected messages again, where they came from, once whatever was wrong is mended.",
        epilog=epilog(
            "python -m producer redrive --dry-run",
            "python -m producer redrive --reason unknown_currency",
            notes=NOTES,
            done="all of them, or --limit, are sent",
            failed="it could not be done; the last line says why",
        ),
    )
    command.add_argument("--reason", type=option_of(reason), metavar="R", help="only those rejected for this")
    command.add_argument("--limit", type=option_of(count), metavar="N", help="stop after so many")
    command.add_argument("--dry-run", action="store_true", help="count them, and send nothing")
    command.set_defaults(run=run)


def reason(text: str) -> str:
    if text not in list(RejectReason):
        raise ValueError(f"one of {', '.join(RejectReason)}")
    return text


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    # What the client says of a broker that is away, it says ten times a second; we say it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)
    prefix = settings.topic_prefix
    return asyncio.run(_run(options, connection_of(settings), topics_of(prefix), prefix + GROUP))


async def _run(options: argparse.Namespace, connection: Connection, topics: Topics, group: str) -> int:
    wire = Wire(connection, topics, (topics.transactions, topics.labels, topics.rejected))
    stop = Stop()
    try:
        partitions = await wire.check()
        bounds = await wire.offsets([(topics.rejected, number) for number in range(partitions)])
        sources = [(topic, number) for topic in (topics.transactions, topics.labels) for number in range(partitions)]
        ends = {place: at.end for place, at in (await wire.offsets(sources)).items()}
        delivery = None
        if not options.dry_run:
            await wire.renew()
            delivery = Delivery(wire, ends, AlreadyThere(), stop.asked, notice)
        async with RejectShelf(connection, wire, group, bounds) as shelf:
            redrive = Redrive(
                shelf,
                delivery,
                reason=options.reason,
                limit=options.limit,
                sources=frozenset(sources),
                is_stopping=stop.asked.is_set,
            )
            with on_signals(stop):
                try:
                    await redrive.run(bounds)
                except AbandonedError:
                    notice("the broker did not answer in time; the next run sends again what was on its way")
    finally:
        await wire.close()
    _say(redrive, is_dry=options.dry_run)
    return stop.code


def _say(redrive: Redrive, *, is_dry: bool) -> None:
    done = "to be sent" if is_dry else "sent"
    if redrive.sent:
        lines = [("reason", done), *((name, f"{number:,}") for name, number in sorted(redrive.sent.items()))]
        say_table(lines)
    say(f"{counted(redrive.sent.total(), 'message', 'messages')} {done} again")
    if redrive.repeated:
        were = counted(redrive.repeated, "was", "were")
        notice(f"{were} rejected twice, as by a worker that was killed; sent once")
    if redrive.gone:
        were = counted(redrive.gone, "message", "messages")
        warn(
            f"passed over: {were} of which the reject has only the beginning, and the original cannot be read any more"
        )
    if redrive.too_large:
        were = counted(redrive.too_large, "message", "messages")
        warn(f"passed over: {were} larger than a topic takes unpacked; would be rejected again for the size")
    if redrive.not_understood:
        do_not = counted(redrive.not_understood, "message does not", "messages do not")
        warn(f"passed over: {do_not} say, in the headers, where from and why rejected, as a worker would have written")
