"""One partition that this worker owns: where it stands, and the queue of commits that move it on.

The next offset of a partition is moved here and nowhere else: by `commit`, with what was worked on, and by `skip_to`,
over offsets that hold no record. (`take_over` writes the first one of a partition that the store does not know.) Each
is one transaction of the store, guarded by owner epoch and expected offset; memory follows the store, and the group's
offset follows memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic, time
from typing import Protocol, TypeVar

from risk.events import Label
from risk.store import CommitStore, Outputs, RowValues, SampleValues, TakenOver
from risk.versions import Versions
from scorer.log.already_sent import AlreadySent
from scorer.log.chunks import Place

# After so long without a commit, ownership is checked before anything is sent: the process may have been suspended.
CHECK_AFTER_SECONDS = 1.0

Answer = TypeVar("Answer")


class Commits(Protocol):
    """Calls the store in the thread that commits."""

    async def call(self, ask: Callable[[CommitStore], Answer]) -> Answer: ...


class Partition:
    """What transactions and labels have in common."""

    def __init__(
        self, place: Place, taken: TakenOver, commits: Commits, fatal: Callable[[BaseException], None]
    ) -> None:
        """`taken`: where its owner found it. `fatal` ends the worker."""
        self.place = place
        self.owner = taken.owner
        self.already_sent = AlreadySent()  # whoever takes the partition over finds out
        self.outputs = Outputs(taken.flags_offset, taken.alerts_offset, taken.rejected_offset)
        # Whoever sends and commits has it: nothing is skipped in between.
        self.commit_lock = asyncio.Lock()
        self._next_offset = taken.next_offset
        self._commits = commits
        self._fatal = fatal
        self._last_in_queue: asyncio.Task[None] | None = None
        self._checked_at = 0.0

    @property
    def next_offset(self) -> int:
        """The first offset that is not in the store."""
        return self._next_offset

    @property
    def is_settled(self) -> bool:
        """Whether everything that was worked on is in the store."""
        return True

    def queue(self, send_and_commit: Callable[[], Awaitable[object]]) -> None:
        """Chunks are sent and committed one after the other, in the order of scoring. Whoever queues one goes on at
        once and scores: what waits for a broker needs no processor."""
        self._last_in_queue = asyncio.create_task(self._carry_out(send_and_commit, self._last_in_queue))

    async def queue_is_empty(self) -> None:
        """Whoever is cancelled while waiting does not cancel what it waits for."""
        if self._last_in_queue is not None:
            await asyncio.wait([self._last_in_queue])

    async def _carry_out(
        self, send_and_commit: Callable[[], Awaitable[object]], before: asyncio.Task[None] | None
    ) -> None:
        try:
            if before is not None:
                await asyncio.wait([before])
                if before.cancelled():
                    raise asyncio.CancelledError  # its records are not stored, so nothing behind them may be
            await send_and_commit()
        except Exception as error:
            self._fatal(error)

    async def check_ownership(self) -> None:
        if monotonic() - self._checked_at > CHECK_AFTER_SECONDS:
            expected = self._next_offset
            await self._commits.call(lambda store: store.check(self.owner, expected))

    async def skip_to(self, next_offset: int) -> None:
        """Over offsets that hold no record."""
        expected = self._next_offset
        await self._commits.call(lambda store: store.skip_to(self.owner, expected=expected, next_offset=next_offset))
        self._next_offset = next_offset

    async def _advance(self, next_offset: int, outputs: Outputs, commit: Callable[[CommitStore, int], None]) -> None:
        """`outputs`: of each output, the offset from which a successor must look for what was sent. `commit` is given
        the expected offset."""
        expected = self._next_offset
        await self._commits.call(lambda store: commit(store, expected))
        self._next_offset = next_offset
        self._checked_at = monotonic()
        self.already_sent.forget_before(next_offset)
        self.outputs = await self.already_sent.retire(outputs)

    async def close(self) -> None:
        await self.already_sent.close()


class LabelPartition(Partition):
    async def commit(self, next_offset: int, outputs: Outputs, labels: Sequence[tuple[int, Label]]) -> None:
        await self._advance(
            next_offset,
            outputs,
            lambda store, expected: store.commit_labels(
                self.owner,
                expected=expected,
                next_offset=next_offset,
                rejected_offset=outputs.rejected_offset,
                labels=labels,
            ),
        )


class TransactionPartition(Partition):
    """With what its scores depend on: how far its histories go, and which bundle and rule set decide."""

    def __init__(
        self,
        place: Place,
        taken: TakenOver,
        commits: Commits,
        fatal: Callable[[BaseException], None],
        versions: Versions,
    ) -> None:
        super().__init__(place, taken, commits, fatal)
        self.versions = versions
        self.newest_event_time = taken.newest_event_time  # in the store
        # Of the first that was ever scored. Not known where something was scored and this is None.
        self.first_event_time = taken.first_event_time
        self.history_days: int | None = None  # that the newest score could see, of those that it needs
        self._scored_to = taken.next_offset

    @property
    def scored_to(self) -> int:
        """The first offset that the pipeline was not given; ahead of the store while a batch is sent."""
        return self._scored_to

    @property
    def is_settled(self) -> bool:
        return self._scored_to == self._next_offset

    def begin_scoring(self, offset: int) -> None:
        """The pipeline is given what lies before this offset. From here on it must be committed, or rebuilt."""
        self._scored_to = offset

    def begin_history(self, event_time: int) -> None:
        """Of what was scored just now; it counts where nothing was scored before."""
        if self.newest_event_time is None and self.first_event_time is None:
            self.first_event_time = event_time

    def forget_scored(self) -> None:
        """The histories were rebuilt from the store: what was scored and not committed is scored again."""
        self._scored_to = self._next_offset
        if self.newest_event_time is None:
            self.first_event_time = None

    async def commit(
        self,
        next_offset: int,
        outputs: Outputs,
        rows: Sequence[RowValues],
        newest_event_time: int | None,
        history_days: int | None,
        samples: Sequence[SampleValues] = (),
        challenger: str | None = None,
    ) -> None:
        """`newest_event_time` and `history_days` are of what is committed; None without rows. `challenger`: see
        `commit_flags` of the store."""
        newest = max((t for t in (self.newest_event_time, newest_event_time) if t is not None), default=None)
        await self._advance(
            next_offset,
            outputs,
            lambda store, expected: store.commit_flags(
                self.owner,
                expected=expected,
                next_offset=next_offset,
                newest_event_time=newest,
                outputs=outputs,
                rows=rows,
                samples=samples,
                challenger=challenger,
                stored_at=int(time() * 1000),
            ),
        )
        self.newest_event_time = newest
        if history_days is not None:
            self.history_days = history_days

    async def skip_to(self, next_offset: int) -> None:
        await super().skip_to(next_offset)
        # What came behind these offsets may have been scored while the store was moved.
        self._scored_to = max(self._scored_to, next_offset)
