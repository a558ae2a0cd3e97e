"""The batch, in the order that is the guarantee. A step that fails ends the worker; the next start repairs.

1. decode: done where the records arrive (arrivals.py); what cannot be read is a reject
2. skip what lies below the store's next offset; ask what the outputs hold already
3. features, scores, decisions, reasons
4. send alerts, then flags, then rejects; every one acknowledged
5. one store transaction: rows and next offset, guarded by owner epoch and expected offset
6. only then does the chunk end, and Faust commits the group's offset

While 4 and 5 of one chunk wait for broker and disk, 3 of the next goes on; its own 4 begins after 5 of the one before.

A crash before 5 repeats the batch with the same bytes and ids; what was sent already is found by 2 and not sent again.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import cast

from aiokafka import AIOKafkaProducer

from risk.errors import StoreBusyError, StoreError
from risk.events import Label, Rejected, Transaction
from risk.kafka.sending import send_all
from risk.outputs import bundle_of
from risk.pipeline import Pipeline, Scored
from risk.store import Outputs, Store
from risk.topics import Topics
from scorer.metrics import Metrics
from scorer.worker.arrivals import Chunk, Place, Record
from scorer.worker.counting import Batch, Counting
from scorer.worker.days import LedgerDays
from scorer.worker.held import Held, HeldLabels, HeldTransactions
from scorer.worker.outgoing import Out, Outgoing, outgoing, reject
from scorer.worker.pipelines import Pipelines, restore
from scorer.worker.readback import Shelf
from scorer.worker.store_thread import StoreThread
from scorer.worker.turns import Turns

# Who did nothing for so long looks whether the partition is still its own before it sends: it may have been stopped.
CHECK_AFTER_SECONDS = 1.0
# Each try waits for as long as the store waits for a lock, a minute; the watchdog has more patience than that.
STORE_TRIES = 2


End = Callable[[], Awaitable[object]]


class Batches:
    """Works on chunks. One at a time for each topic, as Faust's agents hand them over."""

    def __init__(
        self,
        *,
        topics: Topics,
        pipelines: Pipelines,
        days: LedgerDays,
        scoring: StoreThread,
        storing: StoreThread,
        producer: AIOKafkaProducer,
        metrics: Metrics,
        fatal: Callable[[BaseException], None],
    ) -> None:
        """All engines are touched in the thread `scoring`; `storing` commits, while the next chunk is scored."""
        self._topics = topics
        self._pipelines = pipelines
        self._scoring = scoring
        self._storing = storing
        self._turns = Turns(fatal)
        self._producer = producer
        self._metrics = metrics
        self._counting = Counting(metrics, days, pipelines.current.manifest)

    async def score(self, held: HeldTransactions, chunk: Chunk, end: End) -> None:
        """A chunk of transactions, cut where the log names another bundle. Returns when the next one may be scored."""
        # 2
        fresh = _unseen(chunk, held.scored_to)
        if fresh is None:
            await self._turns.next(end)
            return
        for shelf in held.shelves:
            await shelf.read_to(fresh.after - 1)
        pieces = self._by_bundle(held, fresh)
        for piece, version in pieces:
            pipeline = await self._pipeline(held, version)
            last = piece.after == fresh.after
            await self._score_piece(held, piece, pipeline, end if last else _not_yet)

    async def _score_piece(self, held: HeldTransactions, piece: Chunk, pipeline: Pipeline, end: End) -> None:
        records, transactions, unreadable = _told_apart(piece)
        # 3
        held.scored_to = piece.after
        with self._metrics.step_seconds.labels("score").time():
            scored, out = await self._scoring.call(lambda _: _scored(pipeline, piece.place, records, transactions))
            unread = [reject(piece.place, record, event) for record, event in unreadable]
            rejects = sorted(out.rejects + unread, key=lambda out: out.source_offset)
        times = [transactions[row].event_time for row in scored.rows]
        batch = Batch(piece, scored, out._replace(rejects=rejects), max(times, default=None), len(out.rejects))
        await self._turns.next(partial(self._send_and_store, held, batch, end))

    async def _send_and_store(self, held: HeldTransactions, batch: Batch, end: End) -> None:
        async with held.moving:
            await self._moved(held, batch)
        # 6
        await end()

    async def _moved(self, held: HeldTransactions, batch: Batch) -> None:
        steps, place, out = self._metrics.step_seconds, batch.piece.place, batch.out
        # 4
        with steps.labels("send").time():
            await self._still_ours(held)
            alerts_offset = await self._send(self._topics.alerts, place, "alerts", out.alerts, held.alerts)
            self._counting.alerts_sent(out.alerts, batch.piece.records)
            flags_offset = await self._send(self._topics.flags, place, "flags", out.flags, held.flags)
            rejected_offset = await self._send(self._topics.rejected, place, "rejects", out.rejects, held.rejects)
        outputs = Outputs(
            flags_offset=flags_offset or held.outputs.flags_offset,
            alerts_offset=alerts_offset or held.outputs.alerts_offset,
            rejected_offset=rejected_offset or held.outputs.rejected_offset,
        )
        # 5
        expected = held.next_offset
        newest = max((time for time in (held.newest, batch.newest) if time is not None), default=None)
        with steps.labels("store").time():
            await self._commit(
                lambda store: store.commit_flags(
                    held.owner,
                    expected=expected,
                    next_offset=batch.piece.after,
                    newest_event_time=newest,
                    outputs=outputs,
                    rows=out.rows,
                )
            )
        held.next_offset, held.newest, held.outputs = batch.piece.after, newest, outputs
        held.checked_at = monotonic()
        for shelf in held.shelves:
            shelf.forget_before(batch.piece.after)
        await held.put_away()
        self._counting.stored(batch, held.newest)

    async def learn(self, held: HeldLabels, chunk: Chunk, end: End) -> None:
        """A chunk of labels: the same order, with rejects as the only output."""
        # 2
        fresh = _unseen(chunk, held.next_offset)
        if fresh is None:
            await end()
            return
        if held.rejects is not None:
            await held.rejects.read_to(fresh.after - 1)
        # 4
        await self._still_ours(held)
        pairs = list(zip(fresh.records, fresh.events, strict=True))
        rejects = [reject(fresh.place, record, event) for record, event in pairs if type(event) is Rejected]
        labels = [(record.offset, event) for record, event in pairs if type(event) is Label]
        sent = await self._send(self._topics.rejected, fresh.place, "rejects", rejects, held.rejects)
        rejected_offset = sent or held.rejected_offset
        # 5
        async with held.moving:
            expected = held.next_offset
            await self._commit(
                lambda store: store.commit_labels(
                    held.owner,
                    expected=expected,
                    next_offset=fresh.after,
                    rejected_offset=rejected_offset,
                    labels=labels,
                )
            )
            held.next_offset, held.rejected_offset = fresh.after, rejected_offset
            held.checked_at = monotonic()
        if held.rejects is not None:
            held.rejects.forget_before(fresh.after)
        await held.put_away()
        self._counting.learned(fresh, len(labels))
        # 6
        await end()

    def _by_bundle(self, held: HeldTransactions, chunk: Chunk) -> list[tuple[Chunk, str]]:
        """What was scored already is scored again with the bundle that its flag names, or its alert before that."""
        if held.flags is None and held.alerts is None:
            return [(chunk, self._pipelines.version_for(None))]
        versions: list[str] = []
        for record in chunk.records:
            sent = _sent(held.flags, record.offset) or _sent(held.alerts, record.offset)
            if sent is not None:
                versions.append(self._pipelines.version_for(bundle_of(sent)))
            elif held.flags is not None and held.flags.has_seen(record.offset):
                # A reject or a duplicate has no flag: it goes with what came before it.
                versions.append(versions[-1] if versions else held.version)
            else:
                versions.append(self._pipelines.version_for(None))
        cuts = [place for place in range(1, len(versions)) if versions[place] != versions[place - 1]]
        return list(zip(chunk.pieces(cuts), [versions[place] for place in (0, *cuts)], strict=True))

    async def _pipeline(self, held: HeldTransactions, version: str) -> Pipeline:
        pipeline = await self._pipelines.get(version)
        if held.version != version:
            await self._turns.over()  # the histories are rebuilt from the store, which must have all of them
            partition, newest = held.place.partition, held.newest
            await self._scoring.call(lambda store: self._move(store, pipeline, partition, newest))
            held.version = version
        return pipeline

    def _move(self, store: Store, pipeline: Pipeline, partition: int, newest: int | None) -> None:
        self._pipelines.forget(partition)
        restore(pipeline, store, partition, newest)

    async def _still_ours(self, held: Held) -> None:
        if monotonic() - held.checked_at > CHECK_AFTER_SECONDS:
            await self._storing.call(lambda store: store.check(held.owner, held.next_offset))

    async def _send(self, topic: str, place: Place, kind: str, wanted: Sequence[Out], shelf: Shelf | None) -> int:
        """The offset from which this output is to be read back; 0 where it stays as it was. It must not pass what a
        shelf has still to show, or that would be sent again after the next crash. It never goes back, either."""
        missing = list(wanted)
        if shelf is not None and not shelf.is_done:
            missing, present, different = shelf.sendable(wanted)
            self._metrics.present.labels(kind).inc(present)
            self._metrics.different.labels(kind).inc(different)
        after = 0
        if missing:
            after = await send_all(self._producer, topic, place.partition, [out.message for out in missing])
            self._metrics.sent.labels(kind).inc(len(missing))
        return after if shelf is None else 0

    async def _commit(self, write: Callable[[Store], None]) -> None:
        for _ in range(STORE_TRIES - 1):
            try:
                return await self._storing.call(write)
            except StoreBusyError:
                self._metrics.retries.labels("store").inc()
        return await self._storing.call(write)


