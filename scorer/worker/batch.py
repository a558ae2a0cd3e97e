"""The batch, in the order that is the guarantee. A step that fails ends the worker; the next start repairs.

1. decode: done where the records arrive (arrivals.py); what cannot be read is a reject
2. skip what lies below the store's next offset; ask what the outputs hold already; ask whether the topics are the same
3. features, scores, decisions, reasons
4. once the topics are confirmed: send alerts, then flags, then rejects; every one acknowledged
5. one store transaction: rows and next offset, guarded by owner epoch and expected offset
6. only then does the chunk end, and Faust commits the group's offset

While 4 and 5 of one chunk wait for broker and disk, 3 of the next goes on; its own 4 begins after 5 of the one before.

A crash before 5 repeats the batch with the same bytes and ids; what was sent already is found by 2 and not sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic

from aiokafka import AIOKafkaProducer

from risk.block import Block
from risk.block_codec import Decoded
from risk.errors import StoreError
from risk.events import Label, Rejected
from risk.horizon import LogStart
from risk.kafka.sending import send_all
from risk.pipeline import Pipeline, Scored
from risk.store import Outputs, Store
from risk.topics import Topics
from scorer.metrics import Metrics
from scorer.worker.arrivals import Chunk, Confirm, Content, Labels, Place, Record, within_limits
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
        confirm: Confirm,
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
        self._days = days
        self._confirm = confirm
        self._counting = Counting(metrics, days, pipelines.current.manifest)

    async def score(self, held: HeldTransactions, chunk: Chunk[Decoded], end: End) -> None:
        """A chunk of transactions, cut where the log names another bundle. Returns when the next one may be scored."""
        # 2
        fresh = _unseen(chunk, held.scored_to)
        if fresh is None:
            await self._turns.next(end)
            return
        confirmed = asyncio.ensure_future(self._confirm(*chunk.place))  # answered while the chunk is scored
        for shelf in held.shelves:
            await shelf.read_to(fresh.after - 1)
        rest: Chunk[Decoded] | None = fresh
        while rest is not None:
            piece, version = (await self._by_bundle(held, _within_limits(held, rest)))[0]
            if await self._score_piece(
                held, piece, version, confirmed, end if piece.after == fresh.after else _not_yet
            ):
                rest = _unseen(rest, piece.after)
        self._pipelines.retire()  # not before: pieces of one chunk may go back and forth between bundles

    async def _score_piece(
        self, held: HeldTransactions, piece: Chunk[Decoded], version: str, confirmed: Awaitable[None], end: End
    ) -> bool:
        """False where the outputs turned out to say more of this piece than was known: then it begins anew."""
        pipeline = await self._pipeline(held, version)
        records, block, unreadable = _split_rejects(piece)
        # 3
        held.scored_to = piece.after
        with self._metrics.step_seconds.labels("score").time():
            scored, out = await self._scoring.call(lambda _: self._scored(held, pipeline, records, block))
            unread = [reject(piece.place, record, event) for record, event in unreadable]
            rejects = sorted(out.rejects + unread, key=lambda out: out.source_offset)
        out = out._replace(rejects=rejects)
        if held.reader is not None and await self._learned_more(held, out, version):
            await self._rebuild(held, pipeline)
            if held.newest is None:
                held.first_event = None
            return False
        newest = int(block.event_time[scored.rows].max()) if scored.rows else None
        batch = Batch(
            piece,
            scored,
            out,
            newest,
            len(out.rejects) - len(unread),
            pipeline.manifest.horizon.longest,
        )
        await self._turns.next(partial(self._send_and_store, held, batch, confirmed, end))
        return True

    async def _learned_more(self, held: HeldTransactions, out: Outgoing, version: str) -> bool:
        """Looks again for what is to be sent and was not found. Messages that name an offset far ahead end the reading
        early, and anybody can write them; so nothing counts as missing before the outputs were read to their end. Of
        what a worker wrote nothing is looked for in vain, so they are read no further than before."""
        flags, alerts, rejects = held.flags, held.alerts, held.rejects
        scored = _offsets(out.flags)
        # What was scored and is rejected now has a flag somewhere.
        lost = [offset for offset in _offsets(out.rejects) if rejects is None or not rejects.holds(offset)]
        # A bundle that is gone had other alerts.
        raised = [o for o in _offsets(out.alerts) if version in (named := _named(flags, o)) or not named]
        sought = ((flags, [*scored, *lost]), (alerts, raised), (rejects, lost))
        found = [await shelf.read_on(wanted) for shelf, wanted in sought if shelf is not None]
        if any(found):
            return True
        if flags is None or version == self._pipelines.current.manifest.version:
            return False
        new = next((offset for offset in scored if not flags.holds(offset)), None)
        if new is None or not flags.has_seen(new):
            return False
        flags.ends_before(new)
        return True

    def _scored(
        self,
        held: HeldTransactions,
        pipeline: Pipeline,
        records: Sequence[Record],
        block: Block,
    ) -> tuple[Scored, Outgoing]:
        manifest = pipeline.manifest
        scored = pipeline.score(block, held.place.partition)
        if held.newest is None and held.first_event is None and scored.rows:
            held.first_event = int(block.event_time[scored.rows[0]])
        start = LogStart(held.first_event, self._days.first_of(manifest.label_delay_days, manifest.bucket_ms))
        return scored, outgoing(manifest, held.place, records, block, scored, start)

    async def _send_and_store(self, held: HeldTransactions, batch: Batch, confirmed: Awaitable[None], end: End) -> None:
        await confirmed
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
            await self._storing.call(
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
        if out.rows and held.first_event is not None:
            seen = out.history_days[-1]
            held.history_days = batch.needed_days if seen is None else seen
        held.checked_at = monotonic()
        for shelf in held.shelves:
            shelf.forget_before(batch.piece.after)
        await held.put_away()
        self._counting.stored(batch, held.newest)

    async def learn(self, held: HeldLabels, chunk: Chunk[Labels], end: End) -> None:
        """A chunk of labels: the same order, with rejects as the only output."""
        # 2
        fresh = _unseen(chunk, held.next_offset)
        if fresh is None:
            await end()
            return
        if held.rejects is not None:
            await held.rejects.read_to(fresh.after - 1)
        # 4
        await self._confirm(*chunk.place)
        await self._still_ours(held)
        pairs = list(zip(fresh.records, fresh.content.events, strict=True))
        rejects = [reject(fresh.place, record, event) for record, event in pairs if type(event) is Rejected]
        labels = [(record.offset, event) for record, event in pairs if type(event) is Label]
        if held.rejects is not None:
            await held.rejects.read_on(_offsets(rejects))
        sent = await self._send(self._topics.rejected, fresh.place, "rejects", rejects, held.rejects)
        rejected_offset = sent or held.rejected_offset
        # 5
        async with held.moving:
            expected = held.next_offset
            await self._storing.call(
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

    async def _by_bundle(self, held: HeldTransactions, chunk: Chunk[Decoded]) -> list[tuple[Chunk[Decoded], str]]:
        """What was scored already is scored again with the bundle that its flag names, or its alert before that."""
        current = self._pipelines.current.manifest.version
        if held.flags is None and held.alerts is None:
            return [(chunk, current)]
        versions: list[str] = []
        for record in chunk.records:
            named = _named(held.flags, record.offset) + _named(held.alerts, record.offset)
            if named:
                versions.append(await self._pipelines.version_for(named))
            elif held.flags is not None and held.flags.has_seen(record.offset):
                # A reject or a duplicate has no flag: it goes with what came before it.
                versions.append(versions[-1] if versions else held.version)
            else:
                versions.append(current)
        cuts = [place for place in range(1, len(versions)) if versions[place] != versions[place - 1]]
        return list(zip(chunk.pieces(cuts), [versions[place] for place in (0, *cuts)], strict=True))

    async def _pipeline(self, held: HeldTransactions, version: str) -> Pipeline:
        pipeline = await self._pipelines.take(held.place.partition, version)
        if held.version != version:
            await self._rebuild(held, pipeline)
            held.version = version
        return pipeline

    async def _rebuild(self, held: HeldTransactions, pipeline: Pipeline) -> None:
        """The histories, from the store, which must have all of them."""
        await self._turns.over()
        partition, newest = held.place.partition, held.newest

        def rebuilt(store: Store) -> None:
            self._pipelines.forget(partition)
            restore(pipeline, store, partition, newest)

        await self._scoring.call(rebuilt)

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


def _within_limits(held: HeldTransactions, chunk: Chunk[Decoded]) -> Chunk[Decoded]:
    shelves = [shelf for shelf in (held.flags, held.alerts) if shelf is not None]
    return within_limits(chunk, lambda offset: any(shelf.holds(offset) for shelf in shelves))


def _offsets(wanted: Sequence[Out]) -> list[int]:
    return [out.source_offset for out in wanted]


def _named(shelf: Shelf | None, source_offset: int) -> list[str]:
    """The bundles that what was sent of this offset names."""
    return [] if shelf is None else [told.bundle for told in shelf.told(source_offset) if told.bundle is not None]


def _unseen(chunk: Chunk[Content], next_offset: int) -> Chunk[Content] | None:
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
