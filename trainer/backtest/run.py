"""The backtest itself: chunks through one pipeline, or through two side by side, and what is counted on the way."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from risk.block import LabelBlock
from risk.bundle import Bundle
from risk.dataset import Dataset, Rows
from risk.dataset.labels_file import LabelsFile
from risk.decision import Scored
from risk.engine import Verdict
from risk.errors import DatasetError
from trainer.ahead import ahead
from trainer.backtest.labels import Missing
from trainer.backtest.passing import Answer, Batch, Passing, batches
from trainer.backtest.period import Period, day_of_time
from trainer.backtest.scores_file import ScoresFile
from trainer.backtest.side_by_side import SideBySide
from trainer.backtest.unseen import Unseen

# Scoring takes half of the time, so that two cores are busy; memory holds the features of so many batches.
SCORING_THREADS = 2
BATCHES_AHEAD = 4


class _Chunk(NamedTuple):
    """A part of the file."""

    rows: Rows
    is_counted: np.ndarray  # bool: which rows lie in the period
    labels: LabelBlock


class _Scored(NamedTuple):
    """A batch of a chunk, and its scores by each bundle."""

    batch: Batch
    scored: list[Future[Scored]]


class _Counted(NamedTuple):
    """A batch, and what it came to with each bundle."""

    batch: Batch
    answers: list[Answer]


class Backtest:
    """The first bundle is the one in question, the second the one that it is held against, if any."""

    def __init__(
        self,
        bundles: Sequence[Bundle],
        thresholds: Sequence[float],
        period: Period,
        labels: LabelsFile | None = None,
        missing: Sequence[Missing] = (),
    ) -> None:
        """`labels`: instead of the dataset's own; `missing`: what is known to be wrong for want of labels."""
        wanted = sorted({*thresholds, *(bundle.manifest.thresholds.high for bundle in bundles)})
        self.passings = [Passing(bundle, wanted) for bundle in bundles]
        self.side_by_side = SideBySide() if len(bundles) > 1 else None
        self.unseen = Unseen(bundle.manifest.feature_set for bundle in bundles)
        self.too_large = 0
        self.labels = labels
        self._missing = {each.version: each for each in missing}
        self._period = period

    def run(self, dataset: Dataset, scores: ScoresFile | None, advance: Callable[[int], None]) -> None:
        """Steps side by side: reading, features, scores of several batches, and what is counted of them in order."""
        with (
            ThreadPoolExecutor(SCORING_THREADS) as scoring,
            ahead(self._chunks(dataset), at_most=1) as chunks,
            ahead(self._scored(chunks, scoring), at_most=BATCHES_AHEAD) as steps,
        ):
            counted: list[_Counted] = []
            for step in steps:
                if isinstance(step, _Chunk):
                    self._finish(step, counted, scores)
                    counted = []
                    advance(len(step.rows.block))
                else:
                    each = zip(self.passings, step.scored, strict=True)
                    answers = [passing.count(step.batch, scored.result()) for passing, scored in each]
                    counted.append(_Counted(step.batch, answers))
        for passing in self.passings:
            passing.calendar.finish()
            self._check_something_scored(dataset, passing)

    def _chunks(self, dataset: Dataset) -> Generator[_Chunk, None, None]:
        """Up to the end of the period. What lies before the period is history for it: passed on, not counted."""
        for rows in dataset.rows():
            times = rows.block.event_time
            if self._period.is_over(times[0]):
                return
            if self.labels is not None:
                rows = self.labels.on(rows)
            labels = rows.labels() if self.labels is None else self.labels.labels(rows)
            yield _Chunk(rows, self._period.holds(times), labels)

    def _scored(self, chunks: Iterator[_Chunk], scoring: Executor) -> Generator[_Scored | _Chunk, None, None]:
        """The batches of each chunk, and then the chunk. Features know the past, so they come in order; a score is made
        of its features alone."""
        for chunk in chunks:
            for passing in self.passings:
                passing.learn(chunk.labels)
            for batch in batches(chunk.rows, chunk.is_counted):
                each = [(passing, passing.features(batch)) for passing in self.passings]
                yield _Scored(batch, [scoring.submit(passing.decide, features) for passing, features in each])
            for passing in self.passings:
                passing.forget_old_days()
            yield chunk

    def _finish(self, chunk: _Chunk, counted: Sequence[_Counted], scores: ScoresFile | None) -> None:
        """All batches of the chunk are counted."""
        rows = chunk.rows
        self.unseen.look(rows.block.select(chunk.is_counted))
        arrived = sum(int(np.count_nonzero(batch.counted)) for batch, _ in counted)
        self.too_large += int(np.count_nonzero(chunk.is_counted)) - arrived
        if self.side_by_side is not None:
            for _, (mine, theirs) in counted:
                self.side_by_side.add(rows, mine, theirs, chunk.is_counted)
        if scores is not None:
            scores.write(rows, chunk.is_counted, [answers[0] for _, answers in counted])

    def about_labels(self, version: str) -> dict[str, Any]:
        """What every result of this bundle says at its head."""
        missing = self._missing.get(version)
        return {
            "from": "the file itself" if self.labels is None else self.labels.path.name,
            "missing": None if missing is None else missing.gaps.reason,
            "features_too_low": [] if missing is None else list(missing.features),
            "days_without": [] if missing is None else [list(span.dates) for span in missing.gaps.runs],
        }

    def _check_something_scored(self, dataset: Dataset, passing: Passing) -> None:
        if passing.calendar.total.transactions:
            return
        why = f"{dataset.bad.count:,} rows cannot be read"
        if passing.verdicts.total():
            duplicates, late = passing.verdicts[Verdict.DUPLICATE], passing.verdicts[Verdict.LATE]
            why = f"{duplicates:,} are duplicates, {late:,} too late, {self.too_large:,} too large for a message"
        first, last = dataset.ends or (0, 0)
        raise DatasetError(
            f"{dataset.path}: got no transaction to score in the period ({why}), expected some; the data goes from "
            f"{day_of_time(first)} to {day_of_time(last)}. Choose other days, or see what inspect says of the file."
        )
