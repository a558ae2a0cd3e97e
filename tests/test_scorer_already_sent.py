"""Reading outputs back: what is there with the same bytes is not sent again."""

import asyncio
import sys
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from risk.clock import EPOCH
from risk.codec import to_wire
from risk.events import Level, Transaction
from risk.kafka.log import LogReader
from risk.kafka.sending import Message
from risk.outputs import HighRiskAlert, RiskFlag, encode, without_history_days
from risk.rejects import read_reject_headers
from risk.topics import DETAIL, REASON, SOURCE_OFFSET, SOURCE_PARTITION, SOURCE_TOPIC
from scorer.log.already_sent import (
    VALUES_OF_ONE,
    OutputRange,
    SentOutput,
    Skipped,
    read_back,
    sent_value,
    source_of_alert,
    source_of_flag,
    source_of_reject,
)
from scorer.log.chunks import Place
from scorer.log.outputs import Out
from tests.cases import NEW_YEAR

PLACE = TopicPartition("risk-flags", 0)
SOURCE, END = Place("transactions", 0), 1_000
BUNDLE = "lightgbm-1a2b3c4d"


def headers(name: str = "", changed: bytes | None = None) -> list[tuple[str, bytes | None]]:
    """As a worker writes them, but for one."""
    told: dict[str, bytes | None] = {
        REASON: b"refund",
        DETAIL: b"as said",
        SOURCE_TOPIC: b"transactions",
        SOURCE_PARTITION: b"0",
        SOURCE_OFFSET: b"12",
    }
    return list((told | ({name: changed} if name else {})).items())


class Stored(NamedTuple):
    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    key: bytes | None = None


class Partition:
    """A consumer of one partition that gives three records at a time."""

    def __init__(self, records: Sequence[Stored]) -> None:
        self._records = records
        self._position = 0
        self.given = 0

    def assign(self, places: list[TopicPartition]) -> None:
        assert places == [PLACE]

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place == PLACE
        self._position = offset

    async def getmany(
        self, place: TopicPartition, *, timeout_ms: int, max_records: int | None
    ) -> dict[TopicPartition, list[Stored]]:
        assert timeout_ms > 0
        assert max_records is None
        found = [record for record in self._records if record.offset >= self._position][:3]
        self._position = found[-1].offset + 1 if found else self._position
        self.given += len(found)
        return {place: found}

    async def position(self, place: TopicPartition) -> int:
        assert place == PLACE
        return self._position

    async def stop(self) -> None:
        """Nothing is open here."""


def flag(source: int, transaction: str = "t", *, bundle: str = BUNDLE, place: Place = SOURCE) -> RiskFlag:
    return RiskFlag(transaction, "ann", EPOCH, 0.5, Level.LOW, (), (), None, bundle, *place, source)


def value(source: int, transaction: str = "t") -> bytes:
    return encode(flag(source, transaction))


def out(source: int, transaction: str = "t") -> Out:
    return Out(source, Message(None, value(source, transaction)))


def shelf(
    records: Sequence[Stored], *, first: int = 0, end: int | None = None, foreign: list[int] | None = None
) -> tuple[SentOutput, Partition]:
    """`foreign` gets the offsets of what no worker wrote."""
    partition = Partition(records)
    until = len(records) if end is None else end
    passed = [] if foreign is None else foreign
    unread = OutputRange(PLACE, first, until, source_of_flag(SOURCE, END), lambda record: passed.append(record.offset))
    [made] = read_back(LogReader(partition), [unread])
    return made, partition


def test_what_is_there_is_not_sent_again() -> None:
    made, _ = shelf([Stored(n, value(n)) for n in range(5)])
    asyncio.run(made.read_to(4))
    found = made.sendable([out(n) for n in range(3, 7)])
    assert ([o.source_offset for o in found.missing], found.present, found.different) == ([5, 6], 2, 0)


def test_what_is_there_with_other_bytes_is_sent_and_counted() -> None:
    made, _ = shelf([Stored(0, value(0, "other"))])
    asyncio.run(made.read_to(0))
    found = made.sendable([out(0)])
    assert (len(found.missing), found.present, found.different) == (1, 0, 1)


def test_it_reads_no_further_than_it_must() -> None:
    """However much is there, memory holds what lies a fetch ahead."""
    made, partition = shelf([Stored(n, value(n)) for n in range(100)])
    asyncio.run(made.read_to(4))
    assert partition.given == 6
    assert made.values(4) == [sent_value(value(4))]
    assert not made.is_read


