"""Labels that come and come: of transactions that nobody has, at a rate, for as long as a block lasts."""

import asyncio
import threading
from time import perf_counter
from types import TracebackType

from aiokafka import AIOKafkaProducer

from risk.codec import encode_label
from risk.events import Label
from risk.kafka.partitions import partition_of
from risk.kafka.sending import Message, send_all

TICKS_A_SECOND = 50
MOST_SECONDS = 600.0  # longer than any block waits for what it waits for


class LabelFlood:
    def __init__(
        self,
        address: str,
        topic: str,
        partitions: int,
        rate: int,
        labelled_at: int,
        *,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        """`labelled_at`: what they are dated."""
        self._address, self._topic, self._partitions, self._rate = address, topic, partitions, rate
        self._labelled_at, self._most_seconds = labelled_at, most_seconds
        self._told = threading.Event()
        self._thread = threading.Thread(target=self._work, name="labels", daemon=True)
        self._error: Exception | None = None
        self._begun = 0.0
        self.sent = 0
        self.per_second = 0.0  # once the block has ended

    def __enter__(self) -> "LabelFlood":
        self._begun = perf_counter()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A block beside which labels did not come fails, even if it found nothing wrong."""
        self.per_second = self.sent / self._passed()  # what is sent from here on was beside nothing
        self._told.set()
        self._thread.join()
        if self._error is not None and (error is None or isinstance(error, Exception)):
            raise self._error

    def _passed(self) -> float:
        return perf_counter() - self._begun

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:  # raised again where the block ends
            self._error = error

    async def _run(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._address, acks=1)
        try:
            await producer.start()
            await self._send(producer)
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer) -> None:
        while self._passed() < self._most_seconds:
            due = int(self._passed() * self._rate)
            for partition, messages in self._batches(due - self.sent).items():
                await send_all(producer, self._topic, partition, messages)
                self.sent += len(messages)
            if self._told.is_set():
                return
            await asyncio.sleep(1 / TICKS_A_SECOND)
        raise TimeoutError(f"the labels ended after {self._most_seconds:g} s: expected the block to end before")

    def _batches(self, wanted: int) -> dict[int, list[Message]]:
        batches: dict[int, list[Message]] = {}
        for number in range(self.sent, self.sent + wanted):
            customer = f"nobody-{number % 1_000}"
            label = Label(f"none-{number}", customer, number % 2 == 0, self._labelled_at, "flood")
            key = customer.encode()
            batches.setdefault(partition_of(key, self._partitions), []).append(Message(key, encode_label(label)))
        return batches
