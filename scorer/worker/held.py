"""What a worker knows of the partitions that are its own now."""

import asyncio
from dataclasses import dataclass, field

from risk.kafka.log import LogReader
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
    first_event: int | None  # where its past begins; not known where something was scored and this is None
    outputs: Outputs
    version: str
    alerts: Shelf | None = None
    flags: Shelf | None = None
    rejects: Shelf | None = None
    checked_at: float = field(default=0.0)
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)  # one who moves the store's offset at a time

    reader: LogReader | None = None  # the shelves' own
    history_days: int | None = None  # that the newest score could see, of those that it needs

    @property
    def shelves(self) -> list[Shelf]:
        return [shelf for shelf in (self.alerts, self.flags, self.rejects) if shelf is not None]

    async def put_away(self) -> None:
        """Shelves that have nothing left to show; whoever reads back next need not begin before their ends."""
        if self.reader is None or not all(shelf.is_done for shelf in self.shelves):
            return
        self.outputs = Outputs(
            max(self.outputs.flags_offset, self.flags.end if self.flags else 0),
            max(self.outputs.alerts_offset, self.alerts.end if self.alerts else 0),
            max(self.outputs.rejected_offset, self.rejects.end if self.rejects else 0),
        )
        self.alerts = self.flags = self.rejects = None
        await self.close()

    async def close(self) -> None:
        if self.reader is not None:
            reader, self.reader = self.reader, None
            await reader.stop()


@dataclass
class HeldLabels:
    """A partition of labels."""

    place: Place
    owner: Owner
    next_offset: int
    rejected_offset: int
    rejects: Shelf | None = None
    checked_at: float = field(default=0.0)
    reader: LogReader | None = None
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def put_away(self) -> None:
        if self.reader is not None and self.rejects is not None and self.rejects.is_done:
            self.rejected_offset = max(self.rejected_offset, self.rejects.end)
            self.rejects = None
            await self.close()

    async def close(self) -> None:
        if self.reader is not None:
            reader, self.reader = self.reader, None
            await reader.stop()


Held = HeldTransactions | HeldLabels