def test_it_ends_where_the_partition_ended_when_the_reading_began() -> None:
    """What was sent since is ours."""
    made, _ = shelf([Stored(n, value(n)) for n in range(4)], end=2)
    asyncio.run(made.read_to(3))
    assert made.is_read
    assert (made.values(1), made.values(2)) == ([sent_value(value(1))], [])


def test_a_repeat_in_between_brings_nothing_new() -> None:
    made, _ = shelf([Stored(place, value(source)) for place, source in enumerate([0, 1, 2, 1, 2, 3, 4])])
    asyncio.run(made.read_to(4))
    assert made.sendable([out(n) for n in range(6)]).present == 5


def test_a_source_without_an_output_does_not_hold_the_reading_up() -> None:
    """Rejects are few: the next one that is there may lie far behind."""
    made, _ = shelf([Stored(0, value(1)), Stored(1, value(90))])
    asyncio.run(made.read_to(50))
    assert made.sendable([out(1), out(50)]).present == 1
    assert made.has_seen(60)
    assert not made.has_seen(91)


def test_it_is_done_when_all_is_read_and_nothing_is_left_to_compare() -> None:
    made, _ = shelf([Stored(0, value(0)), Stored(1, value(7))])
    asyncio.run(made.read_to(7))
    made.forget_before(5)
    assert not made.is_done
    made.forget_before(8)
    assert made.is_done


def test_what_names_an_offset_far_ahead_hides_nothing_that_is_there() -> None:
    """Such a flag looks like ours, and the order tells no more; what is to be sent is looked for to its place."""
    made, partition = shelf([Stored(0, value(900)), *(Stored(1 + n, value(n)) for n in range(100))])
    asyncio.run(made.read_to(9))
    assert partition.given == 3
    assert asyncio.run(made.read_on(range(10)))
    assert made.sendable([out(n) for n in range(10)]) == ([], 10, 0)
    assert partition.given == 12
    asyncio.run(made.read_to(19))
    assert made.sendable([out(n) for n in range(20)]) == ([], 20, 0)
    assert not asyncio.run(made.read_on(range(20)))
    assert partition.given == 24


def test_what_is_nowhere_is_looked_for_to_the_end_once() -> None:
    made, _ = shelf([Stored(0, value(900)), *(Stored(1 + n, value(n)) for n in range(8))])
    asyncio.run(made.read_to(9))
    assert asyncio.run(made.read_on([3, 9]))
    assert made.is_read
    assert not asyncio.run(made.read_on([9]))
    assert not made.has_seen(8)


def test_a_shelf_that_was_read_ends_before_what_should_be_there_and_is_not() -> None:
    made, _ = shelf([Stored(0, value(0)), Stored(1, value(900))])
    asyncio.run(made.read_to(9))
    assert made.has_seen(5)
    made.ends_before(5)
    assert made.has_seen(4)
    assert not made.has_seen(5)


# What somebody else wrote

NONSENSE = (
    b"hello",
    b'{"source_offset":3}',
    b'{"source_offset":3,"bundle_version":"lightgbm-1a2b3c4d"}',
    *(encode(flag(3, bundle=name)) for name in ("..", "junk", "a/b-01234567", "x" * 300, "../m-01234567", "")),
    encode(flag(3, place=Place("transactions", 1))),
    encode(flag(3, place=Place("labels", 0))),
    *(encode(flag(offset)) for offset in (-1, END, 10**18)),
    encode(flag(3)).replace(b'"source_offset":3', b'"source_offset":' + b"9" * 5_000),
)


@pytest.mark.parametrize("nonsense", [None, *NONSENSE])
def test_what_no_worker_wrote_is_counted_and_passed_over(nonsense: bytes | None) -> None:
    """Neither is it compared, nor does the reading end early where it names an offset far ahead."""
    foreign: list[int] = []
    made, _ = shelf([Stored(0, nonsense), *(Stored(1 + n, value(n)) for n in range(8))], foreign=foreign)
    asyncio.run(made.read_to(7))
    assert foreign == [0]
    assert made.sendable([out(n) for n in range(8)]) == ([], 8, 0)


def test_another_flag_for_the_same_transaction_does_not_hide_ours() -> None:
    """Whether it came before or after; and what it names comes first or last, as it came."""
    other = encode(flag(0, bundle="other-01234567"))
    for there in ([value(0), other], [other, value(0)]):
        made, _ = shelf([Stored(n, one) for n, one in enumerate(there)])
        asyncio.run(made.read_to(0))
        assert made.sendable([out(0)]).present == 1
        assert made.values(0) == list(map(sent_value, there[::-1]))


