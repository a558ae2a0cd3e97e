"""What a retraining did, as the store and its report have it."""

from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from evaluation.drifting import Drifting
from evaluation.result import InUse
from risk.bundle import Training
from risk.clock import to_date
from risk.store import RetrainingEnd
from trainer.report.wording import in_use_sentences

Outcome = Literal["shadow", "promoted", "left", "waits"]
SHADOW: Outcome = "shadow"
PROMOTED: Outcome = "promoted"
LEFT: Outcome = "left"
WAITS: Outcome = "waits"


class Learned(Struct, frozen=True):
    """The history out of the store."""

    first: str  # dates, both included
    last: str
    transactions: int
    frauds: int
    labels: int
    concerns: tuple[str, ...]


class Done(Struct, frozen=True):
    number: int
    in_use: str  # when it began
    outcome: Outcome = LEFT
    version: str | None = None
    why: str = ""
    drift: Drifting | None = None
    learned: Learned | None = None
    training: Training | None = None  # as it was asked for, and its periods
    beside: InUse | None = None
    report: str | None = None

    def end(self) -> RetrainingEnd:
        return RetrainingEnd(self.outcome, self.version, self.why, msgspec.json.encode(self).decode())

    def told(self, currency: str) -> str:
        """For people, as Markdown: everything that was done, in its order."""
        return (
            "\n\n".join([f"# Retraining {self.number}: {self.outcome}", f"{self.why}.", *self._parts(currency)]) + "\n"
        )

    def _parts(self, currency: str) -> Iterator[str]:
        yield f"In use when it began: {self.in_use}."
        if self.drift is not None:
            yield f"## What led to it\n\n{_drift_text(self.drift)}"
        if (history := self.learned) is not None:
            said = (
                f"{history.first} to {history.last}: {history.transactions:,} transactions, {history.labels:,} of them "
                f"with a label, {history.frauds:,} frauds."
            )
            yield "\n".join([f"## History\n\n{said}", *(f"- {concern}." for concern in history.concerns)])
        if (training := self.training) is not None:
            periods = {"fit": training.fit, "validation": training.validation, "test": training.test}
            days = [f"{name} {days.first} until {days.until}" for name, days in periods.items() if days is not None]
            yield (
                f"## Training\n\n{', '.join(training.models)}; {'; '.join(days)}. All figures: "
                "[report.html](report.html); for a reviewer of models: [model-card.md](model-card.md)."
            )
        if self.beside is not None:
            yield "\n\n".join(["## Beside the bundle in use", *in_use_sentences(self.beside, currency)])


def _drift_text(drift: Drifting) -> str:
    every = (*drift.features, *([] if drift.score is None else [drift.score]))
    changed = [f"{one.name} {one.week.psi:.3f}" for one in every if one.has_changed]
    return (
        f"Of {drift.rows:,} samples of {to_date(drift.first_day or 0)} to {to_date(drift.last_day or 0)}, beside what "
        f"{drift.bundle} learned from, by the population stability index: {', '.join(changed)}."
    )
