"""The challenger: scores in the shadow what the bundle in use has scored, once that is stored and while nothing waits.

What it scores is stored in transactions of its own and never sent. It may fall behind, or fail: then chunks are given
up, and no transaction is lost or waits for it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from time import thread_time
from typing import NamedTuple, Protocol

import numpy as np

from risk.bundle import LearnedCategory, Manifest
from risk.catalogue import FIRST_WORD
from risk.codes import Array
from risk.decision import level_codes
from risk.engine import Engine, FeatureBlock, joined
from risk.errors import BundleError, StaleOwnerError
from risk.scorer import Scorer
from risk.store import NO_CHALLENGER, ShadowPiece, Store
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread
from scorer.worker.partition import TransactionPartition

log = logging.getLogger(__name__)

# So many transactions wait at most; their features take 6 MB.
MOST_WAITING = 20_000
# So many are scored in one go, for a chunk that comes meanwhile waits until that is done: 3 ms with LightGBM. Half as
# many at once would take a fifth more of the processor.
AT_ONCE = 500
# A challenger that takes longer for a transaction is refused. So nothing waits for longer than 100 ms; and at 2,000
# transactions a second the thread that scores has not much more time for a challenger.
MOST_MICROSECONDS = 200
# So many are stored in one transaction at most: the batches of the bundle in use wait for it.
STORED_AT_ONCE = 2_000
# What comes within so long is stored with the first: a transaction of the store costs the same for one as for many.
GATHERS_SECONDS = 0.25
# While others have the thread that scores, whether they still do is looked at so often.
LOOKS_EVERY_SECONDS = 0.01


class Beside(NamedTuple):
    """Who scores a chunk in the shadow, as of when the chunk is scored."""

    scorer: Scorer | None
    version: str | None  # as the store is told it: NO_CHALLENGER, or None where nothing is known


class Waiting(NamedTuple):
    """A chunk that the challenger is to score, or a part of one."""

    partition: TransactionPartition
    scorer: Scorer
    first_offset: int
    next_offset: int
    offsets: Sequence[int]  # of the transactions that the bundle in use scored
    features: FeatureBlock


class Queue:
    """What waits for the challenger, in its order; large chunks in parts that are scored in one go."""

    def __init__(self) -> None:
        self._parts: deque[Waiting] = deque()
        self._room = 0  # that they take

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, chunk: Waiting) -> bool:
        """Whether there was room for it; one chunk always finds some."""
        parts = list(_parts(chunk))
        if self._parts and self._room + _room(parts) > MOST_WAITING:
            return False
        self._parts += parts
        self._room += _room(parts)
        return True

    def take(self) -> list[Waiting]:
        """The next ones that can be scored as one: of one scorer and with the same columns."""
        some = [self._parts.popleft()]
        left = AT_ONCE - _room(some)
        while self._parts and _goes_with(self._parts[0], some[0]) and left >= _room([self._parts[0]]):
            some.append(self._parts.popleft())
            left -= _room([some[-1]])
        self._room -= _room(some)
        return some

    def take_all_of(self, version: str) -> list[Waiting]:
        some = [each for each in self._parts if _version(each) == version]
        self._parts = deque(each for each in self._parts if _version(each) != version)
        self._room -= _room(some)
        return some


class Shadow(Protocol):
    """What a batch asks of the challenger."""

    def beside(self, version: str, *, is_repeated: bool) -> Beside: ...

    def add(self, waiting: Waiting) -> None: ...

    def give_up(self, transactions: int) -> None: ...

    def fail(self, version: str, why: str) -> None: ...


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
        self._waiting = Queue()
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
        if self._waiting.add(waiting):
            self._added.set()
        else:
            self.give_up(len(waiting.offsets))

    def give_up(self, transactions: int) -> None:
        self._metrics.shadow_given_up.inc(transactions)

    def fail(self, version: str, why: str) -> None:
        """It raised something: it is the challenger no more, and nothing waits for it."""
        self.give_up(_count(self._waiting.take_all_of(version)))
        if self.version == version:
            self.go_on_with(None)
            self.failure = why

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
            count = 0
            while self._waiting and (not done or (count < STORED_AT_ONCE and self._has_time())):
                some = self._waiting.take()
                try:
                    pieces = await self._scoring.call(partial(_scored, some))
                except Exception as error:  # whatever a model raises, what is in use goes on
                    version = _version(some[0])
                    log.exception("the challenger %s cannot score; it is the challenger no more", version)
                    self.give_up(_count(some))
                    self.fail(version, f"{version} cannot score ({type(error).__name__}: {error})")
                    continue
                done += zip(some, pieces, strict=True)
                count += _count(some)
            groups: dict[tuple[TransactionPartition, str], list[ShadowPiece]] = {}
            for waiting, piece in done:
                groups.setdefault((waiting.partition, _version(waiting)), []).append(piece)
            for (partition, version), several in groups.items():
                await self._store(partition, version, joined_pieces(several))

    async def _store(self, partition: TransactionPartition, version: str, pieces: Sequence[ShadowPiece]) -> None:
        count = sum(len(piece.scores) for piece in pieces)
        try:
            await self._commits.call(lambda store: store.commit_shadow(partition.owner, version, pieces))
        except StaleOwnerError:
            # The partition was released while these waited. Whoever has it now has no part in them.
            self.give_up(count)
        else:
            self._metrics.shadow_transactions.inc(count)


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


def check_quick(scorer: Scorer) -> None:
    """BundleError where this challenger would hold up what is in use. In the thread that loads it, by its own processor
    time and the best of some turns: others have the processors meanwhile."""
    rows = usual_rows(scorer.manifest, AT_ONCE)
    each = min(_seconds(partial(scorer.scores, rows)) for _ in range(5)) / AT_ONCE * 1e6
    if each > MOST_MICROSECONDS:
        raise BundleError(
            f"{scorer.manifest.version}: its model takes {each:.0f} µs a transaction, expected at most "
            f"{MOST_MICROSECONDS} of a challenger, for those of the bundle in use wait meanwhile. Compare the two by "
            "`trainer backtest`, or name a quicker model"
        )


def usual_rows(manifest: Manifest, count: int) -> Array:
    """Prepared rows as transactions have them, the same at every call: each number is spread as in the fit period, each
    category has any of its codes. Rows that are all alike would cost a model less: they go the same way through trees,
    and what they look at stays near the processor."""
    dice, drift = np.random.default_rng(0), {each.name: each for each in manifest.drift}
    rows = np.empty((count, len(manifest.features)), np.float32)
    for column, learned in enumerate(manifest.features):
        drawn = dice.random(count)
        if isinstance(learned, LearnedCategory):
            rows[:, column] = np.floor(drawn * (FIRST_WORD + len(learned.vocabulary)))
            continue
        known = drift.get(learned.name)
        deciles = (known.deciles if known is not None else ()) or (learned.clip_low, learned.clip_high)
        spread = np.interp(drawn, np.linspace(0, 1, len(deciles)), deciles)
        rows[:, column] = np.clip(spread, learned.clip_low, learned.clip_high)
    return rows


def _seconds(do: Callable[[], object]) -> float:
    began = thread_time()
    do()
    return thread_time() - began


def _parts(chunk: Waiting) -> Iterator[Waiting]:
    """Each scored in one go. The features of what is not scored would only take room."""
    features, begin = chunk.features.scored(), chunk.first_offset
    for first in range(0, max(1, len(chunk.offsets)), AT_ONCE):
        behind = first + AT_ONCE
        offsets = chunk.offsets[first:behind]
        end = offsets[-1] + 1 if behind < len(chunk.offsets) else chunk.next_offset
        yield chunk._replace(first_offset=begin, next_offset=end, offsets=offsets, features=features.cut(first, behind))
        begin = end


def _goes_with(one: Waiting, other: Waiting) -> bool:
    ours, theirs = one.features, other.features
    has_same = ours.columns == theirs.columns and ours.categories.keys() == theirs.categories.keys()
    return has_same and one.scorer is other.scorer


def _count(some: Sequence[Waiting]) -> int:
    return sum(len(each.offsets) for each in some)


def _room(some: Iterable[Waiting]) -> int:
    """In transactions; a chunk without any takes some, too."""
    return sum(len(each.offsets) or 1 for each in some)


def _scored(some: Sequence[Waiting], _: Store) -> list[ShadowPiece]:
    return pieces_of(some)


def pieces_of(some: Sequence[Waiting]) -> list[ShadowPiece]:
    scorer = some[0].scorer
    scores = scorer.scores(scorer.prepare(joined([each.features for each in some])).values)
    levels = level_codes(scores, scorer.manifest.thresholds)
    offsets = chain.from_iterable(each.offsets for each in some)
    rows = zip(offsets, scores.tolist(), levels.tolist(), strict=True)
    return [ShadowPiece(each.first_offset, each.next_offset, list(islice(rows, len(each.offsets)))) for each in some]


def joined_pieces(pieces: Sequence[ShadowPiece]) -> list[ShadowPiece]:
    """Those that follow on each other as one: each costs the store some statements."""
    made: list[ShadowPiece] = []
    for piece in pieces:
        if made and made[-1].next_offset == piece.first_offset:
            first, _, scores = made.pop()
            made.append(ShadowPiece(first, piece.next_offset, [*scores, *piece.scores]))
        else:
            made.append(piece)
    return made


def _version(waiting: Waiting) -> str:
    return waiting.scorer.manifest.version
