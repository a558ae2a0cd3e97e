"""The follower: a worker that starts while others close days knows all of them, whatever the moment."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from producer.__main__ import main as producer
from risk.clock import DAY, HOUR
from risk.errors import StoreError
from risk.kafka.connection import connection_of
from risk.kafka.log import Reads, reading
from risk.kafka.sending import Message
from risk.ledger_day import LedgerDay, LedgerTerms
from risk.ledger_log import DayReader, key_of, messages_of
from risk.settings import read_settings
from risk.store import Store, open_store
from risk.topics import topics_of
from scorer.ledger.closed_days import LedgerDays
from scorer.ledger.follower import Follower
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread
from scorer.verify.days import Survey, survey
from testing.brokers import TestKafka
from tests.kafka_tampering import compact, lose, send

FIRST = 20_000
Answer = TypeVar("Answer")


class SharedStore(StoreThread):
    """A store in which another worker does something when this one has asked so many times."""

    def __init__(self, path: Path, after: int, happens: Callable[[], None]) -> None:
        super().__init__(path, name="test")
        self._after = after
        self._happens = happens

    async def call(self, ask: Callable[[Store], Answer]) -> Answer:
        answer = await super().call(ask)
        self._after -= 1
        if self._after == 0:
            self._happens()
        return answer


async def confirmed(topic: str, partition: int) -> None:
    """The topics are what they were."""


def day(number: int) -> list[Message]:
    """A closed day with one transaction, as the closer publishes it."""
    closed = LedgerDay(FIRST + number, 7, HOUR, ("mill",), ((FIRST + number) * DAY,), (1,), (0,))
    return [Message(key_of(closed).as_bytes(), value) for value in messages_of(closed, 1)]


def known(
    kafka: TestKafka, prefix: str, store: StoreThread, *, accept_gap: bool = False, metrics: Metrics | None = None
) -> int | None:
    """The newest day that a follower knows once it has started."""
    days, metrics = LedgerDays(LedgerTerms(7, HOUR)), metrics or Metrics(CollectorRegistry())

    async def start() -> None:
        connection = connection_of(read_settings(kafka.environment(prefix)))
        async with reading(connection, reads=Reads.MARKED) as reader:
            await Follower(
                reader, topics_of(prefix).ledger, days, store, metrics, confirmed, accept_gap=accept_gap
            ).start()

    asyncio.run(start())
    return days.newest


@pytest.fixture
def ledger(kafka: TestKafka, prefix: str) -> str:
    """The ledger's topic, with two closed days in it."""
    assert producer(["topics", "--partitions", "1"], kafka.environment(prefix)) == 0
    topic = topics_of(prefix).ledger
    send(kafka.address, topic, 0, [*day(0), *day(1)])
    return topic


def test_where_the_ledger_stands_is_shown_though_no_day_comes(
    kafka: TestKafka, prefix: str, ledger: str, tmp_path: Path
) -> None:
    store, metrics = StoreThread(tmp_path / "risk.db", name="test"), Metrics(CollectorRegistry())
    known(kafka, prefix, store)
    send(kafka.address, ledger, 0, [Message(b"", b"no day")])
    known(kafka, prefix, store, metrics=metrics)
    assert metrics.ledger_day._value.get() == (FIRST + 2) * DAY / 1000
    assert metrics.ledger_unreadable._value.get() == 1
    store.close()


def test_a_new_store_learns_what_the_topic_has(kafka: TestKafka, prefix: str, ledger: str, tmp_path: Path) -> None:
    store = StoreThread(tmp_path / "risk.db", name="test")
    assert known(kafka, prefix, store) == FIRST + 1
    send(kafka.address, ledger, 0, day(2))
    assert known(kafka, prefix, store) == FIRST + 2
    store.close()


@pytest.mark.parametrize("after", [1, 2])
def test_days_that_another_worker_stores_meanwhile_are_not_missed(
    kafka: TestKafka, prefix: str, ledger: str, tmp_path: Path, after: int
) -> None:
    """Whatever this one has asked of the store by then."""
    path = tmp_path / "risk.db"
    reader = DayReader()
    read = [reader.read(offset, message.value or b"") for offset, message in enumerate([*day(0), *day(1)])]
    closed = [one for one in read if one is not None]
    with open_store(path) as other:
        store = SharedStore(path, after, lambda: other.add_ledger_days(closed, reader.resume_at))
        assert known(kafka, prefix, store) == FIRST + 1
        send(kafka.address, ledger, 0, day(2))
        assert known(kafka, prefix, store) == FIRST + 2
        store.close()


def test_a_ledger_whose_beginning_is_gone_is_refused(
    kafka: TestKafka, prefix: str, ledger: str, tmp_path: Path
) -> None:
    """A new store would close the days that are gone again, from the labels of today."""
    lose(kafka.address, ledger, 0, len(day(0)))
    store = StoreThread(tmp_path / "risk.db", name="test")
    with pytest.raises(StoreError, match=f"begins at {len(day(0))}: days that were closed are gone"):
        known(kafka, prefix, store)
    assert known(kafka, prefix, store, accept_gap=True) == FIRST + 1
    store.close()


def test_a_ledger_that_was_compacted_is_refused_until_that_is_accepted(
    kafka: TestKafka, prefix: str, ledger: str, tmp_path: Path
) -> None:
    """A day's messages have one key, so only the end marks are left. A store that had read them misses nothing."""
    knows, new = (StoreThread(tmp_path / name, name="test") for name in ("risk.db", "new.db"))
    assert known(kafka, prefix, knows) == FIRST + 1
    compact(kafka.address, ledger, 0, (day(2)[0], None), left=3)
    with pytest.raises(StoreError, match=r"compaction took 2 records out of the log, from offset 0 to 2: .* delete"):
        known(kafka, prefix, new)
    assert known(kafka, prefix, new, accept_gap=True) is None
    for store, newest in ((knows, FIRST + 1), (new, None)):
        assert known(kafka, prefix, store) == newest
        store.close()


def test_an_audit_knows_what_compaction_took_of_the_ledger(kafka: TestKafka, prefix: str, ledger: str) -> None:
    compact(kafka.address, ledger, 0, (day(2)[0], None), left=3)

    async def surveyed() -> Survey:
        connection = connection_of(read_settings(kafka.environment(prefix)))
        async with reading(connection, reads=Reads.MARKED) as reader:
            return await survey(reader, TopicPartition(ledger, 0))

    found = asyncio.run(surveyed())
    assert [(one.offset, one.next_offset) for one in found.gone] == [(0, 1), (2, 3)]
    assert found.days == {}


@pytest.mark.usefixtures("ledger")
def test_a_ledger_that_is_shorter_than_the_store_is_refused(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    store = StoreThread(tmp_path / "risk.db", name="test")
    asyncio.run(store.call(lambda one: one.add_ledger_days([], 1_000)))
    with pytest.raises(StoreError, match="knows it up to offset 1000, and it ends at 4"):
        known(kafka, prefix, store)
    store.close()
