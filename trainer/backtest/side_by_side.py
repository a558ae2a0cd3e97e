"""Two bundles over the same transactions: where they disagree, and what it comes to."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from risk.clock import to_text
from risk.dataset import Rows
from risk.events import FRAUD, GENUINE, UNKNOWN, Level
from trainer.backtest.passing import Answer

MOST_EXAMPLES = 10
LABELS = {FRAUD: "fraud", GENUINE: "genuine", UNKNOWN: "unknown"}


class Example(NamedTuple):
    """A transaction of which two bundles think differently."""

    transaction_id: str
    event_time: str
    label: str
    is_caught: bool | None  # None of what is not known to be a fraud
    other_is_caught: bool | None
    score: float
    other_score: float
    level: str
    other_level: str

    @property
    def weight(self) -> int:
        """A fraud that only one caught says most, an alert that only one raised comes next."""
        if self.is_caught is not self.other_is_caught:
            return 2
        return int(Level.HIGH in (self.level, self.other_level))


class SideBySide:
    """Fed with both answers to the same rows."""

    def __init__(self) -> None:
        self.frauds: Counter[tuple[bool, bool]] = Counter()  # caught by the first, by the other
        self.levels: Counter[tuple[str, str, str]] = Counter()  # label, level, the other's level; where they differ
        self.examples: list[Example] = []

    @property
    def different_levels(self) -> int:
        return self.levels.total()

    def add(self, rows: Rows, mine: Answer, theirs: Answer, counted: np.ndarray) -> None:
        others = {row: place for place, row in enumerate(theirs.places.tolist())}
        for place, row in enumerate(mine.places.tolist()):
            other = others.get(row)  # with another lateness, one may score what the other does not
            if other is not None and counted[row]:
                self._add(rows, row, mine, place, theirs, other)
        # The first of those that say most: the same whatever the chunks.
        self.examples.sort(key=lambda e: (-e.weight, -abs(e.score - e.other_score), e.event_time, e.transaction_id))
        del self.examples[MOST_EXAMPLES:]

    def _add(self, rows: Rows, row: int, mine: Answer, place: int, theirs: Answer, other: int) -> None:
        label = int(rows.is_fraud[row])
        caught = (bool(mine.has_alert[place]), bool(theirs.has_alert[other]))
        if label == FRAUD:
            self.frauds[caught] += 1
        level, other_level = mine.scored.levels[place], theirs.scored.levels[other]
        if level is not other_level:
            self.levels[LABELS[label], level.value, other_level.value] += 1
        elif label != FRAUD or caught[0] == caught[1]:
            return
        transaction = rows.block[row]
        self.examples.append(
            Example(
                transaction.transaction_id,
                to_text(transaction.event_time),
                LABELS[label],
                caught[0] if label == FRAUD else None,
                caught[1] if label == FRAUD else None,
                mine.scored.scores[place],
                theirs.scored.scores[other],
                level.value,
                other_level.value,
            )
        )
