"""Messages that do not fit into one batch go out in several, in order, each acknowledged before the next one leaves."""

import asyncio
from typing import Any, NamedTuple

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from risk.kafka.sending import send_all

ROOM = 400  # bytes in a batch


class Acknowledged(NamedTuple):
    offset: int


class Producer:
    """Of the client's own batches; acknowledges each when the loop comes round."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[Any, ...]]] = []
        self.sent = self._waiting = 0

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(ROOM, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Acknowledged]":
        assert (topic, partition, self._waiting) == ("topic", 3, 0)
        assert batch.closed()
        there = MemoryRecords(bytes(batch._build())).next_batch()
        self.batches.append([(record.key, record.value, tuple(record.headers)) for record in there])
        self._waiting = 1
        answer = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(self._acknowledge, answer)
        return answer

    def _acknowledge(self, answer: "asyncio.Future[Acknowledged]") -> None:
        answer.set_result(Acknowledged(self.sent))
        self.sent += len(self.batches[-1])
        self._waiting = 0


MESSAGES = st.tuples(
    st.none() | st.binary(max_size=9),
    st.binary(max_size=2 * ROOM),
    st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=9)), max_size=2).map(tuple),
)


@given(st.lists(MESSAGES, max_size=20))
def test_all_of_them_arrive_once_and_in_order(messages: list[tuple[Any, ...]]) -> None:
    """What comes from columns is gone over once: an iterator is enough."""
    producer = Producer()
    assert asyncio.run(send_all(producer, "topic", 3, iter(messages))) == len(messages)
    assert [one for batch in producer.batches for one in batch] == messages


def test_a_batch_leaves_when_it_is_full() -> None:
    """A message that is larger than a batch has one of its own."""
    producer = Producer()
    wanted = [(b"k", bytes(size), ()) for size in (100, 100, 100, 100, 2 * ROOM, 1)]
    assert asyncio.run(send_all(producer, "topic", 3, wanted)) == len(wanted)
    assert [len(batch) for batch in producer.batches] == [3, 1, 1, 1]
