"""The partitions of this worker: takes them over, finds out where they stand, judges gaps in their logs, releases them.

Faust's adapter and its signals ask this; what a partition's offset is, `partition.py` decides.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from aiokafka import TopicPartition

from risk.errors import StoreError
from risk.kafka.batches import Missing, taken_by_compaction
from risk.kafka.decoding import Record, read_labels, transaction_reader
from risk.kafka.log import LogReader
from risk.outputs import without_history_days
from risk.store import Owner
from risk.topics import Topics
from scorer.ledger.closed_days import NEVER
from scorer.log.already_sent import (
    AlreadySent,
    OutputRange,
    SourceOf,
    as_it_is,
    read_back,
    source_of_alert,
    source_of_flag,
    source_of_reject,
)
from scorer.log.bounds import LogBounds
from scorer.log.chunks import Chunk, Confirm, Content, Place, Read
from scorer.metrics import Metrics, Standing
from scorer.store_thread import StoreThread
from scorer.worker.batch import Batches, End
from scorer.worker.buffer import Buffer, Gap
from scorer.worker.partition import Commits, LabelPartition, Partition, TransactionPartition
from scorer.worker.pipelines import Pipelines

log = logging.getLogger(__name__)

# While transactions wait for a ledger day, the labels that it waits for must be fetched: so often.
CHANGE_SECONDS = 0.02


class Ownership:
    def __init__(
        self,
        *,
        topics: Topics,
        buffer: Buffer,
        batches: Batches,
        pipelines: Pipelines,
        store: StoreThread,
        commits: Commits,
        bounds: LogBounds,
        confirm: Confirm,
        reader: Callable[[], Awaitable[LogReader]],
        metrics: Metrics,
        name: str,
        accept_gap: bool,
        fatal: Callable[[BaseException], None],
    ) -> None:
        """`store` is that of the thread that scores. `confirm`: see log/chunks.py. `name`: by which people know this
        worker. `reader` opens a consumer that belongs to no group, for reading outputs back."""
        self.buffer = buffer
        self.partitions: dict[Place, Partition] = {}
        self.is_taking_over = False
        self.on_commit: Callable[[], None] = lambda: None
        self.fatal = fatal
        self._topics = topics
        self._batches = batches
        self._pipelines = pipelines
        self._store = store
        self._commits = commits
        self._bounds = bounds
        self._confirm = confirm
        self._reader = reader
        self._metrics = metrics
        self._name = name
        self._accept_gap = accept_gap
        self._changed = asyncio.Event()
        self._read_transactions = self._timed(transaction_reader(pipelines.current.manifest.max_ahead_ms))

    def _timed(self, read: Read[Content]) -> Read[Content]:
        decode = self._metrics.step_seconds.labels("decode")

        def timed(records: Sequence[Record]) -> Content:
            with decode.time():
                return read(records)

        return timed

    # What the transport asks.

    def rewind(self) -> Mapping[Place, int]:
        """What was fetched is forgotten; where each partition is to be read from: the store says it, not the group."""
        for place, partition in self.partitions.items():
            if isinstance(partition, TransactionPartition):
                newest = partition.newest_event_time
                self.buffer.begin(
                    place, self._read_transactions, partition.next_offset, NEVER if newest is None else newest
                )
            else:
                self.buffer.begin(place, read_labels, partition.next_offset, NEVER)
        return {place: partition.next_offset for place, partition in self.partitions.items()}

    def next_offset(self, place: Place) -> int | None:
        """Where the group's offset follows to; None of a partition that is not owned."""
        partition = self.partitions.get(place)
        return None if partition is None else partition.next_offset

    async def check_gap(self, gap: Gap) -> None:
        """A log has offsets without records where transactions end; that is proved by reading. Where it begins later
        than expected, records are gone; where it went back, it is another log. An open gap, behind which no record came
        yet, is read when one comes."""
        begin, _ = await self._bounds.of(gap.place)
        await self._confirm(*gap.place)
        if gap.found < gap.expected:
            raise StoreError(
                f"{gap.place.topic} partition {gap.place.partition}: got offset {gap.found}, expected {gap.expected} "
                "or more; the log is another one, or was cut. Look at the topic; a new log needs a new store."
            )
        if begin > gap.expected:
            self._records_are_gone(gap.place, gap.expected, begin)
        elif not gap.is_open and not await self._bounds.holds_nothing(gap.place, gap.expected, gap.found):
            raise StoreError(
                f"{gap.place.topic} partition {gap.place.partition}: got offset {gap.found}, expected {gap.expected}; "
                "there are records between them that never came. Start the worker again: it reads on from the store's "
                "offset."
            )

    def pass_over(self, place: Place, gone: Sequence[Missing]) -> None:
        """Compaction took messages out of what was fetched. Not a moment later: once the partition has moved beyond,
        nobody is told of them again."""
        self._must_be_accepted(
            f"{place.topic} partition {place.partition}: {taken_by_compaction(gone)}",
            "cleanup.policy, which should be delete",
        )

    async def skip_empty_ends(self) -> None:
        """The store moves past offsets behind the last record that hold none (transaction markers, what retention
        took), so that the ledger closer sees a partition that is read to its end."""
        for partition in list(self.partitions.values()):
            gap = self._empty_end(partition)
            if gap is None:
                continue
            await self.check_gap(gap)
            async with partition.commit_lock:  # a batch that came meanwhile has moved the offset, or will
                if self.partitions.get(partition.place) is partition and self._empty_end(partition) == gap:
                    await partition.skip_to(gap.found)
                    self.buffer.skip_to(partition.place, gap.found)

    def _empty_end(self, partition: Partition) -> Gap | None:
        position = self.buffer.position(partition.place)
        if position is None or position <= partition.next_offset or not self.buffer.is_idle(partition.place):
            return None
        return Gap(partition.place, partition.next_offset, position)

    async def change(self) -> None:
        """Returns when a chunk has been worked on or a ledger day has come, if there is one to wait for, or soon."""
        self._changed.clear()
        if not self.buffer.is_starved:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHANGE_SECONDS):  # no task of its own, as `wait_for` would make
                    await self._changed.wait()

    def wake(self) -> None:
        """A chunk was worked on, or a ledger day came: something may go now."""
        self._changed.set()

    # What Faust's agents and signals call.

    async def work_on(self, chunk: Chunk[Any], end: End) -> None:
        """Returns when the next chunk may come; `end` is called when this one is stored."""

        async def ended() -> None:
            self.buffer.done(chunk.serial)
            await end()
            self.on_commit()
            if not self.buffer.is_scoring:  # or what comes meanwhile makes the next chunk larger
                self.wake()

        partition = self.partitions.get(chunk.place) if self.buffer.is_under_way(chunk.serial) else None
        if isinstance(partition, TransactionPartition):
            await self._batches.score(partition, chunk, ended)
            self.buffer.scored(chunk.serial)
            self.wake()
        elif isinstance(partition, LabelPartition):
            await self._batches.learn(partition, chunk, ended)
        else:
            await ended()  # from before a rebalance: whoever has the partition now reads on from the store's offset

    async def assign(self, assigned: Callable[[], Iterable[Place]]) -> None:
        """These partitions and no others are ours from now on. What was ours and still is stays as it is. Restoring
        takes a while; where the assignment changes meanwhile, the rest is left to the call that is on its way."""
        self.is_taking_over = True
        wanted = set(assigned())
        for place in set(self.partitions) - wanted:
            await self._release(place)
        for place in sorted(wanted):
            if set(assigned()) != wanted:
                return
            partition = self.partitions.get(place)
            if partition is None or not await self._is_still_ours(partition):
                await self._release(place)
                await self._take_over(place)
        self._pipelines.retire()
        self.is_taking_over = False
        self._metrics.ready.set(bool(self.partitions))
        log.info("owns %s", ", ".join(f"{p.topic}-{p.partition}" for p in sorted(self.partitions)) or "no partition")

    async def _release(self, place: Place) -> None:
        partition = self.partitions.pop(place, None)
        if partition is not None:
            self.buffer.drop([place])
            # A skip that waits for the store would find the partition taken over, if only by this worker again.
            async with partition.commit_lock:
                await partition.close()
            if isinstance(partition, TransactionPartition):
                await self._store.call(lambda _: self._pipelines.forget(place.partition))
                self._pipelines.release(place.partition)

    async def _is_still_ours(self, partition: Partition) -> bool:
        if not partition.is_settled:
            return False  # its histories have transactions that were never stored
        position = await self._store.call(lambda store: store.position(*partition.place))
        ours = partition.owner.epoch, partition.next_offset
        return position is not None and (position.owner_epoch, position.next_offset) == ours

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
        partition: Partition = (
            TransactionPartition(place, taken, self._commits, self.fatal, self._pipelines.versions)
            if place.topic == self._topics.transactions
            else LabelPartition(place, taken, self._commits, self.fatal)
        )
        if taken.next_offset < begin:
            self._records_are_gone(place, taken.next_offset, begin)
            await partition.skip_to(begin)
        if isinstance(partition, TransactionPartition):
            await self._restore(partition)
        partition.already_sent = await self._already_sent(partition)
        self.partitions[place] = partition
        log.info("took over %s-%d at offset %d (epoch %d)", *place, partition.next_offset, partition.owner.epoch)

    async def _restore(self, partition: TransactionPartition) -> None:
        begun, number = monotonic(), partition.place.partition
        pipeline = await self._pipelines.take(number, partition.versions)
        newest = partition.newest_event_time
        rows = await self._store.call(lambda store: self._pipelines.restore(pipeline, store, number, newest))
        seconds = monotonic() - begun
        self._metrics.restore_seconds.set(seconds)
        self._metrics.restored_rows.set(rows)
        log.info(
            "%s-%d: %d rows of history rebuilt in %.2f s for %s",
            *partition.place, rows, seconds, partition.versions,
        )  # fmt: skip

    async def _already_sent(self, partition: Partition) -> AlreadySent:
        """What is to be read back of each output: nothing where nothing was sent after what the store knows of."""
        topics, source, outputs = self._topics, partition.place, partition.outputs
        wanted = {"rejects": (topics.rejected, outputs.rejected_offset)}
        if isinstance(partition, TransactionPartition):
            wanted["flags"] = topics.flags, outputs.flags_offset
            wanted["alerts"] = topics.alerts, outputs.alerts_offset
        ranges: dict[str, tuple[TopicPartition, int, int]] = {}
        for kind, (topic, first) in wanted.items():
            begin, end = await self._bounds.of(Place(topic, source.partition))
            if first > end:
                raise StoreError(
                    f"{topic} partition {source.partition}: the store knows of outputs up to offset {first}, and the "
                    f"log ends at {end}. It is another log, or one that lost its end. Restore the log, or begin with a "
                    "new store and new topics."
                )
            if max(first, begin) < end:
                ranges[kind] = TopicPartition(topic, source.partition), max(first, begin), end
        if not ranges:
            return AlreadySent()
        # After the ends of the outputs: whatever they are of was there by then.
        _, source_end = await self._bounds.of(source)
        sources: dict[str, SourceOf] = {
            "alerts": source_of_alert(source, source_end),
            "flags": source_of_flag(source, source_end),
            "rejects": source_of_reject(source, source_end, (topics.transactions, topics.labels)),
        }
        unread = [
            OutputRange(*found, sources[kind], self._on_foreign(partition, found[0]),
                   as_it_is if kind == "rejects" else without_history_days)
            for kind, found in ranges.items()
        ]  # fmt: skip
        log.info("%s-%d: outputs are read back, %d messages", *source, sum(one.end - one.first for one in unread))
        reader = await self._reader()
        return AlreadySent(reader, **dict(zip(ranges, read_back(reader, unread), strict=True)))

    def _on_foreign(self, partition: Partition, place: TopicPartition) -> Callable[[Record], None]:
        """All are counted and the first is logged; not once more where the rejects of labels are read back."""
        counter = self._metrics.foreign.labels(place.topic)
        is_first = True

        def count(record: Record) -> None:
            nonlocal is_first
            if isinstance(partition, LabelPartition):
                return
            counter.inc()
            if is_first:
                is_first = False
                log.warning(
                    "%s partition %d, offset %d: no worker wrote this message; it is skipped, like all others of its "
                    "kind. See who may write to the topic",
                    *place, record.offset,
                )  # fmt: skip

        return count

    def _records_are_gone(self, place: Place, expected: int, begin: int) -> None:
        self._must_be_accepted(
            f"{place.topic} partition {place.partition}: the next record to work on is offset {expected}, and the log "
            f"begins at {begin}: {begin - expected} records are gone",
            "retention, which should be unlimited",
        )

    def _must_be_accepted(self, what: str, cause: str) -> None:
        if not self._accept_gap:
            raise StoreError(
                f"{what}. Restore the log, or go on without them by --accept-gap; they will never be scored. Then look "
                f"at the topic's {cause}."
            )
        log.warning("%s; goes on without them, as --accept-gap says", what)

    async def close(self) -> None:
        for partition in self.partitions.values():
            await partition.close()

    # What others ask.

    async def forget_days(self, slowest: int) -> None:
        """Ledger days that no partition of the topic can reach any more."""
        await self._store.call(lambda _: self._pipelines.forget_days(slowest))

    def standings(self) -> list[Standing]:
        lags = self.buffer.lags()
        return [
            Standing(
                place.topic,
                place.partition,
                partition.next_offset,
                lags.get(place),
                partition.history_days if isinstance(partition, TransactionPartition) else None,
            )
            for place, partition in list(self.partitions.items())
        ]

    def owner_of_first(self) -> Owner | None:
        """Who this worker is for partition 0 of the transactions: its owner closes the ledger's days."""
        first = self.partitions.get(Place(self._topics.transactions, 0))
        return None if first is None else first.owner
