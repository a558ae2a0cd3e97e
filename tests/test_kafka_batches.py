"""Batches of messages are read within bounds, whatever the codec and whatever comes out; nothing that arrives ends a
worker."""

import asyncio
import gzip
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cramjam
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from producer.__main__ import main as producer
from risk.codec import encode_transaction
from risk.diagnosis import MAX_BYTES, MAX_UNPACKED, Unread
from risk.events import Transaction
from risk.kafka.batches import FetchedBatches
from risk.kafka.sending import Message, send_all
from risk.rejects import KEPT, LARGEST_WHOLE, shortened
from risk.topics import DETAIL, KEY_SIZE, SOURCE_OFFSET, VALUE_SIZE
from testing.brokers import TestKafka
from testing.systems import System, system
from tests.kafka_tampering import messages, send

CODECS = {None: 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
PACKED = {name: number for name, number in CODECS.items() if name}
NOW = 1_714_564_800_000


def batch(codec: int, values: Sequence[bytes | None], headers: Sequence[tuple[str, bytes | None]] = ()) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 30)
    for offset, value in enumerate(values):
        assert builder.append(offset, NOW + offset, b"k", value, list(headers)) is not None
    return bytes(builder.build())


def read(raw: bytes, reader: Any = FetchedBatches) -> list[tuple[Any, ...]]:
    found, records = [], reader(raw)
    while records.has_next():
        one = records.next_batch()
        assert one.validate_crc()
        found += [(r.offset, r.timestamp, r.timestamp_type, r.key, r.value, tuple(r.headers)) for r in one]
    return found


def with_a_name_that_is_not_utf8(raw: bytes, name: bytes) -> bytes:
    """The header's name replaced by bytes as long."""
    return with_a_checksum(raw.replace(name, b"\xff" * len(name)))


VALUES = st.lists(st.none() | st.binary(max_size=300) | st.integers(0, 5_000).map(bytes), min_size=1, max_size=8)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3)


@given(st.sampled_from(sorted(CODECS.values())), VALUES, HEADERS)
def test_batches_are_read_as_the_client_reads_them(
    codec: int, values: list[bytes | None], headers: list[tuple[str, bytes | None]]
) -> None:
    raw = batch(codec, values, headers) * 2
    assert read(raw) == read(raw, MemoryRecords)


