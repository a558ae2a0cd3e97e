"""A store of the moment out of Kafka's topics: what a worker that read them now would store, without scores."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiokafka import TopicPartition

from console.terminal import progress
from risk.block import NAMES, NO_AMOUNT, Block
from risk.block_codec import Decoded
from risk.bundle import Manifest
from risk.catalogue import FeatureSet
from risk.clock import DAY, EARLIEST, LATEST, to_date, to_text
from risk.engine import Engine, Verdict
from risk.errors import BrokerError
from risk.events import Label
from risk.kafka.batches import apart
from risk.kafka.connection import Connection, connection_of
from risk.kafka.decoding import read_labels, transaction_reader, within_limits
from risk.kafka.log import Bounds, LogReader, Reads, reading
from risk.kafka.topic_problems import compaction_errors, topology_errors
from risk.kafka.topic_states import look
from risk.settings import Settings
from risk.store import FlagRow, Outputs, RowValues, Store, open_store
from risk.topics import Topics, topics_of

FROM_STORE = "take the history from a store that has it, by --from-store"
NOT_SENT = Outputs(0, 0, 0)
NEVER = -(1 << 62)
# The time of sending is the sender's: one clock that is wrong must not make the log seem whole from too early on.
FIRST = 10
_json = msgspec.json.Encoder()


@contextmanager
def store_of_log(settings: Settings, manifest: Manifest, beside: Path, since: int | None) -> Iterator[Store]:
    """It lies beside that file while it is needed, for a system's temporary files may be in memory. `since`: from when
    on all must be there; None: from the log's beginning."""
    with (
        tempfile.TemporaryDirectory(dir=beside.parent, prefix=f".{beside.name}.", suffix=".part") as folder,
        open_store(Path(folder) / "log.db") as store,
    ):
        asyncio.run(_read(connection_of(settings), topics_of(settings.topic_prefix), manifest, since, store))
        yield store


async def _read(connection: Connection, topics: Topics, manifest: Manifest, since: int | None, store: Store) -> None:
    states = await look(connection, topics)
    if wrong := topology_errors(states, topics):
        raise BrokerError("; ".join(wrong))
    if wrong := compaction_errors(states, topics):
        raise BrokerError(f"{'; '.join(wrong)}. What was compacted meanwhile is gone: {FROM_STORE}")
    [partitions] = {state.partitions for state in states if state.name == topics.transactions}
    transactions, labels = (
        [TopicPartition(name, number) for number in range(partitions)] for name in (topics.transactions, topics.labels)
    )
    async with reading(connection, reads=Reads.COMMITTED) as reader:
        log = _Log(reader, await reader.bounds([*transactions, *labels]), transaction_reader(manifest.max_ahead_ms))
        await _check_beginnings(log, manifest, since)
        rows = 0
        with progress("log", sum(bounds.end - bounds.begin for bounds in log.bounds.values())) as advance:
            for place in transactions:
                rows += await _store_transactions(log, place, manifest, store, advance)
            for place in labels:
                await _store_labels(log, place, store, advance)
    if not rows:
        raise BrokerError(
            f"{topics.transactions}: got no transaction that can be scored, expected some; send them, or look at "
            "TRUSTLENS_BROKERS and TRUSTLENS_TOPIC_PREFIX"
        )


class _Log(NamedTuple):
    reader: LogReader
    bounds: dict[TopicPartition, Bounds]
    decode: Callable[[Sequence[Any]], Decoded]

    async def records(self, place: TopicPartition) -> AsyncIterator[Sequence[Any]]:
        """What was sent until it was asked where the log ends; BrokerError where something in between is gone."""
        begin, end = self.bounds[place]
        self.reader.begin({place: begin})
        async for records in self.reader.until(place, end):
            if gone := apart(records)[1]:
                raise BrokerError(
                    f"{place.topic}-{place.partition}: got a log in which messages are missing from offset "
                    f"{gone[0].offset} on, expected every one from offset {begin} on: compaction took them, at a time "
                    f" when cleanup.policy was not delete; {FROM_STORE}"
                )
            yield records

    def transactions(self, records: Sequence[Any]) -> Decoded:
        return within_limits(records, self.decode(records), lambda _: False)


