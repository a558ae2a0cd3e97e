"""A replay put together: the topics, the place to begin at, and the parts that send."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from console.start import EXIT_OK
from console.terminal import notice
from producer.delivery.already import AlreadyThere, Place
from producer.delivery.delivering import AbandonedError, Delivery
from producer.delivery.wire import Wire
from producer.replay.beginning import Beginning, beginning_of
from producer.replay.clock import Clock
from producer.replay.in_flight import InFlight
from producer.replay.pace import Pace
from producer.replay.parcels import Packer
from producer.replay.position import Bookmark, place_of
from producer.replay.progress import Progress, shown
from producer.replay.refused import RefusedRows
from producer.replay.replay_options import ReplayOptions
from producer.replay.run import Replay
from producer.replay.sequence import Entry, Sequence, Span
from producer.replay.steps import limited, steps
from producer.replay.summary import say_left_out, say_place, say_sent
from producer.replay.tally import Tally
from producer.replay.topics import Target, noted_ends, offsets_of, target_of
from producer.stop import Stop, on_signals
from risk.clock import DAY
from risk.dataset import Dataset
from risk.kafka.connection import connection_of
from risk.kafka.log import Bounds
from risk.kafka.topic_watch import TopicWatch
from risk.settings import Settings
from risk.topics import group_of, topics_of

# How long the broker may take to say whether a topic is the same, until somebody is told that it is waited for.
CONFIRM_SECONDS = 5.0
OTHER_TOPIC = "What was sent before is gone with the topic that it was sent to. Begin anew without --resume."


class Job(NamedTuple):
    """What is to be sent, and where to."""

    options: ReplayOptions
    position: Path
    sequence: Sequence
    rows: int  # of the file
    target: Target
    beginning: Beginning
    group: str  # of the scorers


async def replay(
    options: ReplayOptions, state: Path, dataset: Dataset, refused: RefusedRows, settings: Settings, clock: Clock
) -> int:
    """The exit code."""
    connection = connection_of(settings)
    topics = topics_of(settings.topic_prefix)
    wire = Wire(connection, topics, (topics.transactions, topics.labels))
    await wire.check()
    target = await target_of(connection, topics, settings.topic_prefix)
    position = options.position or place_of(state, options.file, target.cluster, target.topics.transactions)
    beginning = beginning_of(options, position, dataset, target, settings.chunk_rows, clock.now_ms())
    if beginning.before is not None and beginning.before.is_finished:
        notice(f"{position}: everything was sent already; nothing is left to go on with")
        return EXIT_OK
    if beginning.shift_days:
        notice(f"all times are moved by {beginning.shift_days:+} days")
    span = Span(options.since, options.until, beginning.shift_days * DAY, options.labels, options.loop)
    sequence = Sequence(dataset, refused, span, clock.now_ms())
    job = Job(options, position, sequence, dataset.row_count, target, beginning, group_of(settings.topic_prefix))
    inputs = (topics.transactions, topics.labels)
    try:
        async with TopicWatch(connection, inputs, target.known, OTHER_TOPIC, confirm_seconds=CONFIRM_SECONDS) as watch:
            return await _send(job, wire, clock, watch)
    finally:
        await wire.close()


async def _send(job: Job, wire: Wire, clock: Clock, watch: TopicWatch) -> int:
    options, before = job.options, job.beginning.before
    offsets = await offsets_of(wire, job.target)
    ends = {place: at.end for place, at in offsets.items()}
    already = AlreadyThere()
    noted = None if before is None else noted_ends(before, offsets)
    if noted is not None:
        for place, records in (await wire.records(noted)).items():
            already.add(place, records)
    await wire.renew()
    stop = Stop()
    delivery = Delivery(wire, ends, already, stop.asked, notice, settled=noted)
    tally = Tally(before.entries if before else 0, before.event_time if before else None)
    done = before.transactions if before else 0
    bookmark = Bookmark(job.position, job.beginning.origin, job.beginning.shift_days, tally, delivery.settled, done)
    bookmark.save(is_finished=False)
    packer = Packer(job.target.topics, job.target.partitions)
    pace = Pace(clock, options.rate, options.speed, is_live=options.loop)
    in_flight = _in_flight(job, wire, offsets, ends, clock)
    run = Replay(
        steps(_entries(job, tally)),
        packer=packer,
        pace=pace,
        in_flight=in_flight,
        delivery=delivery,
        tally=tally,
        save=lambda: bookmark.save(is_finished=False),
        confirm=lambda: watch.confirm(job.target.topics.transactions, 0),
        stopping=stop.asked,
        clock=clock,
        say=notice,
        group=job.group,
    )
    began = clock.seconds()
    with on_signals(stop):
        async with shown(Progress(tally, in_flight, pace, _total(job, done), clock)):
            try:
                is_through = await run.run()
            except AbandonedError:
                is_through = False
                notice("the broker did not answer in time; what arrived all the same is found out by --resume")
    say_sent(tally, packer, clock.seconds() - began)
    say_left_out(options, job.sequence, packer, already.passed_over)
    if is_through and tally.transactions != options.limit:
        bookmark.save(is_finished=True)
        return EXIT_OK
    say_place(job.position, "stopped at --limit" if is_through else "interrupted", tally)
    return EXIT_OK if is_through else stop.code


def _in_flight(job: Job, wire: Wire, offsets: dict[Place, Bounds], ends: dict[Place, int], clock: Clock) -> InFlight:
    topic = job.target.topics.transactions
    begins = {place: at.begin for place, at in offsets.items() if place[0] == topic}

    async def committed() -> dict[Place, int]:
        return {place: commit.offset for place, commit in (await wire.committed(job.group, begins)).items()}

    return InFlight(job.options.max_in_flight, committed, begins, ends, clock)


def _entries(job: Job, tally: Tally) -> Iterator[Entry]:
    entries = islice(job.sequence, tally.entries, None)
    return entries if job.options.limit is None else limited(entries, job.options.limit)


def _total(job: Job, done: int) -> int | None:
    """The transactions that are to be sent, where that is known."""
    options = job.options
    whole = None if options.since or options.until or options.loop else job.rows - done
    return whole if options.limit is None else min(options.limit, whole or options.limit)
