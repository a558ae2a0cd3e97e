"""A file through the pipelines of bundles, steps side by side: what `backtest` counts and `score` writes."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from risk.block import Block, LabelBlock
from risk.bundle import Bundle
from risk.codec import encode_transaction
from risk.dataset import Rows
from risk.decision import Decided, Scored, with_rules, without_rules
from risk.diagnosis import MAX_BYTES
from risk.engine import FeatureBlock
from risk.events import Reason
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.rules.compiled import CompiledRules, compiled_for
from risk.rules.rule_set import RuleSet
from risk.schedule import InForce
from trainer.ahead import ahead

T = TypeVar("T")

NO_SETS: Mapping[str, RuleSet] = {}
# Rows that are scored at once: any other number would give the same bits, and fewer cost more each.
BATCH = 4096
# Scoring takes half of the time, so that two cores are busy; memory holds the features of so many batches.
SCORING_THREADS = 2
BATCHES_AHEAD = 4
# What the fields of a message can have at most besides its attributes: seven texts of 1,000 characters, six bytes each.
FIELDS_BYTES = 45_000


class Chunk(NamedTuple):
    """A part of the file, and the labels that the merchant ledger learns before it."""

    rows: Rows
    labels: LabelBlock


class Batch(NamedTuple):
    """What arrives of a part of a chunk."""

    places: np.ndarray  # of its rows in the chunk
    block: Block
    labels: np.ndarray  # of its rows: 1, 0, -1 not known


class ScoredBatch(NamedTuple):
    """A batch of a chunk, and its scores by each bundle, and by each rule set beside it."""

    batch: Batch
    scored: list[Scored]


class Lane:
    """One bundle's pipeline, with a merchant ledger of what came by."""

    def __init__(self, bundle: Bundle, rules: RuleSet | None = None, beside: Sequence[RuleSet] = ()) -> None:
        """`beside`: other rule sets that decide on the same scores."""
        self.manifest = bundle.manifest
        self._days = SeenDays(self.manifest.terms.ledger_terms)
        compiled = None if rules is None else compiled_for(rules, self.manifest)
        self._pipeline = Pipeline(bundle, self._days, rules=compiled)
        self._beside = [compiled_for(other, self.manifest) for other in beside]

    def forget_old_days(self) -> None:
        """A file is one partition, so nothing older can come."""
        self._pipeline.engine.forget_old_days()

    def learn(self, labels: LabelBlock) -> None:
        """Before the transactions of the same chunk."""
        self._days.learn(labels)

    def features(self, batch: Batch) -> FeatureBlock:
        """Batch after batch. The engine is nobody else's, so the next batch may come while this one is scored."""
        return self._pipeline.features(batch.block)

    def decide(self, features: FeatureBlock, block: Block) -> list[Scored]:
        """By each rule set; in any thread."""
        scored = self._pipeline.decide(features, block)
        return [scored, *(with_rules(scored, features, block, other) for other in self._beside)]

    def begin(self, batch: Batch) -> Callable[[], list[Scored]]:
        """Batch after batch. What is left to do, in any thread."""
        return partial(self.decide, self.features(batch), batch.block)

    def explain(self, features: FeatureBlock, chosen: np.ndarray) -> list[tuple[Reason, ...]]:
        """Of these scored rows of a batch (bool for each row), whatever their level is."""
        scorer = self._pipeline.scorer
        prepared = scorer.prepare(features)
        kept = chosen[prepared.rows]
        values = prepared.values[kept]
        return scorer.explain(features, prepared.rows[kept], values, scorer.scores(values))


