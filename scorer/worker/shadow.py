"""The challenger: scores in the shadow what the bundle in use has scored, once that is stored and while nothing waits.

What it scores is stored in transactions of its own and never sent. It may fall behind, or fail: then chunks are given
up, and no transaction is lost or waits for it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from risk.decision import level_codes
from risk.engine import Engine, FeatureBlock
from risk.errors import StaleOwnerError
from risk.scorer import Scorer
from risk.store import NO_CHALLENGER, ShadowPiece, Store
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread
from scorer.worker.partition import TransactionPartition

log = logging.getLogger(__name__)

# So many transactions wait at most; their features take 6 MB.
MOST_WAITING = 20_000
# So many are scored in one go: a chunk that comes meanwhile waits a few milliseconds.
AT_ONCE = 1_000
# What comes within so long is stored with the first: a transaction of the store costs the same for one as for many.
GATHERS_SECONDS = 0.25
# While others have the thread that scores, whether they still do is looked at so often.
LOOKS_EVERY_SECONDS = 0.01


class Beside(NamedTuple):
    """Who scores a chunk in the shadow, as of when the chunk is scored."""

    scorer: Scorer | None
    version: str | None  # as the store is told it: NO_CHALLENGER, or None where nothing is known


class Waiting(NamedTuple):
    """A chunk that the challenger is to score."""

    partition: TransactionPartition
    scorer: Scorer
    first_offset: int
    next_offset: int
    offsets: Sequence[int]  # of the transactions that the bundle in use scored
    features: FeatureBlock


class Shadow(Protocol):
    """What a batch asks of the challenger."""

    def beside(self, version: str, *, is_repeated: bool) -> Beside: ...

    def add(self, waiting: Waiting) -> None: ...

    def give_up(self, transactions: int) -> None: ...


class Challenger:
    """Holds the challenger, and has it score when there is time. What is asked of it, the event loop asks."""

    def __init__(
        self,
        scoring: StoreThread,
        commits: StoreThread,
        metrics: Metrics,
        has_time: Callable[[], bool],
        gathers_seconds: float = GATHERS_SECONDS,
    ) -> None:
        """`scoring`: the thread that scores; `has_time`: whether nothing waits for it."""
        self.failure: str | None = None  # why the one before ended by itself
        self._scoring = scoring
        self._commits = commits
        self._metrics = metrics
        self._has_time = has_time
        self._gathers_seconds = gathers_seconds
        self._scorer: Scorer | None = None
        self._is_known = False
        self._waiting: deque[Waiting] = deque()
        self._rows = 0  # that wait
        self._added = asyncio.Event()

    @property
    def version(self) -> str | None:
        return None if self._scorer is None else self._scorer.manifest.version

    def go_on_with(self, scorer: Scorer | None) -> None:
        """From the next chunk on; None: there is no challenger. What waits is scored by the one that it waits for."""
        self._metrics.challenger_is(None if scorer is None else scorer.manifest)
        self._scorer, self._is_known, self.failure = scorer, True, None

    def beside(self, version: str, *, is_repeated: bool) -> Beside:
        """For a chunk that this version scores. One that was scored before is not scored in the shadow: a challenger
        may have learned from it, and a rebuilt store would pretend that it had scored at that time."""
        if is_repeated or not self._is_known:
            return Beside(None, None)
        if self._scorer is None or self._scorer.manifest.version == version:
            return Beside(None, NO_CHALLENGER)
        return Beside(self._scorer, self._scorer.manifest.version)

    def add(self, waiting: Waiting) -> None:
        """A chunk whose own outputs are stored."""
        count = len(waiting.offsets)
        if self._waiting and self._rows + count > MOST_WAITING:
            self.give_up(count)
            return
        self._waiting.append(waiting)
        self._rows += count
        self._added.set()

    def give_up(self, transactions: int) -> None:
        self._metrics.shadow_given_up.inc(transactions)

    async def run(self) -> None:
        while True:
            await self._added.wait()
            await asyncio.sleep(self._gathers_seconds)
            self._added.clear()
            while self._waiting:
                if self._has_time():
                    await self.work()
                else:
                    await asyncio.sleep(LOOKS_EVERY_SECONDS)

    async def work(self) -> None:
        """Scores what waits until there is no time any more, and stores it."""
        with self._metrics.step_seconds.labels("shadow").time():
            done: list[tuple[Waiting, ShadowPiece]] = []
            while self._waiting and (not done or self._has_time()):
                some = self._next()
                try:
                    pieces = await self._scoring.call(partial(_scored, some))
                except Exception as error:  # whatever a model raises, what is in use goes on
                    self._fail(some, error)
                    continue
                done += zip(some, pieces, strict=True)
            groups: dict[tuple[TransactionPartition, str], list[ShadowPiece]] = {}
            for waiting, piece in done:
                groups.setdefault((waiting.partition, _version(waiting)), []).append(piece)
            for (partition, version), several in groups.items():
                await self._store(partition, version, several)

    def _next(self) -> list[Waiting]:
        some: list[Waiting] = []
        count = 0
        while self._waiting and (not some or count + len(self._waiting[0].offsets) <= AT_ONCE):
            some.append(self._waiting.popleft())
            count += len(some[-1].offsets)
        self._rows -= count
        return some

    async def _store(self, partition: TransactionPartition, version: str, pieces: Sequence[ShadowPiece]) -> None:
        count = sum(len(piece.scores) for piece in pieces)
        try:
            await self._commits.call(lambda store: store.commit_shadow(partition.owner, version, pieces))
        except StaleOwnerError:
            # The partition was released while these waited. Whoever has it now has no part in them.
            self.give_up(count)
        else:
            self._metrics.shadow_transactions.inc(count)

    def _fail(self, some: Sequence[Waiting], error: Exception) -> None:
        version = _version(some[0])
        log.exception("the challenger %s cannot score; it is the challenger no more", version)
        self.give_up(sum(len(each.offsets) for each in some))
        if self.version == version:
            self.go_on_with(None)
            self.failure = f"{version} cannot score ({type(error).__name__}: {error})"


def serve(engine: Engine, scorer: Scorer) -> bool:
    """Has the engine compute what the challenger wants of the next chunk, too; whether it can. The thread that scores
    asks."""
    manifest = scorer.manifest
    wanted = manifest.feature_set
    if engine.terms != manifest.terms or (wanted.has_ledger and not engine.feature_set.has_ledger):
        return False
    if engine.feature_set | wanted != engine.feature_set:
        engine.serve(wanted, manifest.terms)
    return True


def _scored(some: Sequence[Waiting], _: Store) -> list[ShadowPiece]:
    return list(map(piece_of, some))


def piece_of(waiting: Waiting) -> ShadowPiece:
    scorer = waiting.scorer
    scores = scorer.scores(scorer.prepare(waiting.features).values)
    levels = level_codes(scores, scorer.manifest.thresholds)
    rows = list(zip(waiting.offsets, scores.tolist(), levels.tolist(), strict=True))
    return ShadowPiece(waiting.first_offset, waiting.next_offset, rows)


def _version(waiting: Waiting) -> str:
    return waiting.scorer.manifest.version
