"""What a retraining did, as the store and its report have it."""

from typing import Literal

import msgspec
from msgspec import Struct

from evaluation.drifting import Drifting
from evaluation.result import InUse
from risk.bundle import Training
from risk.store import RetrainingEnd

Outcome = Literal["shadow", "promoted", "left"]
SHADOW: Outcome = "shadow"
PROMOTED: Outcome = "promoted"
LEFT: Outcome = "left"


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
