"""Getting a step to Kafka, whatever happens to the broker: nothing lost, nothing reordered within a partition.

A batch that failed is looked for in its partition, and sent again as far as it is not there, before anything behind it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from producer.delivery.already import AlreadyThere, Place, Record
from risk.errors import BrokerAwayError
from risk.kafka.sending import Message


class Patience(NamedTuple):
    """Seconds."""

    notice: float = 5.0  # without an acknowledgement, until somebody is told
    retry: float = 0.5
    goodbye: float = 8.0  # whoever asks a program to end does not wait for a broker for ever


PATIENCE = Patience()


class Wire(Protocol):
    async def check(self) -> int: ...

    async def renew(self) -> None: ...

    async def send(self, place: Place, messages: Sequence[Message]) -> int: ...

    async def records(self, starts: Mapping[Place, int]) -> dict[Place, list[Record]]: ...


class AbandonedError(Exception):
    """The program is to end and the broker does not answer: whether the step arrived is not known."""


class Delivery:
    """`ends` holds, for each place, the offset behind what is known to be there, and moves on as messages arrive.
    `settled` holds where a later run has to look from, for what may be there of steps that were not delivered whole: it
    moves on only when a step is, and not past what `already` has still to show."""

    def __init__(
        self,
        wire: Wire,
        ends: dict[Place, int],
        already: AlreadyThere,
        stopping: asyncio.Event,
        say: Callable[[str], None],
        patience: Patience = PATIENCE,
        *,
        settled: Mapping[Place, int] | None = None,
    ) -> None:
        """`settled`: where an earlier run was, if `already` has what it sent behind that."""
        self.ends = ends
        self.settled = dict(ends if settled is None else settled)
        self._wire, self._already, self._stopping, self._say = wire, already, stopping, say
        self._patience = patience
        self._is_away = False

    async def deliver(self, parcels: Mapping[Place, list[Message]]) -> None:
        """Returns when the broker has all of it."""
        left = {place: self._already.without(place, messages) for place, messages in parcels.items()}
        while True:
            left = {place: messages for place, messages in left.items() if messages}
            left = await self._try(left)
            if not left:
                break
            await self._recover(left)
            left = {place: self._already.without(place, messages) for place, messages in left.items()}
        self.settled.update((place, end) for place, end in self.ends.items() if not self._already.has_more(place))
        if self._is_away:
            self._is_away = False
            self._say("the broker is back; going on")

    async def _try(self, left: Mapping[Place, list[Message]]) -> dict[Place, list[Message]]:
        """What was not acknowledged."""
        tasks = {place: asyncio.ensure_future(self._wire.send(place, messages)) for place, messages in left.items()}
        await self._all_done(set(tasks.values()))
        errors = {place: task.exception() for place, task in tasks.items()}
        for place, error in errors.items():
            if error is None:
                self.ends[place] = tasks[place].result()
            elif not isinstance(error, BrokerAwayError):
                raise error
        return {place: left[place] for place, error in errors.items() if error is not None}

    async def _all_done(self, waiting: set["asyncio.Future[Any]"]) -> None:
        stopped: asyncio.Future[Any] = asyncio.ensure_future(self._stopping.wait())
        waited = 0.0
        try:
            while waiting:
                if self._stopping.is_set():
                    _, waiting = await asyncio.wait(waiting, timeout=self._patience.goodbye)
                    if waiting:
                        raise AbandonedError
                    return
                done, _ = await asyncio.wait(
                    {*waiting, stopped}, timeout=self._patience.notice, return_when=asyncio.FIRST_COMPLETED
                )
                waiting = waiting - done
                if not done:
                    waited += self._patience.notice
                    await self._look(f"nothing was acknowledged for {waited:.0f} s")
        finally:
            stopped.cancel()
            for task in waiting:
                task.cancel()

    async def _recover(self, failed: Mapping[Place, list[Message]]) -> None:
        """A new producer, and what the partitions have of the failed messages."""
        while True:
            try:
                await self._wire.renew()
                found = await self._wire.records({place: self.ends[place] for place in failed})
                break
            except BrokerAwayError as error:
                self._tell(str(error))
            await self._pause(self._patience.retry)
            if self._stopping.is_set():
                raise AbandonedError
        for place, records in found.items():
            self._already.add(place, records)

    async def _look(self, what: str) -> None:
        """Says why it takes so long; BrokerError where waiting will not help."""
        try:
            await self._wire.check()
            self._say(f"waiting: {what}, though the broker answers")
        except BrokerAwayError as error:
            self._tell(str(error))

    def _tell(self, why: str) -> None:
        if not self._is_away:
            self._is_away = True
            self._say(f"waiting: {why}. Nothing is lost; sending goes on when it is back")

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