class ScheduledLane(Lane):
    """Several bundles on one engine, each row decided by the bundle and the rule set that were in force."""

    def __init__(self, bundles: Sequence[Bundle], in_force: InForce, rules: Mapping[str, RuleSet] = NO_SETS) -> None:
        """`bundles`: the schedule's, in their order; `rules`: its rule sets by version."""
        # An engine follows the ledger from its beginning or not at all.
        first = max(bundles, key=lambda bundle: bundle.manifest.feature_set.has_ledger)
        super().__init__(first)
        shared = self._pipeline.engine
        self._of_model = [Pipeline(bundle, None, shared) for bundle in bundles]
        self._in_force = in_force
        self._rules = rules
        self._compiled: dict[int, CompiledRules] = {}  # by the number of the versions

    def begin(self, batch: Batch) -> Callable[[], list[Scored]]:
        features, numbers = self.features(batch), self._in_force.of(batch.block)
        # Here, because the rest is done in several threads.
        for number in set(numbers.tolist()):
            self._compile(number)
        return partial(self._in_turns, features, batch.block, numbers)

    def _compile(self, number: int) -> None:
        bundle, rules = divmod(number, len(self._in_force.rule_sets))
        version = self._in_force.rule_sets[rules]
        if version is not None and number not in self._compiled:
            self._compiled[number] = compiled_for(self._rules[version], self._of_model[bundle].manifest)

    def _decided(self, number: int, features: FeatureBlock, block: Block) -> Scored:
        scored = self._of_model[number // len(self._in_force.rule_sets)].decide(features, block)
        if number in self._compiled:
            return with_rules(scored, features, block, self._compiled[number])
        return scored._replace(decided=without_rules(scored)) if self._rules else scored

    def _in_turns(self, features: FeatureBlock, block: Block, numbers: np.ndarray) -> list[Scored]:
        by_number = {number: self._decided(number, features, block) for number in set(numbers.tolist())}
        one = next(iter(by_number.values()))
        if len(by_number) == 1:
            return [one]
        each = [by_number[number] for number in numbers[one.rows].tolist()]

        def of(column: Callable[[Scored], list[T]]) -> list[T]:
            return [column(scored)[place] for place, scored in enumerate(each)]

        def of_rules(column: Callable[[Decided], list[T]]) -> list[T]:
            return [column(scored.decided)[place] for place, scored in enumerate(each) if scored.decided is not None]

        return [
            Scored(
                one.verdicts,
                one.rows,
                of(lambda scored: scored.scores),
                of(lambda scored: scored.levels),
                of(lambda scored: scored.reasons),
                of(lambda scored: scored.imputed),
                of(lambda scored: scored.ledger_days),
                None
                if one.decided is None
                else Decided(
                    of_rules(lambda decided: decided.rules_versions),
                    of_rules(lambda decided: decided.decisions),
                    of_rules(lambda decided: decided.fired),
                ),
            )
        ]


@contextmanager
def passed(chunks: Generator[Chunk, None, None], lanes: Sequence[Lane]) -> Iterator[Iterator[ScoredBatch | Chunk]]:
    """The batches of each chunk, scored, and then the chunk. Reading, features and the scores of several batches go on
    side by side."""
    with (
        ThreadPoolExecutor(SCORING_THREADS) as scoring,
        ahead(chunks, at_most=1) as read,
        ahead(_steps(read, lanes, scoring), at_most=BATCHES_AHEAD) as steps,
    ):
        yield (step if isinstance(step, Chunk) else _result_of(step) for step in steps)


class _Step(NamedTuple):
    batch: Batch
    scored: list[Future[list[Scored]]]


def _result_of(step: _Step) -> ScoredBatch:
    return ScoredBatch(step.batch, [scored for one in step.scored for scored in one.result()])


def _steps(chunks: Iterator[Chunk], lanes: Sequence[Lane], scoring: Executor) -> Generator[_Step | Chunk, None, None]:
    """Features know the past, so they come in order; a score is made of its features alone."""
    for chunk in chunks:
        for lane in lanes:
            lane.learn(chunk.labels)
        for batch in batches(chunk.rows):
            yield _Step(batch, [scoring.submit(lane.begin(batch)) for lane in lanes])
        for lane in lanes:
            lane.forget_old_days()
        yield chunk


def batches(rows: Rows) -> Iterator[Batch]:
    """All but what is too large for a message: a row of a file is what a worker would read."""
    fits = _fits_into_a_message(rows.block)
    for first in range(0, len(rows.block), BATCH):
        last = first + BATCH
        places = first + np.flatnonzero(fits[first:last])
        yield Batch(places, rows.block.cut(first, last).select(fits[first:last]), rows.is_fraud[places])


def _fits_into_a_message(block: Block) -> np.ndarray:
    fits = np.ones(len(block), bool)
    if not any(block.attributes):
        return fits
    for row, attributes in enumerate(block.attributes):
        if attributes and FIELDS_BYTES + sum(map(_most_bytes, attributes.items())) > MAX_BYTES:
            fits[row] = len(encode_transaction(block[row])) <= MAX_BYTES
    return fits


def _most_bytes(attribute: tuple[str, float | str]) -> int:
    name, value = attribute
    return 6 * (len(name) + (len(value) if isinstance(value, str) else 5)) + 6
