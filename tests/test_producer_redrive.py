"""Rejected messages, sent again where they came from."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, OffsetAndMetadata, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from hypothesis import given
from hypothesis import strategies as st

from producer.__main__ import main
from producer.delivery.already import Place
from producer.delivery.wire import Wire
from producer.redrive.command import GROUP
from producer.redrive.marks import Marks
from producer.redrive.redriving import Found, Redrive
from producer.redrive.shelf import RejectShelf
from risk.diagnosis import Unread
from risk.errors import BrokerAwayError
from risk.events import Rejected, RejectReason
from risk.kafka.connection import connection_of
from risk.kafka.log import Bounds
from risk.kafka.sending import Message
from risk.rejects import KEPT, LARGEST_WHOLE, reject_message
from risk.settings import read_settings
from risk.topics import DETAIL, REASON, SOURCE_OFFSET, SOURCE_PARTITION, SOURCE_TOPIC, topics_of
from testing.brokers import TestKafka
from testing.replays import Record, everything

PARTITIONS = 2
PLACE = ("transactions-rejected", 0)
REASONS = ("refund", "bad_time", "not_json")


def headers(topic: str, partition: int, offset: int, reason: str) -> list[tuple[str, bytes]]:
    return [
        (REASON, reason.encode()),
        (DETAIL, b"as said"),
        (SOURCE_TOPIC, topic.encode()),
        (SOURCE_PARTITION, str(partition).encode()),
        (SOURCE_OFFSET, str(offset).encode()),
    ]


class Rejects:
    """A partition of rejects in memory, with what was noted."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.found = [
            Found(offset, b"k", str(offset).encode(), headers("transactions", 0, offset * 10, reason))
            for offset, reason in enumerate(reasons)
        ]
        self.originals: dict[tuple[Place, int], Found] = {}
        self.noted: tuple[int, str] | None = None
        self.sent: list[tuple[Place, str]] = []

    async def marks(self, place: Place, begin: int) -> Marks:
        assert place == PLACE
        return Marks(begin, {}) if self.noted is None else Marks.read(*self.noted)

    async def read(self, place: Place, offset: int, most: int) -> tuple[list[Found], int]:
        assert place == PLACE
        found = self.found[offset : offset + min(most, 3)]
        return found, offset + len(found)

    async def original(self, place: Place, offset: int) -> Found | None:
        return self.originals.get((place, offset))

    async def check(self, place: Place) -> None:
        assert place == PLACE

    async def note(self, place: Place, marks: Marks) -> None:
        assert place == PLACE
        self.noted = marks.base, marks.note()

    async def deliver(self, parcels: Mapping[Place, list[Message]], /) -> None:
        self.sent += [(place, (one.value or b"").decode()) for place, part in parcels.items() for one in part]

    def run(self, reason: str | None = None, limit: int | None = None, *, is_dry: bool = False) -> Redrive:
        redrive = Redrive(
            self,
            None if is_dry else self,
            reason=reason,
            limit=limit,
            sources=frozenset({("transactions", 0)}),
            is_stopping=lambda: False,
        )
        asyncio.run(redrive.run({PLACE: Bounds(0, len(self.found))}))
        return redrive


def test_what_a_reason_passes_over_is_there_for_a_later_run() -> None:
    rejects = Rejects(["refund", "bad_time", "refund", "not_json", "bad_time"])
    rejects.run("bad_time")
    assert rejects.sent == [(("transactions", 0), "1"), (("transactions", 0), "4")]
    rejects.run("bad_time")
    assert len(rejects.sent) == 2
    rejects.run()
    assert [value for _, value in rejects.sent] == ["1", "4", "0", "2", "3"]


RUNS = st.lists(
    st.tuples(st.one_of(st.none(), st.sampled_from(REASONS)), st.one_of(st.none(), st.integers(1, 5))), max_size=8
)


@given(reasons=st.lists(st.sampled_from(REASONS), max_size=20), runs=RUNS)
def test_whatever_the_runs_each_message_is_sent_once(
    reasons: list[str], runs: list[tuple[str | None, int | None]]
) -> None:
    rejects = Rejects(reasons)
    for reason, limit in runs:
        before = len(rejects.sent)
        rejects.run(reason, limit)
        new = [reasons[int(value)] for _, value in rejects.sent[before:]]
        assert reason is None or set(new) <= {reason}
        assert limit is None or len(new) <= limit
    rejects.run()
    assert sorted(int(value) for _, value in rejects.sent) == list(range(len(reasons)))


def test_a_dry_run_sends_and_notes_nothing() -> None:
    rejects = Rejects(["refund", "bad_time", "refund", "refund", "refund"])
    assert rejects.run(is_dry=True).sent == {"refund": 4, "bad_time": 1}
    assert (rejects.sent, rejects.noted) == ([], None)


