"""Reading a log up to its end: what is asked for comes, or an error in words, whatever the broker does."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaTimeoutError, OffsetOutOfRangeError

from producer.__main__ import main as producer
from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.batches import is_aborted
from risk.kafka.connection import Connection, connection_of
from risk.kafka.log import LogReader, Reads, reading
from risk.kafka.sending import Message
from risk.settings import read_settings
from risk.topics import topics_of
from testing.brokers import TestKafka
from tests.kafka_tampering import end_is_written, send, send_in_a_transaction

PLACE = TopicPartition("ledger-days", 0)
Found = dict[TopicPartition, list["Stored"]]


class Stored(NamedTuple):
    offset: int


class Consumer:
    """A consumer of one partition; each fetch brings what the next of `fetches` says: offsets, or an error."""

    def __init__(self, fetches: Sequence[Sequence[int] | Exception], markers: Sequence[int] = ()) -> None:
        self._fetches = iter(fetches)
        self._markers = markers  # offsets that hold no record
        self._position = 0
        self.asked = 0

    def assign(self, places: list[TopicPartition]) -> None:
        assert places == [PLACE]

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place == PLACE
        self._position = offset

    async def position(self, place: TopicPartition) -> int:
        assert place == PLACE
        return self._position

    async def getmany(self, place: TopicPartition, *, timeout_ms: int, max_records: int | None) -> Found:
        assert timeout_ms > 0
        assert max_records is None
        self.asked += 1
        fetched = next(self._fetches, ())
        if isinstance(fetched, Exception):
            raise fetched
        if not fetched:
            return {}
        self._position = fetched[-1] + 1
        records = [Stored(offset) for offset in fetched if offset not in self._markers]
        return {place: records} if records else {}

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        raise KafkaTimeoutError(f"no answer about {len(places)} partitions")


async def read(consumer: Consumer, end: int) -> list[int]:
    reader = LogReader(consumer, limit_seconds=2.0)
    reader.begin({PLACE: 0})
    return [record.offset async for records in reader.until(PLACE, end) for record in records]


def test_it_reads_up_to_the_end_and_no_further() -> None:
    consumer = Consumer([[0, 1], [], [2, 3, 4]])
    assert asyncio.run(read(consumer, 4)) == [0, 1, 2, 3]


def test_a_broker_that_goes_away_is_an_error_and_not_a_wait() -> None:
    """The client asks it again for ever, in silence."""
    consumer = Consumer([[0, 1]])
    with pytest.raises(BrokerAwayError, match=r"ledger-days-0: nothing came behind offset 2 in 2 s, .* offset 4"):
        asyncio.run(read(consumer, 4))
    assert consumer.asked == 11


def test_a_slow_broker_is_no_broker_that_is_away() -> None:
    """The limit begins anew with everything that comes."""
    slow = [fetch for offset in range(5) for fetch in ([[]] * 9 + [[offset]])]
    assert asyncio.run(read(Consumer(slow), 5)) == [0, 1, 2, 3, 4]


def test_offsets_that_hold_no_record_are_a_way_to_the_end() -> None:
    consumer = Consumer([[0, 1], [2], [3, 4]], markers=[2, 4])
    assert asyncio.run(read(consumer, 5)) == [0, 1, 3]


@pytest.mark.parametrize(
    ("fault", "wanted"), [(KafkaTimeoutError(), BrokerAwayError), (OffsetOutOfRangeError({PLACE: 7}), BrokerError)]
)
def test_errors_of_the_client_say_what_was_read_and_whether_to_try_again(
    fault: Exception, wanted: type[BrokerError]
) -> None:
    with pytest.raises(BrokerError, match="ledger-days-0: the broker did not answer as expected") as raised:
        asyncio.run(read(Consumer([fault]), 4))
    assert type(raised.value) is wanted


def test_ends_that_the_broker_does_not_tell_are_an_error() -> None:
    with pytest.raises(BrokerAwayError, match="ledger-days-0: the broker did not answer as expected"):
        asyncio.run(LogReader(Consumer([])).ends([PLACE]))


def test_a_real_log_with_the_end_of_a_transaction_is_read_to_its_end(kafka: TestKafka, prefix: str) -> None:
    environment = kafka.environment(prefix)
    assert producer(["topics", "--partitions", "1"], environment) == 0
    place = TopicPartition(topics_of(prefix).labels, 0)
    send(kafka.address, *place, [Message(b"k", b"0"), Message(b"k", b"1")])
    send_in_a_transaction(kafka.address, *place, [Message(b"k", b"2")])

    async def found() -> tuple[tuple[int, int], list[bytes]]:
        names = {name: value for name, value in environment.items() if name.startswith("TRUSTLENS_")}
        async with reading(connection_of(read_settings(names))) as reader:
            begin, end = (await reader.bounds([place]))[place]
            reader.begin({place: begin})
            return (begin, end), [record.value async for piece in reader.until(place, end) for record in piece]

    assert asyncio.run(found()) == ((0, 4), [b"0", b"1", b"2"])


class Log:
    """What a reader gives of a real log."""

    def __init__(self, connection: Connection, place: TopicPartition) -> None:
        self._connection = connection
        self._place = place

    async def end(self, reads: Reads) -> int:
        async with reading(self._connection, reads=reads) as reader:
            return (await reader.ends([self._place]))[self._place]

    async def records(self, reads: Reads, *, most: int | None = None, begin: int = 0) -> list[Any]:
        async with reading(self._connection, reads=reads) as reader:
            reader.begin({self._place: begin})
            end = (await reader.ends([self._place]))[self._place]
            return [record async for piece in reader.until(self._place, end, most=most) for record in piece]


def shown(records: Sequence[Any]) -> list[tuple[int, bytes | None, bool]]:
    return [(record.offset, record.value, is_aborted(record)) for record in records]


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_of_transactions_side_by_side_what_was_aborted_is_left_out_or_marked(
    kafka: TestKafka, prefix: str, codec: str | None
) -> None:
    """The second is aborted while the first is open, and its producer commits another one after that."""
    environment = kafka.environment(prefix)
    assert producer(["topics", "--partitions", "1"], environment) == 0
    place = TopicPartition(topics_of(prefix).labels, 0)
    names = {name: value for name, value in environment.items() if name.startswith("TRUSTLENS_")}
    log = Log(connection_of(read_settings(names)), place)

    async def go() -> None:
        one, two, again, plain = (
            AIOKafkaProducer(bootstrap_servers=kafka.address, transactional_id=name, compression_type=codec)
            for name in (f"{prefix}one", f"{prefix}two", f"{prefix}two", None)
        )

        async def send(by: AIOKafkaProducer, value: bytes | None) -> None:
            await by.send_and_wait(place.topic, value, b"k", partition=0)

        async with one, two, plain:
            await send(plain, b"0")
            await one.begin_transaction()
            await two.begin_transaction()
            await send(one, b"1")
            await send(two, None)
            await send(two, b"3")
            await send(one, b"4")
            await send(plain, b"5")
            await two.abort_transaction()
            await end_is_written(kafka.address, f"{prefix}two")
            assert [await log.end(reads) for reads in Reads] == [7, 1, 1]
            assert shown(await log.records(Reads.COMMITTED)) == [(0, b"0", False)]
            await one.commit_transaction()
            await end_is_written(kafka.address, f"{prefix}one")
            async with again, again.transaction():
                await send(again, b"8")
            await end_is_written(kafka.address, f"{prefix}two")
            assert [await log.end(reads) for reads in Reads] == [10, 10, 10]

    asyncio.run(go())
    good = [(0, b"0", False), (1, b"1", False), (4, b"4", False), (5, b"5", False), (8, b"8", False)]
    gone = [(2, None), (3, b"3")]
    for most in (None, 1):
        assert shown(asyncio.run(log.records(Reads.COMMITTED, most=most))) == good
    for begin in (0, 3):
        marked = sorted([*good, *((*one, True) for one in gone)])
        assert shown(asyncio.run(log.records(Reads.MARKED, begin=begin))) == [one for one in marked if one[0] >= begin]
    assert shown(asyncio.run(log.records(Reads.ALL))) == sorted([*good, *((*one, False) for one in gone)])
