"""What a worker knows of the partitions that are its own now."""

from dataclasses import dataclass, field

from risk.store import Outputs, Owner
from scorer.worker.arrivals import Place
from scorer.worker.readback import Shelf


@dataclass
class HeldTransactions:
    """A partition of transactions: what the store says of it, and which bundle's pipeline has its histories."""

    place: Place
    owner: Owner
    next_offset: int  # of what is stored
    scored_to: int  # of what the pipeline was given; ahead of what is stored while a batch is sent
    newest: int | None
    outputs: Outputs
    version: str
    alerts: Shelf | None = None
    flags: Shelf | None = None
    rejects: Shelf | None = None
    checked_at: float = field(default=0.0)

    @property
    def shelves(self) -> list[Shelf]:
        return [shelf for shelf in (self.alerts, self.flags, self.rejects) if shelf is not None]


@dataclass
class HeldLabels:
    """A partition of labels."""

    place: Place
    owner: Owner
    next_offset: int
    rejected_offset: int
    rejects: Shelf | None = None


Held = HeldTransactions | HeldLabels