def _sent(shelf: Shelf | None, source_offset: int) -> bytes | None:
    return None if shelf is None else shelf.value(source_offset)


def _unseen(chunk: Chunk, next_offset: int) -> Chunk | None:
    """What lies at or beyond the next offset. What lies between that and the chunk must have been handed out before."""
    if chunk.follows > next_offset:
        raise StoreError(
            f"{chunk.place.topic} partition {chunk.place.partition}: got records that follow offset {chunk.follows}, "
            f"expected {next_offset} next; what lies between them never came. Start the worker again: it reads on from "
            "the store's offset."
        )
    if chunk.records[0].offset >= next_offset:
        return chunk
    first = sum(record.offset < next_offset for record in chunk.records)
    if first == len(chunk.records):
        return None
    return chunk._replace(records=chunk.records[first:], events=chunk.events[first:])


def _told_apart(piece: Chunk) -> tuple[Sequence[Record], Sequence[Transaction], Sequence[tuple[Record, Rejected]]]:
    """The records that are transactions, these, and the records that are none with the reason."""
    if Rejected not in set(map(type, piece.events)):  # as nearly always
        return piece.records, cast(Sequence[Transaction], piece.events), ()
    pairs = list(zip(piece.records, piece.events, strict=True))
    read = [(record, event) for record, event in pairs if type(event) is Transaction]
    unreadable = [(record, event) for record, event in pairs if type(event) is Rejected]
    return [record for record, _ in read], [event for _, event in read], unreadable


def _scored(
    pipeline: Pipeline, place: Place, records: Sequence[Record], transactions: Sequence[Transaction]
) -> tuple[Scored, Outgoing]:
    scored = pipeline.score(transactions, place.partition)
    return scored, outgoing(pipeline.manifest, place, records, transactions, scored)


async def _not_yet() -> None:
    """The chunk has another piece."""
