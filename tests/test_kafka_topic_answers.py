"""An answer about topics that says what the last one said is not looked at again, and still nothing is missed."""

import asyncio
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from aiokafka.errors import KafkaConnectionError

from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.metadata import _Response
from risk.kafka.topic_watch import TopicWatch
from risk.topics import Identity, topics_of
from tests.test_kafka_topics import connection

TOPIC = topics_of("").transactions
IDS = UUID(int=1), UUID(int=2)


def answer(topic_id: UUID = IDS[0], *, leader: int = 0, error: int = 0) -> bytes:
    """As a broker sends it, of one topic with one partition."""
    partition = (0, 0, leader, 0, [0], [0], [], {})
    return bytes(
        _Response.SCHEMA.encode(
            [
                0,
                [(0, "host", 9092, None, {})],
                "cluster",
                0,
                [(error, TOPIC, topic_id, False, [partition], 0, {})],
                0,
                {},
            ]
        )
    )


class Client:
    """A broker that answers what it is told to, one after the other."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[int | None] = []

    def get_random_node(self) -> int:
        return 0

    def force_metadata_update(self) -> None:
        pass

    async def send(self, node: int | None, _: object) -> Any:
        self.asked.append(node)
        told = self.answers.pop(0)
        if isinstance(told, Exception):
            raise told
        return _Response.decode(BytesIO(told))


def confirmed(*answers: bytes | Exception, times: int = 1) -> Client:
    client, known = Client(*answers), Identity("cluster", {TOPIC: str(IDS[0])}, 1, "")

    async def ask() -> None:
        watch = TopicWatch(connection("127.0.0.1:9"), [TOPIC], known, "Do this.", confirm_seconds=0.2)
        watch._client = client  # type: ignore[assignment]
        for _ in range(times):
            await watch.confirm(TOPIC, 0)

    asyncio.run(ask())
    return client


def test_the_same_bytes_are_read_once_and_others_anew() -> None:
    first, again, other = (_Response.decode(BytesIO(raw)) for raw in (answer(), answer(), answer(IDS[1])))
    assert first is again
    assert first.to_object() is again.to_object()
    assert other.to_object()["topics"][0]["topic_id"] == IDS[1]


def test_each_confirmation_asks_the_leader() -> None:
    assert confirmed(*[answer()] * 3, times=3).asked == [0, 0, 0]


def test_another_topic_is_noticed_behind_any_number_of_equal_answers() -> None:
    with pytest.raises(BrokerError, match=f"topic id: got {IDS[1]}, expected {IDS[0]}"):
        confirmed(*[answer()] * 3, answer(IDS[1]), times=4)


def test_after_a_failure_the_answer_that_was_there_before_counts_again() -> None:
    """Where the leaders are is forgotten with a failure, and comes back with the same bytes."""
    assert confirmed(answer(), KafkaConnectionError(), answer(), times=2).asked == [0, 0, 0]


def test_where_the_leader_moved_it_is_asked() -> None:
    assert confirmed(answer(), answer(leader=1), answer(leader=1), times=2).asked == [0, 0, 1]


def test_a_topic_that_is_missing_stays_missing_in_equal_answers() -> None:
    with pytest.raises(BrokerAwayError):
        confirmed(answer(), *[answer(error=3)] * 100, times=2)