def test_what_was_rejected_twice_is_sent_once() -> None:
    rejects = Rejects(["refund", "bad_time"])
    rejects.found.append(rejects.found[0]._replace(offset=2))
    assert rejects.run().repeated == 1
    assert [value for _, value in rejects.sent] == ["0", "1"]


def test_what_somebody_else_wrote_of_the_same_offset_hides_nothing() -> None:
    rejects = Rejects(["refund"])
    forged = rejects.found[0]._replace(value=b"another", offset=0)
    rejects.found = [forged, rejects.found[0]._replace(offset=1)]
    assert rejects.run().repeated == 0
    assert [value for _, value in rejects.sent] == ["another", "0"]


def test_the_same_reject_of_two_versions_is_sent_once() -> None:
    """Version 0.1 sent every one whole."""
    rejects, value = Rejects(["refund"]), b"x" * (LARGEST_WHOLE + 1)
    short_one = short(value, 77)
    whole = short_one._replace(value=value, headers=headers("transactions", 0, 77, "too_large"), offset=2)
    rejects.found += [short_one, whole]
    rejects.originals = {(("transactions", 0), 77): Found(77, b"k", value, ())}
    assert rejects.run().repeated == 1
    assert [len(sent) for _, sent in rejects.sent] == [1, len(value)]


def test_one_that_says_to_be_whole_and_is_larger_than_a_topic_takes_ends_no_run() -> None:
    rejects = Rejects(["refund", "refund"])
    rejects.found[0] = rejects.found[0]._replace(value=bytes(3_000_000))
    assert rejects.run().too_large == 1
    assert [value for _, value in rejects.sent] == ["1"]


@pytest.mark.parametrize(
    "strange",
    [
        [],
        headers("somebody-elses", 0, 5, "refund"),
        headers("transactions", 7, 5, "refund"),
        headers("transactions", 0, 5, "refund")[:-1],
        [*headers("transactions", 0, 5, "refund")[:-1], (SOURCE_OFFSET, b"five")],
    ],
)
def test_what_does_not_say_where_it_came_from_is_passed_over(strange: list[tuple[str, bytes]]) -> None:
    rejects = Rejects(["refund"])
    rejects.found.append(Found(1, b"k", b"1", strange))
    assert rejects.run().not_understood == 1
    assert [value for _, value in rejects.sent] == ["0"]


def short(value: bytes, offset: int) -> Found:
    """The reject of a message that is too large to be sent whole."""
    sent = reject_message("transactions", 0, offset, b"k", value, Rejected(RejectReason.TOO_LARGE, "as said"))
    assert sent.value == value[:KEPT]
    return Found(1, *sent)


def test_what_was_not_rejected_whole_is_read_where_it_came_from() -> None:
    rejects, value = Rejects(["refund"]), b"x" * (LARGEST_WHOLE + 1)
    rejects.found.append(short(value, 77))
    rejects.originals = {(("transactions", 0), 77): Found(77, b"k", value, ())}
    rejects.run()
    assert [len(sent) for _, sent in rejects.sent] == [1, len(value)]


@pytest.mark.parametrize(
    ("original", "gone", "too_large"),
    [
        (None, 1, 0),
        (b"y" * (LARGEST_WHOLE + 1), 1, 0),
        (Unread("a batch"), 1, 0),
        (b"x" * 2_000_000, 0, 1),
    ],
    ids=["none", "another", "unread", "large"],
)
def test_an_original_that_cannot_be_sent_is_counted(original: bytes | None, gone: int, too_large: int) -> None:
    rejects = Rejects(["refund"])
    rejects.found.append(short(b"x" * (2_000_000 if too_large else LARGEST_WHOLE + 1), 77))
    if original is not None:
        rejects.originals = {(("transactions", 0), 77): Found(77, b"k", original, ())}
    redrive = rejects.run()
    assert (redrive.gone, redrive.too_large, len(rejects.sent)) == (gone, too_large, 1)


def test_a_broker_that_goes_ends_the_reading(own_kafka: TestKafka, prefix: str) -> None:
    """It was asked again for ever."""
    environment = own_kafka.environment(prefix)
    assert main(["topics", "--partitions", str(PARTITIONS)], environment) == 0
    asyncio.run(_reject(own_kafka.address, prefix))
    asyncio.run(_read_without_a_broker(own_kafka, prefix))


async def _read_without_a_broker(kafka: TestKafka, prefix: str) -> None:
    topics, known = topics_of(prefix), connection_of(read_settings({"TRUSTLENS_BROKERS": kafka.address}))
    wire = Wire(known, topics, topics)
    place = (topics.rejected, 0)
    async with RejectShelf(known, wire, prefix + "g", {place: Bounds(0, 3)}, limit_seconds=1) as shelf:
        found, _ = await shelf.read(place, 0, 1)
        assert len(found) == 1
        await asyncio.to_thread(kafka.kill)
        with pytest.raises(BrokerAwayError, match="nothing came behind offset 1 in 1 s"):
            await _read_all(shelf, place)


