"""The backtest itself: chunks through one pipeline, or through two side by side, and what is counted on the way."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from risk.bundle import Bundle
from risk.dataset import Dataset, Rows
from risk.dataset.labels_file import LabelsFile
from risk.engine import Verdict
from risk.errors import DatasetError
from risk.rules.rule_set import RuleSet
from trainer.backtest.labels import Missing
from trainer.backtest.pairs import Pairs
from trainer.backtest.passing import Answer, Passing, Scheduled
from trainer.backtest.period import TimeRange, day_of_time
from trainer.backtest.scores_file import ScoresFile
from trainer.backtest.side_by_side import SideBySide
from trainer.backtest.unseen import Unseen
from trainer.passage import Chunk, passed


class _Counted(NamedTuple):
    """What a batch came to with each bundle."""

    is_counted: np.ndarray  # bool: which of its rows lie in the period
    answers: list[Answer]


def chunks_of(dataset: Dataset, beside: LabelsFile | None, period: TimeRange) -> Generator[Chunk, None, None]:
    """Up to the end of the period. What lies before the period is history for it: passed on, not counted. `beside`:
    labels instead of the dataset's own."""
    for rows in dataset.rows():
        if period.is_over(rows.block.event_time[0]):
            return
        if beside is not None:
            rows = beside.on(rows)
        yield Chunk(rows, rows.labels() if beside is None else beside.labels(rows))


class Backtest:
    """Of one bundle, or of two that `compare` sets side by side."""

    def __init__(
        self,
        bundles: Sequence[Bundle],
        thresholds: Sequence[float],
        period: TimeRange,
        labels: LabelsFile | None = None,
        missing: Sequence[Missing] = (),
        rules: RuleSet | None = None,
        scheduled: Scheduled | None = None,
    ) -> None:
        """`labels`: instead of the dataset's own; `missing`: what is known to be wrong for want of labels; `rules`:
        beside each bundle. `scheduled`: all bundles are one, in turns."""
        wanted = sorted({*thresholds, *(bundle.manifest.thresholds.high for bundle in bundles)})
        one_each = bundles if scheduled is None else bundles[-1:]
        self.passings = [Passing(bundle, wanted, rules, scheduled) for bundle in one_each]
        self.side_by_side = SideBySide() if len(one_each) > 1 else None
        self.pairs = Pairs(bundles[0].manifest.currency) if len(one_each) > 1 else None
        self.unseen = Unseen(bundle.manifest.feature_set for bundle in bundles)
        self.too_large = 0
        self.labels = labels
        self.missing = list(missing)
        self._period = period

    def run(self, dataset: Dataset, scores: ScoresFile | None, advance: Callable[[int], None]) -> None:
        """What is scored of each batch is counted, in order."""
        with passed(
            chunks_of(dataset, self.labels, self._period), [passing.lane for passing in self.passings]
        ) as steps:
            counted: list[_Counted] = []
            for step in steps:
                if isinstance(step, Chunk):
                    self._finish(step.rows, counted, scores)
                    counted = []
                    advance(len(step.rows.block))
                else:
                    is_counted = self._period.holds(step.batch.block.event_time)
                    each = zip(self.passings, step.scored, strict=True)
                    answers = [passing.count(step.batch, is_counted, scored) for passing, scored in each]
                    counted.append(_Counted(is_counted, answers))
        for passing in self.passings:
            passing.finish()
            self._check_something_scored(dataset, passing)

    def _finish(self, rows: Rows, counted: Sequence[_Counted], scores: ScoresFile | None) -> None:
        """All batches of the chunk are counted."""
        is_counted = self._period.holds(rows.block.event_time)
        self.unseen.look(rows.block.select(is_counted))
        arrived = sum(int(np.count_nonzero(batch.is_counted)) for batch in counted)
        self.too_large += int(np.count_nonzero(is_counted)) - arrived
        for two in (self.side_by_side, self.pairs):
            if two is not None:
                for batch in counted:
                    mine, theirs = batch.answers
                    two.add(rows, mine, theirs, is_counted)
        if scores is not None:
            scores.write(rows, is_counted, [batch.answers[0] for batch in counted])

    def about_labels(self, version: str) -> dict[str, Any]:
        """What every result of this bundle says at its head."""
        missing = next((each for each in self.missing if version in (each.version, "schedule")), None)
        return {
            "from": "the file itself" if self.labels is None else self.labels.path.name,
            "missing": None if missing is None else missing.gaps.reason,
            "features_too_low": [] if missing is None else list(missing.features),
            "days_without": [] if missing is None else [list(span.dates) for span in missing.gaps.all_runs],
        }

    def _check_something_scored(self, dataset: Dataset, passing: Passing) -> None:
        if passing.tallies.total.transactions:
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
