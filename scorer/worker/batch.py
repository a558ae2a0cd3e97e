"""The batch, in the order that is the guarantee. A step that fails ends the worker; the next start repairs.

1. decode: done in the buffer (risk/kafka/decoding.py); what cannot be read is a reject
2. skip what is below the store's next offset; read which outputs were sent already; ask whether the topics are the same
3. features, scores, decisions, reasons
4. once the topics are confirmed: send alerts, then flags, then rejects; every one acknowledged
5. one store transaction: rows and next offset, guarded by owner epoch and expected offset (partition.py)
6. only then does the chunk end, and Faust commits the group's offset
7. where there is a challenger, it may score the chunk now (shadow.py); nothing above waits for that

While 4 and 5 of one chunk wait for broker and disk, 3 of the next goes on; its own 4 begins after 5 of the one before.

A crash before 5 repeats the batch with the same bytes and ids; what was sent already is found by 2 and not sent again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from risk.block import Block
from risk.block_codec import Decoded
from risk.bundle import Manifest
from risk.engine import FeatureBlock, Verdict
from risk.errors import StoreError
from risk.events import Label, Rejected
from risk.kafka.decoding import Labels, Record, within_limits
from risk.kafka.sending import MessageParts
from risk.pipeline import DecisionError, Part, Pipeline
from risk.store import FlagRow, Outputs
from risk.topics import Topics
from risk.versions import Versions
from risk.warming_up import LogStart
from scorer.ledger.closed_days import LedgerDays
from scorer.log.already_sent import SentOutput
from scorer.log.chunks import Chunk, Confirm, Content
from scorer.log.outputs import Outgoing, Outs, messages_of, of_parts, reject
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread
from scorer.worker.counting import Counting
from scorer.worker.partition import LabelPartition, Partition, TransactionPartition
from scorer.worker.pipelines import Pipelines
from scorer.worker.shadow import Beside, Shadow, Waiting, serve

log = logging.getLogger(__name__)

_BUNDLE = FlagRow._fields.index("bundle_version")

End = Callable[[], Awaitable[object]]


class Send(Protocol):
    """Sends messages to a partition of a topic, in order; returns the offset after the last one once the broker has all
    of them."""

    async def __call__(self, topic: str, partition: int, messages: Iterable[MessageParts]) -> int: ...


class Batch(NamedTuple):
    """What was scored and is to be sent and stored."""

    piece: Chunk[Decoded]
    parts: Sequence[Part]  # by the bundle that scored them
    out: Outgoing
    newest: int | None  # event time of what was scored
    too_late: int
    beside: Beside
    shadow: "_ForShadow | None"  # for the challenger, if the engine computes what it wants


class _ForShadow(NamedTuple):
    """What a challenger scores beside the bundle in use: none of what it decides itself."""

    offsets: Sequence[int]
    features: FeatureBlock


class Batches:
    """Works on chunks, one at a time for each topic, as Faust's agents hand them over. The store is behind the
    partition that a chunk is of: `CommitStore` is what a batch asks of it."""

    def __init__(
        self,
        *,
        topics: Topics,
        pipelines: Pipelines,
        days: LedgerDays,
        scoring: StoreThread,
        send: Send,
        metrics: Metrics,
        confirm: Confirm,
        shadow: Shadow,
    ) -> None:
        """All engines are touched in the thread `scoring`."""
        self._output_topics = {"alerts": topics.alerts, "flags": topics.flags, "rejects": topics.rejected}
        self._pipelines = pipelines
        self._scoring = scoring
        self._send_all = send
        self._metrics = metrics
        self._days = days
        self._confirm = confirm
        self._shadow = shadow
        self._counting = Counting(metrics, days, pipelines.current.manifest)

    async def score(self, partition: TransactionPartition, chunk: Chunk[Decoded], end: End) -> None:
        """A chunk of transactions, cut where the log names other versions. Returns when the next one may be scored."""
        # 2
        unseen = _unseen(chunk, partition.scored_to)
        if unseen is None:
            partition.queue(end)
            return
        confirmed = asyncio.ensure_future(self._confirm(*chunk.place))  # answered while the chunk is scored
        await partition.already_sent.read_to(unseen.next_offset - 1)
        rest: Chunk[Decoded] | None = unseen
        while rest is not None:
            piece = rest._replace(content=within_limits(rest.records, rest.content, partition.already_sent.was_scored))
            current = self._pipelines.versions  # others may come while this piece is worked on
            piece, versions = await self._first_piece(partition, piece, current)
            is_last = piece.next_offset == unseen.next_offset
            if await self._score_piece(partition, piece, versions, current, confirmed, end if is_last else _not_yet):
                rest = _unseen(rest, piece.next_offset)
        self._pipelines.retire()  # not before: pieces of one chunk may go back and forth between bundles

    async def _score_piece(
        self,
        partition: TransactionPartition,
        piece: Chunk[Decoded],
        versions: Versions,
        current: Versions,
        confirmed: Awaitable[None],
        end: End,
    ) -> bool:
        """False where the outputs turned out to say more of this piece than was known, or what was to decide it cannot:
        then it begins anew."""
        pipeline = await self._pipeline(partition, versions)
        beside = self._shadow.beside(versions.bundle, is_repeated=partition.already_sent.names_versions)
        records, block, unreadable = _split_rejects(piece)
        # 3
        partition.begin_scoring(piece.next_offset)
        try:
            with self._metrics.step_seconds.labels("score").time():
                parts, out, shadow = await self._scoring.call(
                    lambda _: self._scored(partition, pipeline, records, block, beside)
                )
                unread = [reject(piece.place, record, event) for record, event in unreadable]
                rejects = sorted(out.rejects + unread, key=lambda out: out.source_offset)
        except DecisionError as error:
            self._go_on_without(error)
            await self._rebuild(partition, pipeline)
            return False
        out = out._replace(rejects=rejects)
        if await partition.already_sent.read_on(out, versions, current):
            await self._rebuild(partition, pipeline)
            return False
        times = [int(part.block.event_time[part.scored.rows].max()) for part in parts if part.scored.rows]
        too_late = len(out.rejects) - len(unread)
        batch = Batch(piece, parts, out, max(times, default=None), too_late, beside, shadow)
        partition.queue(partial(self._send_and_commit, partition, batch, confirmed, end))
        return True

    def _go_on_without(self, error: DecisionError) -> None:
        """What is in use decides instead. Where that fails itself, the worker ends."""
        if not self._pipelines.go_on_without(error.versions):
            raise error
        self._shadow.fail(error.versions.bundle, str(error))
        log.error("%s; %s decides its transactions", error, self._pipelines.versions, exc_info=error)

    def _scored(
        self,
        partition: TransactionPartition,
        pipeline: Pipeline,
        records: Sequence[Record],
        block: Block,
        beside: Beside,
    ) -> tuple[Sequence[Part], Outgoing, _ForShadow | None]:
        is_for_two = beside.scorer is not None and serve(pipeline.engine, beside.scorer)
        features = pipeline.features(block, partition.place.partition)
        parts = pipeline.parts(features, block)
        scored = np.flatnonzero(features.verdicts == Verdict.SCORED)
        if len(scored):
            partition.begin_history(int(block.event_time[scored[0]]))

        def start_of(manifest: Manifest) -> LogStart:
            return LogStart(partition.first_event_time, self._days.first_of(manifest.terms.ledger_terms))

        out = of_parts(pipeline, partition.place, records, parts, start_of)
        # Samples and rules are said, and what they were made of takes room until the batch is stored.
        parts = [part._replace(scored=part.scored._replace(decided=None, prepared=None)) for part in parts]
        if not is_for_two:
            return parts, out, None
        in_use = parts[0]  # what is left of the block: the challenger decides the rest
        offsets = [records[row].offset for row in np.flatnonzero(in_use.rows)[in_use.scored.rows].tolist()]
        return parts, out, _ForShadow(offsets, features.select(in_use.rows))

    async def _send_and_commit(
        self, partition: TransactionPartition, batch: Batch, confirmed: Awaitable[None], end: End
    ) -> None:
        steps, out = self._metrics.step_seconds, batch.out
        await confirmed
        async with partition.commit_lock:
            sent, known = partition.already_sent, partition.outputs
            # 4
            with steps.labels("send").time():
                await partition.check_ownership()
                alerts, new = await self._send(partition, "alerts", out.alerts, sent.alerts, known.alerts_offset)
                self._counting.alerts_sent(new, batch.piece.records)
                flags, _ = await self._send(partition, "flags", out.flags, sent.flags, known.flags_offset)
                rejects, _ = await self._send(partition, "rejects", out.rejects, sent.rejects, known.rejected_offset)
            # 5
            first_offset = partition.next_offset
            with steps.labels("store").time():
                await partition.commit(
                    batch.piece.next_offset,
                    Outputs(flags_offset=flags, alerts_offset=alerts, rejected_offset=rejects),
                    out.rows,
                    batch.newest,
                    _seen_of(batch) if partition.first_event_time is not None else None,
                    out.samples,
                    batch.beside.version,
                )
            self._counting.stored(batch.piece, batch.parts, out, batch.too_late, partition.newest_event_time)
        # 6
        await end()
        # 7
        scorer = batch.beside.scorer
        if scorer is not None and batch.shadow is not None:
            ends = first_offset, batch.piece.next_offset
            self._shadow.add(Waiting(partition, scorer, *ends, *batch.shadow))
        elif scorer is not None:
            self._shadow.give_up(len(batch.parts[0].scored.rows))

    async def learn(self, partition: LabelPartition, chunk: Chunk[Labels], end: End) -> None:
        """A chunk of labels: the same order, with rejects as the only output."""
        # 2
        unseen = _unseen(chunk, partition.next_offset)
        if unseen is None:
            await end()
            return
        await partition.already_sent.read_to(unseen.next_offset - 1)
        await self._confirm(*chunk.place)
        pairs = list(zip(unseen.records, unseen.content.events, strict=True))
        rejects = [reject(unseen.place, record, event) for record, event in pairs if type(event) is Rejected]
        labels = [(record.offset, event) for record, event in pairs if type(event) is Label]
        sent, known = partition.already_sent.rejects, partition.outputs
        if sent is not None:
            await sent.read_on(out.source_offset for out in rejects)
        async with partition.commit_lock:
            # 4
            await partition.check_ownership()
            rejected, _ = await self._send(partition, "rejects", rejects, sent, known.rejected_offset)
            # 5
            await partition.commit(unseen.next_offset, known._replace(rejected_offset=rejected), labels)
        self._counting.learned(unseen, len(labels))
        # 6
        await end()

    async def _first_piece(
        self, partition: TransactionPartition, chunk: Chunk[Decoded], current: Versions
    ) -> tuple[Chunk[Decoded], Versions]:
        """As much of the chunk as one bundle and one rule set decide, and which. What was scored already is scored
        again with those that its flag names, or its alert before that."""
        first: Versions | None = None
        if partition.already_sent.names_versions:
            content = chunk.content
            customers = dict(zip(content.places.tolist(), content.block.customer_id, strict=True))
            for place, record in enumerate(chunk.records):
                versions = await self._versions(partition, record.offset, customers.get(place), first, current)
                if first is not None and versions != first:
                    return chunk.cut(0, place), first
                first = versions
        return chunk, first or current

    async def _versions(
        self,
        partition: TransactionPartition,
        offset: int,
        customer: str | None,
        before: Versions | None,
        current: Versions,
    ) -> Versions:
        """`customer`: None of what cannot be read."""
        sent = partition.already_sent
        if named := sent.versions(offset):
            return await self._pipelines.versions_for(named, customer)
        if sent.flags is not None and sent.flags.has_seen(offset):
            # A reject or a duplicate has no flag: it goes with what came before it, if that could decide it.
            versions = before or partition.versions
            if await self._pipelines.can_decide(versions, customer):
                return versions
        return current

    async def _pipeline(self, partition: TransactionPartition, versions: Versions) -> Pipeline:
        pipeline = await self._pipelines.take(partition.place.partition, versions)
        if partition.versions != versions:
            if not pipeline.engine.has(partition.place.partition):  # the bundle before had another one
                await self._rebuild(partition, pipeline)
            partition.versions = versions
        return pipeline

    async def _rebuild(self, partition: TransactionPartition, pipeline: Pipeline) -> None:
        """The histories, from the store, which must have all of them."""
        await partition.queue_is_empty()
        number, newest = partition.place.partition, partition.newest_event_time
        await self._scoring.call(lambda store: self._pipelines.restore(pipeline, store, number, newest))
        partition.forget_scored()

    async def _send(
        self,
        partition: Partition,
        kind: str,
        wanted: Outs,
        sent: SentOutput | None,
        known: int,
    ) -> tuple[int, Outs]:
        """The offset from which a successor must look for this output, `known` until now, and what was sent just now.
        The offset must not pass what was sent already and is still to be compared, or that would be sent again after
        the next crash. It never goes back, either."""
        missing = wanted
        if sent is not None and not sent.is_done:
            missing, present, different = sent.sendable(wanted)
            self._metrics.present.labels(kind).inc(present)
            self._metrics.different.labels(kind).inc(different)
        if not missing:
            return known, ()
        after = await self._send_all(self._output_topics[kind], partition.place.partition, messages_of(missing))
        self._metrics.sent.labels(kind).inc(len(missing))
        return after if sent is None else known, missing


def _seen_of(batch: Batch) -> int | None:
    """How many days of the past its newest score could see."""
    if not batch.out.rows:
        return None
    seen = batch.out.history_days[-1]
    if seen is not None:
        return seen
    version = batch.out.rows[-1][_BUNDLE]
    return next(part.manifest.horizon.longest for part in batch.parts if part.manifest.version == version)


def _unseen(chunk: Chunk[Content], next_offset: int) -> Chunk[Content] | None:
    """What lies at or beyond the next offset. What lies between that and the chunk must have been handed out before."""
    if chunk.expected_offset > next_offset:
        raise StoreError(
            f"{chunk.place.topic} partition {chunk.place.partition}: got records that follow offset "
            f"{chunk.expected_offset}, expected {next_offset} next; what lies between them never came. Start the "
            "worker again: it reads on from the store's offset."
        )
    if chunk.records[0].offset >= next_offset:
        return chunk
    if chunk.next_offset <= next_offset:
        return None
    first = sum(record.offset < next_offset for record in chunk.records)
    return chunk.cut(first, len(chunk.records))


def _split_rejects(
    piece: Chunk[Decoded],
) -> tuple[Sequence[Record], Block, Sequence[tuple[Record, Rejected]]]:
    """The records that are transactions, these, and the records that are none with the reason."""
    decoded = piece.content
    if not decoded.unread:  # as nearly always
        return piece.records, decoded.block, ()
    records = [piece.records[place] for place in decoded.places.tolist()]
    return records, decoded.block, [(piece.records[place], why) for place, why in decoded.unread]


async def _not_yet() -> None:
    """The chunk has another piece."""