async def _check_beginnings(log: _Log, manifest: Manifest, since: int | None) -> None:
    """BrokerError where retention deleted something that belongs to these days: a history must not be short of it.

    Whole are the days that begin after the first messages that are left were sent: what retention deleted was sent
    before them, and nothing is sent before it happened, but for what clocks differ by. When something happened tells
    nothing here: the first message that is left may be one that came late.
    """
    cut = [place for place, bounds in log.bounds.items() if bounds.begin > 0]
    if not cut:
        return
    sent = max([await _first_sent(log, place) for place in cut])
    whole_from = (sent + manifest.max_ahead_ms) // DAY + 1
    if since is None or since // DAY < whole_from:
        names = ", ".join(f"{place.topic}-{place.partition}" for place in cut)
        raise BrokerError(
            f"{names}: got a log whose beginning retention has deleted, expected all of it. What is left was sent from "
            f"{to_text(sent)} on, so that {to_date(whole_from)} is the first day that is whole: say --from "
            f"{to_date(whole_from)}, or {FROM_STORE}"
        )


async def _first_sent(log: _Log, place: TopicPartition) -> int:
    """When the first messages that are left were sent, the latest of them."""
    found: list[int] = []
    async for records in log.records(place):
        found += [record.timestamp for record in records if EARLIEST <= record.timestamp < LATEST]
        if len(found) >= FIRST:
            break
    if not found:
        raise BrokerError(
            f"{place.topic}-{place.partition}: got a log that begins with offset {log.bounds[place].begin}, and "
            f"nothing in it that says when it was sent, expected its beginning: retention has deleted it; {FROM_STORE}"
        )
    return max(found[:FIRST])


async def _store_transactions(
    log: _Log, place: TopicPartition, manifest: Manifest, store: Store, advance: Callable[[int], None]
) -> int:
    """Those that a worker would score, which the engine says; how many."""
    engine = Engine(FeatureSet(frozenset()), manifest.terms)
    next_offset, newest, stored = log.bounds[place].begin, None, 0
    owner = store.take_over(place.topic, place.partition, first_offset=next_offset).owner
    async for records in log.records(place):
        decoded = log.transactions(records)
        scored = engine.features(decoded.block).verdicts == Verdict.SCORED
        block = decoded.block.select(scored)
        if len(block):
            newest = max(int(block.event_time.max()), NEVER if newest is None else newest)
        offsets = [records[row].offset for row in decoded.places[scored].tolist()]
        behind = records[-1].offset + 1
        store.commit_flags(
            owner,
            expected=next_offset,
            next_offset=behind,
            newest_event_time=newest,
            outputs=NOT_SENT,
            rows=_rows(place.partition, offsets, block, manifest),
        )
        next_offset, stored = behind, stored + len(block)
        advance(len(records))
    return stored


def _rows(partition: int, offsets: Sequence[int], block: Block, manifest: Manifest) -> list[RowValues]:
    """Nobody scored them: what a row must have stands for nothing here, and the store goes with the command."""
    columns = {
        **dict.fromkeys(FlagRow._fields, repeat(None)),
        **{name: getattr(block, name) for name in NAMES},
        "source_partition": repeat(partition),
        "source_offset": offsets,
        "event_time": block.event_time.tolist(),
        "amount": [None if amount == NO_AMOUNT else amount for amount in block.amount.tolist()],
        "attributes": [_json.encode(present).decode() if present else None for present in block.attributes],
        "score": repeat(0.0),
        "level": repeat("low"),
        "bundle_version": repeat(manifest.version),
    }
    return list(zip(*(columns[name] for name in FlagRow._fields), strict=False))  # what is repeated has no end


async def _store_labels(log: _Log, place: TopicPartition, store: Store, advance: Callable[[int], None]) -> None:
    next_offset = log.bounds[place].begin
    owner = store.take_over(place.topic, place.partition, first_offset=next_offset).owner
    async for records in log.records(place):
        events = read_labels(records).events
        found = [(one.offset, event) for one, event in zip(records, events, strict=True) if isinstance(event, Label)]
        behind = records[-1].offset + 1
        store.commit_labels(owner, expected=next_offset, next_offset=behind, rejected_offset=0, labels=found)
        next_offset = behind
        advance(len(records))
