"""The backtest itself: chunks through one pipeline, or through two side by side, and what is counted on the way."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from risk.bundle import Bundle
from risk.clock import to_text
from risk.dataset import Dataset, Rows
from risk.events import Level, Transaction
from risk.money import to_major
from trainer.backtest.passing import Answer, Passing, through_the_codec
from trainer.backtest.scores_file import ScoresFile
from trainer.backtest.tally import Calendar, Costs

MOST_EXAMPLES = 10


class Difference(NamedTuple):
    """Two bundles disagree about a transaction's level."""

    transaction_id: str
    event_time: str
    score: float
    other_score: float
    level: str
    other_level: str
    is_fraud: bool | None


class Backtest:
    """`first` is the bundle in question, `other` the one it is held against, if any."""

    def __init__(
        self, bundles: Sequence[Bundle], thresholds: Sequence[float], *, since: int | None, until: int | None
    ) -> None:
        self.passings = [Passing(bundle) for bundle in bundles]
        self.calendars = [Calendar(thresholds, _costs(bundle)) for bundle in bundles]
        self.different_levels = 0
        self.examples: list[Difference] = []
        self.labelled = self.frauds = 0
        self._since, self._until = since, until
        self._currency = bundles[0].manifest.currency

    def run(self, dataset: Dataset, scores: ScoresFile | None, advance: Callable[[int], None]) -> None:
        for rows in dataset.rows():
            times = np.array([t.event_time for t in rows.transactions])
            if self._until is not None and times[0] >= self._until:
                break
            self._chunk(rows, times, scores)
            advance(len(times))
        for calendar in self.calendars:
            calendar.finish()

    def _chunk(self, rows: Rows, times: np.ndarray, scores: ScoresFile | None) -> None:
        """What lies before the period is history for it: passed on, not counted."""
        counted = np.ones(len(times), bool)
        if self._since is not None:
            counted &= times >= self._since
        if self._until is not None:
            counted &= times < self._until
        for passing in self.passings:
            passing.days.learn(rows.labels())
        answers: list[list[Answer]] = [[] for _ in self.passings]
        for places, arrived in through_the_codec(rows):
            for passing, answered in zip(self.passings, answers, strict=True):
                answered.append(passing.pass_on(places, arrived, counted[places]))
        self.labelled += int(np.count_nonzero(rows.is_fraud[counted] >= 0))
        self.frauds += int(np.count_nonzero(rows.is_fraud[counted] == 1))
        for calendar, answered in zip(self.calendars, answers, strict=True):
            for answer in answered:
                _count(calendar, rows, answer, counted, self._currency)
        for passing in self.passings:
            passing.forget_old_days()
        if len(answers) == 2:
            for mine, theirs in zip(*answers, strict=True):
                self._compare(rows, mine, theirs, counted)
        if scores is not None:
            scores.write(rows, counted, answers[0])

    def _compare(self, rows: Rows, mine: Answer, theirs: Answer, counted: np.ndarray) -> None:
        others = {row: place for place, row in enumerate(theirs.places)}
        for place, row in enumerate(mine.places):
            other_place = others.get(row)  # with another lateness, one may score what the other does not
            if other_place is None or not counted[row]:
                continue
            level, other_level = mine.scored.levels[place], theirs.scored.levels[other_place]
            if level is not other_level:
                self.different_levels += 1
                self.examples.append(
                    _difference(
                        rows, row, mine.scored.scores[place], theirs.scored.scores[other_place], level, other_level
                    )
                )
        # The first of those that differ most: the same whatever the chunks.
        self.examples.sort(key=lambda d: (-abs(d.score - d.other_score), d.event_time, d.transaction_id))
        del self.examples[MOST_EXAMPLES:]


def _difference(rows: Rows, row: int, score: float, other: float, level: Level, other_level: Level) -> Difference:
    transaction, label = rows.transactions[row], int(rows.is_fraud[row])
    return Difference(
        transaction.transaction_id,
        to_text(transaction.event_time),
        score,
        other,
        level.value,
        other_level.value,
        None if label < 0 else bool(label),
    )


def _costs(bundle: Bundle) -> Costs:
    return Costs(bundle.manifest.thresholds.review_cost, bundle.manifest.thresholds.loss_rate)


def _count(calendar: Calendar, rows: Rows, answer: Answer, counted: np.ndarray, currency: str) -> None:
    kept = [(place, row) for place, row in enumerate(answer.places) if counted[row]]
    if not kept:
        return
    transactions = [rows.transactions[row] for _, row in kept]
    calendar.add(
        [t.event_time for t in transactions],
        [t.customer_id for t in transactions],
        np.array([answer.scored.scores[place] for place, _ in kept]),
        [bool(rows.is_fraud[row] == 1) for _, row in kept],
        [_money(t, currency) for t in transactions],
    )


def _money(transaction: Transaction, currency: str) -> float:
    """What is at stake, as far as it is known in the bundle's currency."""
    if transaction.amount is None or transaction.currency != currency:
        return 0.0
    return to_major(transaction.amount, currency)