@pytest.mark.parametrize("codec", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("more", [0, 1])
def test_a_batch_is_unpacked_up_to_the_limit(codec: int, more: int) -> None:
    values = [bytes(MAX_UNPACKED // 2), bytes(MAX_UNPACKED // 2 - 100)]
    values[1] += bytes(MAX_UNPACKED + 61 - len(batch(0, values)) + more)
    found = read(batch(codec, values))
    if more > 0:
        assert [(offset, key, value, type(value)) for offset, _, _, key, value, _ in found] == [
            (0, None, b"", Unread),
            (1, None, b"", Unread),
        ]
    else:
        assert [value for *_, value, _ in found] == values


@pytest.mark.parametrize("codec", PACKED.values(), ids=PACKED)
def test_what_does_not_unpack_is_not_read(codec: int) -> None:
    raw = bytearray(batch(codec, [os.urandom(500)] * 3))
    raw[80:90] = bytes(10)
    assert [type(value) for *_, value, _ in read(with_a_checksum(raw[:-7]))] == [Unread] * 3


def with_a_checksum(raw: bytes | bytearray) -> bytes:
    """Of a batch that was changed, as whoever sends it would have it."""
    changed = bytearray(raw)
    struct.pack_into(">i", changed, 8, len(changed) - 12)
    struct.pack_into(">I", changed, 17, calc_crc32c(bytes(changed[21:])))
    return bytes(changed)


PACK: dict[int, Callable[[bytes], bytes]] = {
    0: bytes,
    1: gzip.compress,
    2: lambda records: bytes(cramjam.snappy.compress_raw(records)),
    3: lambda records: bytes(cramjam.lz4.compress(records)),
    4: lambda records: bytes(cramjam.zstd.compress(records)),
}
SENT = [b'{"a":1}', None, b"", b'{"b":[2, 3]}', b"c" * 200]


def with_records(codec: int, records: bytes) -> bytes:
    """A batch that says that it has those of SENT, and has these."""
    return with_a_checksum(batch(codec, SENT)[:61] + PACK[codec](records))


@given(
    st.sampled_from(sorted(CODECS.values())),
    st.sampled_from([(), (("name", b"x"),)]),
    st.lists(st.tuples(st.integers(0), st.binary(min_size=1, max_size=3)), min_size=1, max_size=3),
    st.integers(-20, 20),
)
def test_whatever_the_records_are_each_offset_is_given_once_and_in_order(
    codec: int, headers: Sequence[tuple[str, bytes]], changes: list[tuple[int, bytes]], longer: int
) -> None:
    """Brokers look at a packed record's beginning only, and not at the offset that it names."""
    records = bytearray(batch(0, SENT, headers)[61:].replace(b"name", b"\xff" * 4))
    for at, bytes_ in changes:
        at %= len(records)
        records[at : at + len(bytes_)] = bytes_
    changed = bytes(records) + bytes(longer) if longer >= 0 else bytes(records[:longer])
    found = read(with_records(codec, changed))
    assert [offset for offset, *_ in found] == list(range(len(SENT)))


@pytest.mark.parametrize("codec", PACKED.values(), ids=PACKED)
def test_what_lies_behind_bytes_that_are_no_record_is_not_read(codec: int) -> None:
    records = bytearray(batch(0, SENT)[61:])
    records[-202] ^= 2  # how long the last value is
    values = [value for *_, value, _ in read(with_records(codec, bytes(records)))]
    assert values == [*SENT[:-1], b""]
    assert [type(value) for value in values if value is not None][-1] is Unread


@pytest.mark.parametrize("codec", CODECS.values(), ids=str)
def test_bytes_behind_the_last_record_change_nothing(codec: int) -> None:
    assert [value for *_, value, _ in read(with_records(codec, batch(0, SENT)[61:] + b"more"))] == SENT


def naming(*offsets: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 30)
    for offset in offsets:
        assert builder.append(offset, NOW, b"k", str(offset).encode(), []) is not None
    return bytes(builder.build())


@pytest.mark.parametrize("named", [(0, 1_000, 2), (0, 0, 2), (2, 1, 2), (0, -7, 2)])
def test_a_record_is_of_the_offset_where_it_lies_whichever_it_names(named: Sequence[int]) -> None:
    """One that names a later offset would hide all that lie before it, for ever."""
    found = read(naming(*named))
    assert [(offset, value) for offset, _, _, _, value, _ in found] == list(enumerate(str(n).encode() for n in named))


@pytest.mark.parametrize(
    ("named", "offsets", "are_read"),
    [
        ((0, 3, 5), [0, 3, 5], 3),
        ((0, 9, 5), [0, 1, 2, 3, 4, 5], 1),
        ((3, 3, 5), [3, 4, 5], 1),
        ((0, 1, 2, 1), [0, 1], 2),
    ],
)
def test_of_what_compaction_left_the_offsets_are_taken_as_long_as_they_can_be(
    named: Sequence[int], offsets: list[int], are_read: int
) -> None:
    found = read(naming(*named))
    assert [offset for offset, *_ in found] == offsets
    assert [type(value) is Unread for *_, value, _ in found] == [n >= are_read for n in range(len(offsets))]


@pytest.mark.parametrize("codec", CODECS.values(), ids=str)
def test_the_batches_behind_much_are_left_for_another_fetch(codec: int) -> None:
    """Memory holds what one limit is, not what a fetch of many packed batches would come to."""
    whole = batch(codec, [bytes(MAX_UNPACKED - 1_000)])
    assert len(read(whole * 3)) == 2


def test_a_header_whose_name_is_not_utf8_is_shown_as_it_is() -> None:
    raw = with_a_name_that_is_not_utf8(batch(0, [b"v", None], [("abcd", b"x"), ("e", None)]), b"abcd")
    headers = (("\\xff\\xff\\xff\\xff", b"x"), ("e", None))
    assert read(raw) == [(n, NOW + n, 0, b"k", value, headers) for n, value in enumerate([b"v", None])]


def test_times_that_do_not_fit_into_64_bits_wrap_as_the_client_has_them() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 30)
    for offset, moment in enumerate((1 << 62, -(1 << 62) - 1, NOW)):
        assert builder.append(offset, moment, b"k", b"v", [("abcd", b"x")]) is not None
    raw = bytes(builder.build())
    lenient = read(with_a_name_that_is_not_utf8(raw, b"abcd"))
    assert [found[:3] for found in lenient] == [found[:3] for found in read(raw, MemoryRecords)]


@pytest.mark.parametrize("size", [LARGEST_WHOLE - 1, LARGEST_WHOLE, LARGEST_WHOLE + 1])
def test_a_reject_is_whole_up_to_a_limit_of_key_and_value(size: int) -> None:
    sent = shortened(Message(b"", bytes(size)))
    assert len(sent.value or b"") == (size if size <= LARGEST_WHOLE else KEPT)
    assert dict(sent.headers).get(VALUE_SIZE) == (None if size <= LARGEST_WHOLE else str(size).encode())
    assert shortened(sent) == sent


def test_a_reject_of_a_large_key_has_the_beginning_of_it() -> None:
    sent = shortened(Message(bytes(LARGEST_WHOLE), b"value"))
    assert (len(sent.key or b""), sent.value) == (KEPT, b"value")
    assert dict(sent.headers)[KEY_SIZE] == str(LARGEST_WHOLE).encode()


# On a real Kafka: each codec in and out, and sizes around every limit


def good(name: str) -> Message:
    made = Transaction(f"T-{name}", NOW, f"C-{name}", "EUR", merchant_id="M1", amount=100, channel="online")
    return Message(made.customer_id.encode(), encode_transaction(made))


LARGE = [MAX_BYTES, MAX_BYTES + 1, LARGEST_WHOLE - 1, LARGEST_WHOLE, LARGEST_WHOLE + 1, 1_048_588, 3_000_000]


async def _send_packed(address: str, topic: str, codec: str, wanted: Sequence[Message]) -> None:
    """All in one batch."""
    async with AIOKafkaProducer(
        bootstrap_servers=address, acks="all", compression_type=codec, max_batch_size=1 << 30
    ) as sender:
        await send_all(sender, topic, 0, wanted)


async def _send_raw(address: str, topic: str, *batches: bytes) -> list[int]:
    """What the broker says to each; 0 where it takes it."""
    client = AIOKafkaClient(bootstrap_servers=address)
    await client.bootstrap()
    try:
        answers = []
        for raw in batches:
            wanted = [(topic, [(0, raw)])]
            request = ProduceRequest(transactional_id=None, required_acks=-1, timeout=10_000, topics=wanted)
            answers.append(await client.send(client.get_random_node(), request))
        return [int(answer.topics[0][1][0][1]) for answer in answers]
    finally:
        await client.close()


def send_all_kinds(made: System) -> int:
    """How many of them are transactions."""
    topic, address = made.topics.transactions, made.address
    scored = 0
    for codec in PACKED:
        wanted = [good(f"{codec}-{number}") for number in range(50)]
        asyncio.run(_send_packed(address, topic, codec, wanted))
        scored += len(wanted)
        # Of snappy, less than a megabyte packed is less than 21 megabytes.
        asyncio.run(_send_packed(address, topic, codec, [Message(b"k", bytes(size)) for size in LARGE]))
        if codec != "snappy":
            asyncio.run(_send_packed(address, topic, codec, [Message(b"k", bytes(2_000_000))] * 20))
        asyncio.run(_send_packed(address, topic, codec, [Message(bytes(2_000_000), b"{}")]))
        asyncio.run(_send_packed(address, topic, codec, [Message(b"k", b"{}", (("h" * 70_000, bytes(2_000_000)),))]))
        asyncio.run(_send_packed(address, made.topics.labels, codec, [Message(b"k", bytes(3_000_000))]))
    raw = with_a_name_that_is_not_utf8(batch(0, [b"{}", b"[]"], [("abcd", b"x")]), b"abcd")
    assert asyncio.run(_send_raw(address, topic, raw)) == [0]
    last = good("last")
    send(address, topic, 0, [Message(b"k", bytes(LARGEST_WHOLE - 1)), Message(b"k", bytes(LARGEST_WHOLE + 1)), last])
    return scored + 1


@pytest.mark.proof
def test_no_codec_and_no_size_ends_a_worker(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        scored = send_all_kinds(made)
        worker = made.start()
        made.until_scored()
        worker.stop()
        assert len(messages(made.address, made.topics.flags, 0)) == scored
        rejects = messages(made.address, made.topics.rejected, 0)
        sizes = [dict(reject.headers).get(VALUE_SIZE) for reject in rejects]
        assert sizes.count(b"3000000") == 2 * len(PACKED)
        assert sizes.count(b"unknown") == 20 * 3
        unread = [reject for reject, size in zip(rejects, sizes, strict=True) if size == b"unknown"]
        assert all(b"expected a batch that unpacks" in (dict(reject.headers)[DETAIL] or b"") for reject in unread)
        said = made.scorer("verify", "--bundle", str(made.models / "current"))
        assert "\nidentical" in said.out, said
        # And once more from nothing: what is there is read back, and nothing of it is sent again.
        made.store.unlink()
        again = made.start()
        made.until_scored()
        again.stop()
        assert len(messages(made.address, made.topics.rejected, 0)) == len(rejects)
        assert len(messages(made.address, made.topics.flags, 0)) == scored
        redriven = made.run(producer, "redrive")
        assert redriven.code == 0, redriven.err
        assert "passed over: 60 messages of which the reject has only the beginning" in redriven.err
        assert "larger than a topic takes unpacked" in redriven.err


def dated(moment: int) -> bytes:
    """A good transaction in a record of that time."""
    builder, one = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 30), good("dated")
    assert builder.append(0, moment, one.key, one.value, []) is not None
    return bytes(builder.build())


def strange_batches() -> Iterator[bytes]:
    yield dated(-1)
    yield dated(-(10**15))
    yield naming(0, 1_000, 2)
    yield naming(0, 0, 2)
    for codec in CODECS.values():
        plain = batch(0, SENT)[61:]
        head, packed = with_records(codec, plain)[:61], PACK[codec](plain)
        yield with_a_checksum(head + packed * 2)
        yield with_a_checksum(head + packed + b"garbage")
        for at in range(len(plain)):
            yield with_records(codec, plain[:at] + bytes([plain[at] ^ 2]) + plain[at + 1 :])


@pytest.mark.proof
def test_no_batch_that_a_broker_takes_ends_a_worker_or_hides_another(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        topic, address = made.topics.transactions, made.address
        answers = asyncio.run(_send_raw(address, topic, *strange_batches()))
        taken = answers.count(0)
        assert taken > len(answers) // 4
        send(address, topic, 0, [good("last")])
        worker = made.start()
        made.until_scored()
        worker.stop()
        assert len(messages(address, made.topics.flags, 0)) == 1
        rejects = messages(address, made.topics.rejected, 0)
        offsets = [dict(reject.headers)[SOURCE_OFFSET] for reject in rejects]
        assert offsets == [str(n).encode() for n in range(len(offsets))]
        assert len(offsets) == made.ends()[topic, 0] - 1 >= 3 * taken
        said = made.scorer("verify", "--bundle", str(made.models / "current"))
        assert "\nidentical" in said.out, said
