"""The worker's partitions: taking them over, reading on from where the store stands, letting them go.

This is what the transport asks, and what Faust's signals and agents call.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

from aiokafka import TopicPartition

from risk.errors import StoreError
from risk.kafka.log import LogReader
from risk.outputs import without_history_days
from risk.pipeline import Pipeline
from risk.store import Outputs, Owner, Store, Taken
from risk.topics import Topics
from scorer.metrics import Metrics, Standing
from scorer.worker.arrivals import Chunk, Confirm, Content, Place, Read, Record, read_labels, transaction_reader
from scorer.worker.batch import Batches, End
from scorer.worker.held import Held, HeldLabels, HeldTransactions
from scorer.worker.intake import Gap, Intake
from scorer.worker.log_bounds import LogBounds
from scorer.worker.pipelines import Pipelines, restore
from scorer.worker.reach import NEVER
from scorer.worker.readback import (
    Opening,
    Shelf,
    SourceOf,
    as_it_is,
    open_shelves,
    source_of_alert,
    source_of_flag,
    source_of_reject,
)
from scorer.worker.store_thread import StoreThread

log = logging.getLogger(__name__)

# While transactions wait for a ledger day, labels that come are what it waits for: they are fetched so often.
CHANGE_SECONDS = 0.02

Reading = tuple[LogReader | None, list[Shelf | None]]


class Work:
    def __init__(
        self,
        *,
        topics: Topics,
        intake: Intake,
        batches: Batches,
        pipelines: Pipelines,
        store: StoreThread,
        bounds: LogBounds,
        confirm: Confirm,
        reader: Callable[[], Awaitable[LogReader]],
        metrics: Metrics,
        name: str,
        accept_gap: bool,
        fatal: Callable[[BaseException], None],
    ) -> None:
        """`confirm`: see arrivals.py. `name`: by which people know this worker. `reader` opens a consumer that belongs
        to no group, for reading outputs back; who has it stops it."""
        self.intake = intake
        self.held: dict[Place, Held] = {}
        self.is_taking_over = False
        self.moved: Callable[[], None] = lambda: None  # somebody wants to know that the store moved
        self._topics = topics
        self._batches = batches
        self._pipelines = pipelines
        self._store = store
        self._bounds = bounds
        self._confirm = confirm
        self._reader = reader
        self._metrics = metrics
        self._name = name
        self._accept_gap = accept_gap
        self.fatal = fatal
        self._changed = asyncio.Event()
        self._read_transactions = self._timed(transaction_reader(pipelines.current.manifest.max_ahead_ms))

    def _timed(self, read: Read[Content]) -> Read[Content]:
        decode = self._metrics.step_seconds.labels("decode")

        def timed(records: Sequence[Record]) -> Content:
            with decode.time():
                return read(records)

        return timed

    # What the transport asks.

    def begin_again(self) -> Mapping[Place, int]:
        for place, held in self.held.items():
            if isinstance(held, HeldTransactions):
                newest = NEVER if held.newest is None else held.newest
                self.intake.begin(place, self._read_transactions, held.next_offset, newest)
            else:
                self.intake.begin(place, read_labels, held.next_offset, NEVER)
        return {place: held.next_offset for place, held in self.held.items()}

    async def check_gap(self, gap: Gap) -> None:
        """A log has offsets without records where transactions end; that is proved by reading. Where it begins later
        than expected, records are gone; where it went back, it is another log. What an open gap holds is
        looked at when a record comes behind it."""
        begin, _ = await self._bounds.of(gap.place)
        await self._confirm(*gap.place)
        if gap.found < gap.expected:
            raise StoreError(
                f"{gap.place.topic} partition {gap.place.partition}: got offset {gap.found}, expected {gap.expected} "
                "or more; the log is another one, or was cut. Look at the topic; a new log needs a new store."
            )
        if begin > gap.expected:
            self._gone(gap.place, gap.expected, begin)
        elif not gap.is_open and not await self._bounds.holds_nothing(gap.place, gap.expected, gap.found):
            raise StoreError(
                f"{gap.place.topic} partition {gap.place.partition}: got offset {gap.found}, expected {gap.expected}; "
                "there are records between them that never came. Start the worker again: it reads on from the store's "
                "offset."
            )

    async def change(self) -> None:
        self._changed.clear()
        if not self.intake.is_starved:
            try:
                await asyncio.wait_for(self._changed.wait(), CHANGE_SECONDS)
            except TimeoutError:
                return

    def wake(self) -> None:
        """A chunk was worked on, or a ledger day came: something may go now."""
        self._changed.set()

    # What Faust's agents and signals call.

    async def work_on(self, chunk: Chunk[Any], end: End) -> None:
        """Returns when the next chunk may come; `end` is called when this one is stored."""

        async def ended() -> None:
            self.intake.done(chunk.serial)
            await end()
            self.moved()
            self.wake()

        held = self.held.get(chunk.place) if self.intake.is_under_way(chunk.serial) else None
        if isinstance(held, HeldTransactions):
            await self._batches.score(held, chunk, ended)
        elif isinstance(held, HeldLabels):
            await self._batches.learn(held, chunk, ended)
        else:
            await ended()  # from before a rebalance: whoever has the partition now reads on from the store's offset

    async def hold(self, assigned: Callable[[], Iterable[Place]]) -> None:
        """These partitions and no others are ours from now on. What was ours and still is stays as it is. A rebuild
        takes a while; where the assignment changes meanwhile, the rest is left to the call that is on its way."""
        self.is_taking_over = True
        wanted = set(assigned())
        for place in set(self.held) - wanted:
            await self._let_go(place)
        for place in sorted(wanted):
            if set(assigned()) != wanted:
                return
            held = self.held.get(place)
            if held is None or not await self._is_still_ours(held):
                await self._let_go(place)
                await self._take_over(place)
        self._pipelines.retire()
        self.is_taking_over = False
        self._metrics.ready.set(bool(self.held))
        log.info("holds %s", ", ".join(f"{p.topic}-{p.partition}" for p in sorted(self.held)) or "no partition")

    async def _let_go(self, place: Place) -> None:
        held = self.held.pop(place, None)
        if held is not None:
            self.intake.drop([place])
            await held.close()
            if isinstance(held, HeldTransactions):
                await self._store.call(lambda _: self._pipelines.forget(place.partition))
                self._pipelines.release(place.partition)

    async def _is_still_ours(self, held: Held) -> bool:
        if isinstance(held, HeldTransactions) and held.scored_to != held.next_offset:
            return False  # its histories have transactions that were never stored
        position = await self._store.call(lambda store: store.position(*held.place))
        return position is not None and (position.owner_epoch, position.next_offset) == (
            held.owner.epoch,
            held.next_offset,
        )

    async def _take_over(self, place: Place) -> None:
        begin, end = await self._bounds.of(place)
        await self._confirm(*place)
        taken = await self._store.call(lambda store: store.take_over(*place, first_offset=begin, owner=self._name))
        if taken.next_offset > end:
            raise StoreError(
                f"{place.topic} partition {place.partition}: the store stands at offset {taken.next_offset}, and the "
                f"log ends at {end}: {taken.next_offset - end} records that were worked on are not in it. It is "
                "another log, or one that lost its end. Restore the log, or begin with a new store."
            )
        if taken.next_offset < begin:
            self._gone(place, taken.next_offset, begin)
            await self._store.call(
                lambda store: store.skip_to(taken.owner, expected=taken.next_offset, next_offset=begin)
            )
            taken = taken._replace(next_offset=begin)
        if place.topic == self._topics.transactions:
            await self._take_transactions(place, taken)
        else:
            reader, [rejects] = await self._shelves([(self._topics.rejected, taken.rejected_offset)], place)
            self.held[place] = HeldLabels(
                place, taken.owner, taken.next_offset, taken.rejected_offset, rejects, reader=reader
            )
            log.info("took over %s-%d at offset %d", *place, taken.next_offset)

    async def _take_transactions(self, place: Place, taken: Taken) -> None:
        begun = monotonic()
        version = self._pipelines.current.manifest.version
        pipeline = await self._pipelines.take(place.partition, version)
        rows = await self._store.call(lambda store: self._restore(store, pipeline, place.partition, taken))
        outputs = Outputs(taken.flags_offset, taken.alerts_offset, taken.rejected_offset)
        reader, [flags, alerts, rejects] = await self._shelves(
            [
                (self._topics.flags, outputs.flags_offset),
                (self._topics.alerts, outputs.alerts_offset),
                (self._topics.rejected, outputs.rejected_offset),
            ],
            place,
        )
        self.held[place] = HeldTransactions(
            place,
            taken.owner,
            taken.next_offset,
            taken.next_offset,
            taken.newest_event_time,
            taken.first_event_time,
            outputs,
            version,
            alerts,
            flags,
            rejects,
            reader=reader,
        )
        seconds = monotonic() - begun
        self._metrics.restore_seconds.set(seconds)
        self._metrics.restored_rows.set(rows)
        log.info(
            "took over %s-%d at offset %d (epoch %d): %d rows of history rebuilt in %.2f s for %s",
            *place, taken.next_offset, taken.owner.epoch, rows, seconds, pipeline.manifest.version,
        )  # fmt: skip

    def _restore(self, store: Store, pipeline: Pipeline, partition: int, taken: Taken) -> int:
        self._pipelines.forget(partition)
        return restore(pipeline, store, partition, taken.newest_event_time)

    async def _shelves(self, outputs: list[tuple[str, int]], source: Place) -> Reading:
        """What is to be read back of each output, or None where nothing was sent after what the store knows of."""
        found: list[tuple[Place, int, int]] = []
        for topic, first in outputs:
            place = Place(topic, source.partition)
            begin, end = await self._bounds.of(place)
            if first > end:
                raise StoreError(
                    f"{topic} partition {place.partition}: the store knows of outputs up to offset {first}, and the "
                    f"log ends at {end}. It is another log, or one that lost its end. Restore the log, or begin with a "
                    "new store and new topics."
                )
            found.append((place, max(first, begin), end))
        wanted = [(place, first, end) for place, first, end in found if first < end]
        if not wanted:
            return None, [None for _ in found]
        # After the ends of the outputs: whatever they are of was there by then.
        _, source_end = await self._bounds.of(source)
        openings = [
            Opening(TopicPartition(*place), first, end, self._source_of(place.topic, source, source_end),
                    self._on_foreign(place, is_told=source.topic == self._topics.transactions),
                    as_it_is if place.topic == self._topics.rejected else without_history_days)
            for place, first, end in wanted
        ]  # fmt: skip
        log.info("%s-%d: outputs are read back, %d messages", *source, sum(o.end - o.first for o in openings))
        reader = await self._reader()
        shelves = iter(open_shelves(reader, openings))
        return reader, [next(shelves) if first < end else None for _, first, end in found]

    def _source_of(self, topic: str, source: Place, end: int) -> SourceOf:
        topics = self._topics
        if topic == topics.rejected:
            return source_of_reject(source, end, (topics.transactions, topics.labels))
        return source_of_flag(source, end) if topic == topics.flags else source_of_alert(source, end)

    def _on_foreign(self, place: Place, *, is_told: bool) -> Callable[[Record], None]:
        """All are counted, and the first is told; where labels' rejects are read back not again."""
        counter = self._metrics.foreign.labels(place.topic)
        told: list[int] = []

        def count(record: Record) -> None:
            if not is_told:
                return
            counter.inc()
            if not told:
                told.append(record.offset)
                log.warning(
                    "%s partition %d, offset %d: no worker wrote this message; it is passed over, like all others of "
                    "its kind. See who may write to the topic",
                    *place, record.offset,
                )  # fmt: skip

        return count

    def _gone(self, place: Place, expected: int, begin: int) -> None:
        what = (
            f"{place.topic} partition {place.partition}: the next record to work on is offset {expected}, and the log "
            f"begins at {begin}: {begin - expected} records are gone"
        )
        if not self._accept_gap:
            raise StoreError(
                f"{what}. Restore the log, or go on without them by --accept-gap; they will never be scored. Then look "
                "at the topic's retention, which should be unlimited."
            )
        log.warning("%s; goes on without them, as --accept-gap says", what)

    # What others ask.

    async def close(self) -> None:
        for held in self.held.values():
            await held.close()

    async def let_go_of_days(self, slowest: int) -> None:
        await self._store.call(lambda _: self._pipelines.let_go_of_days(slowest))

    def standings(self) -> list[Standing]:
        lags = self.intake.lags()
        return [
            Standing(
                place.topic,
                place.partition,
                held.next_offset,
                lags.get(place),
                held.history_days if isinstance(held, HeldTransactions) else None,
            )
            for place, held in list(self.held.items())
        ]

    def owner_of_first(self) -> Owner | None:
        """Who this worker is for partition 0 of the transactions: the ledger's keeper is whoever owns it."""
        held = self.held.get(Place(self._topics.transactions, 0))
        return None if held is None else held.owner
