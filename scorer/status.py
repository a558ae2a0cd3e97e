"""`status`: how far the workers are, as store and broker say."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aiokafka import TopicPartition

from console.help import epilog
from console.options import settings_of
from console.start import EXIT_FAILED, EXIT_OK
from console.terminal import complain, say, say_table
from risk.clock import to_date, to_text
from risk.errors import BrokerError, StoreError
from risk.kafka.connection import Connection, check_reachable, connection_of
from risk.kafka.log import reading
from risk.kafka.topic_problems import topology_errors
from risk.kafka.topic_states import look
from risk.store import KnownLedger, Position, Role, ShadowSpan, ShareStart, Store, VersionStart
from risk.topics import Topics, topics_of
from risk.warming_up import LabelSilence, LogStart, WarmingUp, horizon_of_manifest, label_silence, warming_up_of
from scorer.opening import store_to_read

BUNDLE_TITLES = ("scored by", "partition", "from offset", "event time", "stored")
RULES_TITLES = ("decided by", *BUNDLE_TITLES[1:])
SHARE_TITLES = ("share", "percent", *BUNDLE_TITLES[1:])
CHALLENGER_TITLES = ("challenger", "partition", "from offset", "event time", "stored", "scored", "offsets not scored")
TITLES = ("partition", "last owner", "epoch", "next offset", "end", "lag", "newest event", "waits with")


REFUSED = {
    Role.BUNDLE: ("bundle", "It goes on with the one it had"),
    Role.RULES: ("rules", "It goes on with those it had, or none"),
    Role.CHALLENGER: ("challenger", "It goes on with the one it had, or none"),
}


class Stored(NamedTuple):
    """What the store says."""

    positions: list[Position]
    ledgers: list[KnownLedger]
    bundles: list[str]
    newest_bundles: list[str]
    starts: list[VersionStart]  # of each partition the newest
    rules_starts: list[VersionStart]  # likewise; none where no rule set ever decided
    shares: list[ShareStart]  # likewise; none where no challenger ever had one
    challengers: list["Challenged"]
    warming_up: WarmingUp | None
    label_silence: LabelSilence | None


class Challenged(NamedTuple):
    """What the challenger of a partition did, since it began there."""

    start: VersionStart
    scored: int  # transactions
    not_scored: int  # offsets: given up, or still on their way


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "status",
        description="Partitions, the worker that took each over last (host:process) and how often one did (epoch), the "
        "next offset to be worked on, where the log ends, the newest event, the event that waits for a ledger day; the "
        "newest closed day; the bundles, and from where on each partition was scored by its newest one; the same of "
        "rule sets, where some decided, and of a challenger's share, where one had some; the challenger, and how much "
        "it did not score; workers that do not take the promoted ones or the challenger; until when partitions warm "
        "up, and whether labels are overdue.",
        epilog=epilog(
            "python -m scorer status",
            done="all of it is known",
            failed="something is not there, or not as it must be; a line that begins with `error:` says what",
        ),
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    topics = topics_of(settings.topic_prefix)
    troubles: list[str] = []
    stored = _stored(settings.db, topics, troubles)
    ends = asyncio.run(_ends(connection_of(settings), topics, troubles))
    if stored.positions or ends:
        say_table([TITLES, *_lines(stored.positions, ends, topics)])
    if any(position.owner for position in stored.positions):
        say(
            "last owner: the worker that took the partition over last, as host:process. It may have ended since: while "
            "it lives, its metrics show it, and `ps -p PROCESS` on that host. A lag that falls says that one works"
        )
    for (delay, bucket), begun, newest, _ in stored.ledgers:
        since = "no transaction so far" if begun is None else f"the first is {to_date(begun)}"
        say(f"ledger: newest closed day {to_date(newest)}, {since} (label delay {delay} d, bucket {bucket // 1000} s)")
    if stored.bundles:
        say(f"bundles that scored: {', '.join(stored.bundles)}")
    if stored.newest_bundles:
        say(f"bundle of the newest flags: {', '.join(stored.newest_bundles)}")
    if stored.starts:
        say_table([BUNDLE_TITLES, *map(_start, stored.starts)], left=2)
    if stored.rules_starts:
        say_table([RULES_TITLES, *map(_start, stored.rules_starts)], left=2)
    if stored.shares:
        say_table([SHARE_TITLES, *map(_share, stored.shares)], left=1)
    if stored.challengers:
        say_table([CHALLENGER_TITLES, *map(_challenged, stored.challengers)], left=2)
        say("not scored: the challenger gives way when other work waits, and does not score what is scored again")
    for notice in (stored.warming_up, stored.label_silence):
        if notice is not None:
            say(str(notice))
    for text in troubles:
        complain(text)
    return EXIT_FAILED if troubles else EXIT_OK


def _stored(path: Path, topics: Topics, troubles: list[str]) -> Stored:
    try:
        store = store_to_read(path)
    except StoreError as error:
        troubles.append(str(error))
        return Stored([], [], [], [], [], [], [], [], None, None)
    with store:
        bundles, positions = store.bundles(), store.positions()
        newest_bundles = sorted(set(store.newest_bundles().values()))
        horizons = [
            horizon
            for bundle in bundles
            if bundle.version in newest_bundles and (horizon := horizon_of_manifest(bundle.manifest)) is not None
        ]
        ledgers = [store.ledger_bounds(horizon.ledger_terms) for horizon in horizons]
        scored = [position for position in positions if position.topic == topics.transactions]
        stored = Stored(
            positions,
            store.ledgers(),
            [bundle.version for bundle in bundles],
            newest_bundles,
            list({start.partition: start for start in store.starts(Role.BUNDLE)}.values()),
            list({start.partition: start for start in store.starts(Role.RULES)}.values()),
            list({start.partition: start for start in store.share_starts()}.values()),
            _challengers(store, {position.partition: position.next_offset for position in scored}),
            warming_up_of(
                (horizon, LogStart(position.first_event_time, first_day), position.newest_event_time)
                for horizon, (_, first_day, _) in zip(horizons, ledgers, strict=True)
                for position in scored
                if position.newest_event_time is not None
            ),
            label_silence(
                horizons,
                ((position.first_event_time, position.newest_event_time) for position in scored),
                store.newest_label(),
            ),
        )
        for role, (what, goes_on) in REFUSED.items():
            troubles += [
                f"worker {refused.owner} does not take {what} {refused.refused}, since {to_text(refused.refused_at)}: "
                f"{refused.reason}. {goes_on}"
                for refused in store.refusals(role)
            ]
    if not stored.positions:
        troubles.append(f"{path}: no worker has taken a partition yet; start one (`python -m scorer worker`)")
    return stored


def _challengers(store: Store, next_offsets: Mapping[int, int]) -> list[Challenged]:
    """Of each partition that has one now."""
    newest = {start.partition: start for start in store.starts(Role.CHALLENGER)}
    return [
        _progress(start, store.shadow_spans(start.version), next_offsets.get(start.partition, start.first_offset))
        for start in newest.values()
        if start.version is not None
    ]


def _progress(start: VersionStart, spans: Sequence[ShadowSpan], next_offset: int) -> Challenged:
    since = [span for span in spans if span.partition == start.partition and span.next_offset > start.first_offset]
    covered = sum(span.next_offset - max(span.first_offset, start.first_offset) for span in since)
    scored = sum(span.transactions for span in since)
    return Challenged(start, scored, next_offset - start.first_offset - covered)


async def _ends(connection: Connection, topics: Topics, troubles: list[str]) -> Mapping[tuple[str, int], int]:
    """Where each partition of the inputs ends, as far as it is there."""
    try:
        await check_reachable(connection)
        states = await look(connection, topics)
        troubles += topology_errors(states, topics)
        inputs = [state for state in states if state.name in (topics.transactions, topics.labels)]
        places = [TopicPartition(state.name, number) for state in inputs for number in range(state.partitions)]
        async with reading(connection) as reader:
            return {(place.topic, place.partition): end for place, end in (await reader.ends(places)).items()}
    except BrokerError as error:
        troubles.append(f"where the log ends is not known: {error}")
        return {}


def _lines(positions: Sequence[Position], ends: Mapping[tuple[str, int], int], topics: Topics) -> list[tuple[str, ...]]:
    """A line for each partition that either of the two knows; transactions first."""
    known = {(position.topic, position.partition): position for position in positions}
    order = [topics.transactions, topics.labels]
    places = sorted({*known, *ends}, key=lambda place: (order.index(place[0]) if place[0] in order else 2, place))
    return [_line(place, known.get(place), ends.get(place)) for place in places]


def _line(place: tuple[str, int], position: Position | None, end: int | None) -> tuple[str, ...]:
    name, until = f"{place[0]}-{place[1]}", "-" if end is None else f"{end:,}"
    if position is None:
        return (name, "-", "-", "-", until, until, "-", "-")
    # A waiting head is of the past as soon as the partition moves, or changes hands.
    waits = (position.waiting_epoch, position.waiting_offset) == (position.owner_epoch, position.next_offset)
    return (
        name,
        position.owner or "-",
        str(position.owner_epoch),
        f"{position.next_offset:,}",
        until,
        "-" if end is None else f"{end - position.next_offset:,}",
        _time(position.newest_event_time),
        _time(position.waiting_head if waits else None),
    )


def _start(start: VersionStart) -> tuple[str, ...]:
    offset = f"{start.first_offset:,}"
    return start.version or "no rules", str(start.partition), offset, _time(start.event_time), _time(start.stored_at)


def _share(start: ShareStart) -> tuple[str, ...]:
    offset, percent = f"{start.first_offset:,}", "-" if start.percent is None else f"{start.percent:g}"
    times = _time(start.event_time), _time(start.stored_at)
    return start.challenger or "no share", percent, str(start.partition), offset, *times


def _challenged(one: Challenged) -> tuple[str, ...]:
    start, scored, not_scored = one
    where = start.version or "-", str(start.partition), f"{start.first_offset:,}"
    return (*where, _time(start.event_time), _time(start.stored_at), f"{scored:,}", f"{not_scored:,}")


def _time(moment: int | None) -> str:
    return "-" if moment is None else to_text(moment)
