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
from risk.clock import DAY, to_date
from risk.engine import Engine, Verdict
from risk.errors import BrokerError
from risk.events import Label
from risk.kafka.connection import Connection, connection_of
from risk.kafka.decoding import read_labels, transaction_reader, within_limits
from risk.kafka.log import Bounds, LogReader, Reads, reading
from risk.kafka.topic_problems import topology_errors
from risk.kafka.topic_states import look
from risk.settings import Settings
from risk.store import FlagRow, Outputs, RowValues, Store, open_store
from risk.topics import Topics, topics_of

NOT_SENT = Outputs(0, 0, 0)
NEVER = -(1 << 62)
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
    [partitions] = {state.partitions for state in states if state.name == topics.transactions}
    transactions, labels = (
        [TopicPartition(name, number) for number in range(partitions)] for name in (topics.transactions, topics.labels)
    )
    async with reading(connection, reads=Reads.COMMITTED) as reader:
        log = _Log(reader, await reader.bounds([*transactions, *labels]), transaction_reader(manifest.max_ahead_ms))
        await _check_beginnings(log, transactions, labels, manifest, since)
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
        """What was sent until it was asked where the log ends."""
        begin, end = self.bounds[place]
        self.reader.begin({place: begin})
        async for records in self.reader.until(place, end):
            yield records

    def transactions(self, records: Sequence[Any]) -> Decoded:
        return within_limits(records, self.decode(records), lambda _: False)


async def _check_beginnings(
    log: _Log,
    transactions: Sequence[TopicPartition],
    labels: Sequence[TopicPartition],
    manifest: Manifest,
    since: int | None,
) -> None:
    """BrokerError where retention deleted something that belongs to these days: a history must not be short of it."""
    cut = [place for place in (*transactions, *labels) if log.bounds[place].begin > 0]
    if not cut:
        return
    whole_from = -1
    for place in cut:
        first = await _first_time(log, place, is_labels=place in labels)
        name = f"{place.topic}-{place.partition}"
        if first is None:
            raise BrokerError(
                f"{name}: got a log that begins with offset {log.bounds[place].begin}, and nothing in it that can be "
                "read, expected its beginning: retention has deleted it. Take the history from a store, by --from-store"
            )
        # What was deleted came earlier, so it is at most so much later than what is left.
        latest = first if place in labels else first + manifest.max_lateness_ms
        whole_from = max(whole_from, latest // DAY + 1)
    if since is None or since // DAY < whole_from:
        names = ", ".join(f"{place.topic}-{place.partition}" for place in cut)
        raise BrokerError(
            f"{names}: got a log whose beginning retention has deleted, expected all of it. It reaches back to "
            f"{to_date(whole_from)}, which is the first day that is whole: say --from {to_date(whole_from)}, or take "
            "the history from a store that has more, by --from-store"
        )


async def _first_time(log: _Log, place: TopicPartition, *, is_labels: bool) -> int | None:
    """When the first thing that is left and can be read happened, or was found out."""
    async for records in log.records(place):
        if is_labels:
            found = [event.labelled_at for event in read_labels(records).events if isinstance(event, Label)]
        else:
            found = log.transactions(records).block.event_time.tolist()
        if found:
            return int(found[0])
    return None


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