def test_of_one_transaction_only_the_newest_flags_are_remembered() -> None:
    there = [value(0, f"t{n}") for n in range(3 * VALUES_OF_ONE)]
    made, _ = shelf([Stored(n, one) for n, one in enumerate(there)])
    asyncio.run(made.read_to(0))
    assert made.values(0) == list(map(sent_value, there[: -VALUES_OF_ONE - 1 : -1]))


def test_no_value_that_was_read_stays_in_memory() -> None:
    """A few kilobytes that somebody sends can be many megabytes once they are unpacked, for each source offset."""
    values = [value(n) for n in range(9)]
    made, _ = shelf([Stored(n, one) for n, one in enumerate(values)])
    before = [sys.getrefcount(one) for one in values]
    asyncio.run(made.read_to(8))
    assert all(made.has(n) for n in range(9))
    assert [sys.getrefcount(one) for one in values] == before


def test_an_alert_is_recognised_as_a_flag_is() -> None:
    def alert(bundle: str) -> Stored:
        transaction = Transaction("t", NEW_YEAR, "ann", "EUR")
        told = HighRiskAlert("id", to_wire(transaction), 0.5, Level.HIGH, 0.4, (), (), None, bundle, 1, *SOURCE, 7)
        return Stored(0, encode(told))

    source = source_of_alert(SOURCE, END)
    assert (source(alert(BUNDLE)), source(alert("..")), source(Stored(0, value(7)))) == (
        7, Skipped.FOREIGN, Skipped.FOREIGN,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "source"),
    [
        (headers(), 12),
        (headers(SOURCE_TOPIC, b"labels"), Skipped.OTHER_SOURCE),
        (headers(SOURCE_TOPIC, b"elsewhere"), Skipped.FOREIGN),
        (headers(SOURCE_PARTITION, b"1"), Skipped.FOREIGN),
        (headers(SOURCE_OFFSET, b"1000"), Skipped.FOREIGN),
        ([*headers(), (SOURCE_OFFSET, b"13")], Skipped.FOREIGN),
        ([*headers(), ("of-somebody-else", b"\xff")], 12),
        (headers()[1:], Skipped.FOREIGN),
        ([], Skipped.FOREIGN),
    ],
)
def test_a_reject_tells_its_source_by_its_headers(
    told: Sequence[tuple[str, bytes | None]], source: int | Skipped
) -> None:
    """Transactions and labels have their rejects in one partition."""
    assert source_of_reject(SOURCE, END, ("transactions", "labels"))(Stored(0, b"x", told)) == source


@pytest.mark.parametrize("name", [SOURCE_OFFSET, SOURCE_PARTITION])
@pytest.mark.parametrize(
    "digits",
    [b"9" * 5_000, b"twelve", b"-1", b"", b"1.0", b" 1", "\u0661".encode(), b"\xff", str(2**63).encode(), None],
    ids=lambda digits: repr(digits)[:12],
)
def test_numbers_in_headers_are_read_carefully(name: str, digits: bytes | None) -> None:
    """Python refuses to read 5,000 digits: it ended every start."""
    source = source_of_reject(SOURCE, END, ("transactions", "labels"))
    assert source(Stored(0, b"x", headers(name, digits))) is Skipped.FOREIGN


NAMES = (REASON, DETAIL, SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET)
ANY_VALUE = st.none() | st.binary(max_size=20) | st.integers().map(lambda number: str(number).encode())


@given(st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=5), ANY_VALUE), max_size=9))
def test_no_headers_raise(strange: list[tuple[str, bytes | None]]) -> None:
    """Whatever stands there, also beside what a worker wrote."""
    for found in (strange, [*headers(), *strange]):
        told = read_reject_headers(found)
        assert told is None or min(told.partition, told.offset) >= 0
        assert told is None or max(told.partition, told.offset) < 2**63


def flag_value(source: int, history_days: int | UnsetType) -> bytes:
    return encode(replace(flag(source), history_days=history_days))


def test_a_flag_of_version_0_1_is_there_though_it_does_not_say_how_much_of_the_past_it_saw() -> None:
    """One that says something else is another one."""
    partition = Partition([Stored(0, flag_value(0, UNSET)), Stored(1, flag_value(1, 12)), Stored(2, flag_value(2, 11))])
    unread = OutputRange(PLACE, 0, 3, source_of_flag(SOURCE, END), as_older=without_history_days)
    [made] = read_back(LogReader(partition), [unread])
    asyncio.run(made.read_to(2))
    wanted = [Out(source, Message(None, flag_value(source, 12))) for source in range(3)]
    missing, present, different = made.sendable(wanted)
    assert ([out.source_offset for out in missing], present, different) == ([2], 2, 1)