async def _read_all(shelf: RejectShelf, place: Place) -> None:
    offset = 1
    while offset < 1_000:
        _, offset = await shelf.read(place, offset, 1)


# On a real Kafka

REJECTED = [
    (b"C1", b'{"amount": -1}', "refund"),
    (None, b"\xff\x00 no text", "not_utf8"),
    (b"", None, "not_json"),
    (b"C2", b"{}", "missing_field"),
    (b"C3", b'{"amount": -2}', "refund"),
]


async def _reject(address: str, prefix: str) -> None:
    topics = topics_of(prefix)
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        for number, (key, value, reason) in enumerate(REJECTED):
            topic = topics.labels if reason == "missing_field" else topics.transactions
            partition = number % PARTITIONS
            of = headers(topic, partition, number, reason)
            await producer.send_and_wait(topics.rejected, value, key=key, partition=partition, headers=of)


@pytest.fixture
def environment(kafka: TestKafka, prefix: str) -> dict[str, str]:
    environment = kafka.environment(prefix)
    assert main(["topics", "--partitions", str(PARTITIONS)], environment) == 0
    asyncio.run(_reject(kafka.address, prefix))
    return environment


def back(kafka: TestKafka, topic: str) -> list[tuple[int, bytes | None, bytes | None]]:
    found: list[Record] = [one for part in everything(kafka.address, topic).values() for one in part]
    return sorted(((one.partition, one.key, one.value) for one in found), key=repr)


def as_sent(*numbers: int) -> list[tuple[int, bytes | None, bytes | None]]:
    return sorted(((number % PARTITIONS, *REJECTED[number][:2]) for number in numbers), key=repr)


def test_the_original_bytes_go_back_where_they_came_from_once(
    kafka: TestKafka, prefix: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    topics = topics_of(prefix)
    assert main(["redrive", "--dry-run"], environment) == 0
    assert "5 messages to be sent again" in capsys.readouterr().out
    assert back(kafka, topics.transactions) == []
    for _ in range(2):
        assert main(["redrive", "--reason", "refund"], environment) == 0
        assert back(kafka, topics.transactions) == as_sent(0, 4)
    for _ in range(2):
        assert main(["redrive"], environment) == 0
        assert back(kafka, topics.transactions) == as_sent(0, 1, 2, 4)
        assert back(kafka, topics.labels) == as_sent(3)
    assert "0 messages sent again" in capsys.readouterr().out


def test_a_broker_that_is_slow_to_say_who_leads_the_group_ends_nothing(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The client looks for it beside everything else; here only when both partitions of the rejects were read."""
    has_read, reads, finds = asyncio.Event(), RejectShelf.read, GroupCoordinator.ensure_coordinator_known

    async def read(shelf: RejectShelf, place: Place, offset: int, most: int) -> tuple[list[Found], int]:
        found = await reads(shelf, place, offset, most)
        if place[1] == PARTITIONS - 1:
            has_read.set()
        return found

    async def find(coordinator: GroupCoordinator) -> None:
        await has_read.wait()
        await finds(coordinator)

    monkeypatch.setattr(RejectShelf, "read", read)
    monkeypatch.setattr(GroupCoordinator, "ensure_coordinator_known", find)
    assert main(["redrive", "--dry-run"], environment) == 0
    assert "5 messages to be sent again" in capsys.readouterr().out


def test_a_limit_stops_and_the_next_run_goes_on(kafka: TestKafka, prefix: str, environment: dict[str, str]) -> None:
    topics = topics_of(prefix)
    counts = []
    for _ in range(4):
        assert main(["redrive", "--limit", "2"], environment) == 0
        counts.append(len(back(kafka, topics.transactions)) + len(back(kafka, topics.labels)))
    assert counts == [2, 4, 5, 5]


async def _commit(address: str, group: str, topic: str, note: str) -> None:
    place = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign([place])
        await consumer.commit({place: OffsetAndMetadata(0, note)})


@pytest.mark.parametrize("note", ["mine", "[1]", '{"refund": "5"}'])
def test_a_note_that_no_redrive_wrote_is_refused_in_words(
    kafka: TestKafka, prefix: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str], note: str
) -> None:
    topics = topics_of(prefix)
    asyncio.run(_commit(kafka.address, prefix + GROUP, topics.rejected, note))
    assert main(["redrive"], environment) == 1
    assert "expected one that a redrive wrote; somebody else uses this group" in capsys.readouterr().err
    assert back(kafka, topics.transactions) == []


def test_a_reason_that_there_is_not_is_refused(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["redrive", "--reason", "refunds"], environment)
    assert "got 'refunds', expected one of too_large" in capsys.readouterr().err
