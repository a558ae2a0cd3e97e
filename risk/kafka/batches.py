"""Batches of messages as they come from a broker, unpacked into so much room and no more.

The client unpacks a batch whole, whatever comes out of it: a megabyte of gzip can be a gigabyte, one of zstd thirty.
Here it is unpacked within a limit. A batch that does not fit is not read: each of its messages is given as `Unread`,
which decoders reject in words. So is what lies behind bytes that are no record, which a broker may take. Nor is the
client ended by a header whose name is not UTF-8, or led astray by a record that names the offset of another one. A
record of an aborted transaction is marked where the client would leave it out, for an audit must see it; and where
compaction took messages stands a `Missing`, for the client passes over that in silence. All consumers read in this way
once the module is imported; the client has no setting for it.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import cramjam
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

from risk.diagnosis import MAX_UNPACKED, Unread
from risk.words import counted

# So many records are given at once; a batch of tiny ones can hold millions.
MOST_RECORDS = 20_000

_CODECS = {0: "plain records", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"} | dict.fromkeys(
    range(5, 8), "an unknown codec"
)
_CODEC_BITS = 0x07
# Of a batch as Kafka has it since 0.11: where length, attributes and number of records stand, and records begin.
_LENGTH, _BEFORE_LENGTH, _ATTRIBUTES, _COUNT, _HEADER = 8, 12, 21, 57, 61
_GZIP = 31
# zlib is asked for pieces of this size, and given pieces of that: it copies what each member leaves, and there may be
# many.
_PIECE, _GIVEN = 1 << 20, 1 << 16
_XERIAL = b"\x82SNAPPY\0"
_XERIAL_HEADER = 16
# Most batches unpack to less than so many times their size; for the others there is a second look.
_USUALLY = 8


class _TooLargeError(Exception):
    """It unpacks to more than the limit, or does not unpack."""


class FetchedBatches:
    """What a fetch brought of one partition. Takes the place of the client's own class."""

    def __init__(self, raw: bytes) -> None:
        self._records = MemoryRecords(raw)
        self._raw = memoryview(raw)
        self._at = 0
        self._unpacked = 0
        self._aborted: list[tuple[int, int]] = []
        self._aborting: set[int] = set()

    def begin(self, aborted: Iterable[tuple[int, int]]) -> None:
        """Producer and first offset of each transaction that was aborted and has records here."""
        self._aborted = sorted(aborted, key=lambda one: one[1], reverse=True)

    def size_in_bytes(self) -> int:
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        """Once so much was unpacked, what lies behind is fetched again, for its turn."""
        return bool(self._unpacked < MAX_UNPACKED and self._records.has_next())

    def next_batch(self) -> Any:
        batch = self._records.next_batch()
        raw = self._raw[self._at : self._at + _BEFORE_LENGTH + _length(self._raw, self._at)]
        self._at += len(raw)
        # Batches of before 0.11 are left to the client: no broker since 4.0 has any.
        if not isinstance(batch, DefaultRecordBatch):
            return batch
        count = struct.unpack_from(">i", raw, _COUNT)[0]
        is_aborted = bool(self._aborted or self._aborting) and self._is_aborted(batch, count)
        if batch.is_control_batch:
            return batch
        is_complete = count == batch.next_offset - batch.base_offset
        return _Batch(batch, raw, self._note, is_complete=is_complete, is_aborted=is_aborted)

    def _is_aborted(self, batch: Any, count: int) -> bool:
        """Asked of each batch in turn: a producer's records are aborted from its transaction's first one to its end."""
        while self._aborted and self._aborted[-1][1] <= batch.base_offset:
            self._aborting.add(self._aborted.pop()[0])
        # Whether a damaged batch ends a transaction nobody knows; the client fetches it again. Of an old one compaction
        # may have left nothing but its frame.
        is_end = batch.is_control_batch and count and batch.validate_crc()
        if is_end and ControlRecord.parse(next(batch).key) == ABORT_MARKER:
            self._aborting.discard(batch.producer_id)
        return batch.is_transactional and batch.producer_id in self._aborting

    def _note(self, size: int) -> None:
        self._unpacked += size


def _length(raw: memoryview, at: int) -> int:
    return int(struct.unpack_from(">i", raw, at + _LENGTH)[0])


class _Batch:
    """A batch as the client asks about it; unpacked when its records are asked for."""

    def __init__(
        self, batch: Any, raw: memoryview, note: Callable[[int], None], *, is_complete: bool, is_aborted: bool
    ) -> None:
        self._batch = batch
        self._raw = raw
        self._note = note
        self._is_complete = is_complete
        self.is_aborted = is_aborted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        if not self.is_aborted:
            return self._given()
        return (_Record(record.offset, *_behind_offset(record), _ABORTED) for record in self._given())

    def _given(self) -> Iterator[Any]:
        try:
            whole = _unpacked(self._raw) if self._batch.compression_type else self._raw
        except _TooLargeError:
            self._note(MAX_UNPACKED)
            yield from self._unread(self._batch.base_offset)
            return
        self._note(len(whole))
        # Brokers do not look at the offsets that records name themselves: one that names a later offset would hide all
        # up to it. Only where compaction took some is there nothing else to go by.
        expected, behind = self._batch.base_offset, self._batch.next_offset
        try:
            for record in self._records(whole):
                if expected >= behind:
                    break  # the next batch begins here
                if record.offset == expected:
                    yield record
                elif self._is_complete:
                    yield _Record(expected, *_behind_offset(record))
                elif expected < record.offset < behind:
                    expected = record.offset
                    yield record
                else:
                    raise CorruptRecordException(f"offset {record.offset}, expected {expected} to {behind - 1}")
                expected += 1
        except CorruptRecordException:  # nor do brokers look at all that is in a packed record
            yield from self._unread(expected)

    def _records(self, whole: memoryview) -> Iterator[Any]:
        given = 0
        try:
            for record in DefaultRecordBatch(whole):
                yield record
                given += 1
        except UnicodeDecodeError:  # of a header's name, at which no broker looks
            yield from islice(self._leniently(whole), given, None)

    def _unread(self, first: int) -> Iterator["_Record"]:
        """One for each offset from there on; which keys they have nobody knows."""
        batch, codec = self._batch, _CODECS[self._raw[_ATTRIBUTES + 1] & _CODEC_BITS]
        value = Unread(f"{len(self._raw)} bytes of {codec}")
        for offset in range(first, batch.next_offset):
            yield _Record(offset, batch.max_timestamp, batch.timestamp_type, None, value, ())

    def _leniently(self, whole: memoryview) -> Iterator["_Record"]:
        """Bytes of a header's name that are not UTF-8 are shown as \\xff."""
        data, at = bytearray(whole[_HEADER:]), 0
        for _ in range(struct.unpack_from(">i", whole, _COUNT)[0]):
            try:
                record, at = self._read_leniently(data, at)
            except (IndexError, ValueError) as error:
                raise CorruptRecordException(str(error)) from error
            yield record

    def _read_leniently(self, data: bytearray, at: int) -> tuple["_Record", int]:
        """A record, and where the next one begins. IndexError or ValueError where it is none."""
        batch = self._batch
        size, at = decode_varint(data, at)
        end = at + size
        delta, at = decode_varint(data, at + 1)
        moment = batch.max_timestamp if batch.timestamp_type else _in_64_bits(batch.first_timestamp + delta)
        offset, at = decode_varint(data, at)
        key, at = _bytes(data, at)
        value, at = _bytes(data, at)
        headers: list[tuple[str, bytes | None]] = []
        count, at = decode_varint(data, at)
        for _ in range(count):
            name, at = _bytes(data, at)
            header, at = _bytes(data, at)
            headers.append(((name or b"").decode(errors="backslashreplace"), header))
        if at != end:
            raise ValueError(f"{at - end + size} bytes, expected {size}")
        return _Record(batch.base_offset + offset, moment, batch.timestamp_type, key, value, headers), at


class _Record(NamedTuple):
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    # The client hands it on as it is, and no record has had one since 0.11: here it bears a mark.
    checksum: object = None


_ABORTED = object()


class Missing(NamedTuple):
    """Stands among the records where compaction took messages, from the one offset up to the other. Where transactions
    end nothing is missing, but of an old one compaction may have taken that end, or what was aborted: what there was
    nobody can tell."""

    offset: int
    next_offset: int
    checksum: object = None  # as of a record that is not marked


def is_aborted(record: Any) -> bool:
    """Whether the record that a consumer gave is of a transaction that was aborted. Only one that reads committed is
    told so by the broker."""
    return record.checksum is _ABORTED


def taken_by_compaction(gone: Sequence[Missing]) -> str:
    records = counted(sum(one.next_offset - one.offset for one in gone), "record", "records")
    return f"compaction took {records} out of the log, from offset {gone[0].offset} to {gone[-1].next_offset - 1}"


def apart(records: Sequence[Any]) -> tuple[Sequence[Any], list[Missing]]:
    """The records, and what stands for messages that are gone. Only consumers that read committed are told of those."""
    gone = [record for record in records if type(record) is Missing]
    return ([record for record in records if type(record) is not Missing], gone) if gone else (records, gone)


def committed(records: Sequence[Any]) -> Sequence[Any]:
    """Without those of aborted transactions."""
    return [record for record in records if record.checksum is not _ABORTED]


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """What a fetch brought of one partition, as records. The client's own would leave the aborted ones out."""

    next_fetch_offset: int

    def __init__(
        self, tp: Any, records: FetchedBatches, aborted: Iterable[tuple[int, int]] | None, *settings: Any
    ) -> None:
        *others, level = settings
        records.begin(aborted or ())
        self._tells_missing = level == fetcher.READ_COMMITTED
        super().__init__(tp, records, None, *others, fetcher.READ_UNCOMMITTED)

    def __iter__(self) -> Iterator[Any]:
        """Without a call of Python's for each record; it ends itself."""
        iterator: Iterator[Any] = self._records_iterator
        return iterator

    def _unpack_records(self) -> Iterator[Any]:
        """Records are as they were in their batch. The client's own copy names the topic and the partition, too, by
        which fetches are grouped already; making it took half the time of reading a record.

        Brokers count the records of a batch, and what ends a transaction is a batch, too: so every offset of a log is
        in one, until compaction takes some out. What it takes is told at once, not with the next record, which may be
        in another fetch. A fetch may begin within a batch; what lies before is none of its business."""
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")  # the client fetches it again
            tells = self._tells_missing and isinstance(batch, (_Batch, DefaultRecordBatch))
            if tells and batch.base_offset > self.next_fetch_offset:
                yield self._missing(batch.base_offset)
            if not batch.is_control_batch:
                tells = tells and not batch.is_aborted
                for record in batch:
                    if record.offset < self.next_fetch_offset:
                        continue
                    if tells and record.offset > self.next_fetch_offset:
                        yield self._missing(record.offset)
                    self.next_fetch_offset = record.offset + 1
                    yield record
                if tells and batch.next_offset > self.next_fetch_offset:
                    yield self._missing(batch.next_offset)
            self.next_fetch_offset = batch.next_offset

    def _missing(self, next_offset: int) -> Missing:
        found = Missing(self.next_fetch_offset, next_offset)
        self.next_fetch_offset = next_offset
        return found


def _behind_offset(record: Any) -> tuple[int, int, bytes | None, bytes | None, Any]:
    return record.timestamp, record.timestamp_type, record.key, record.value, record.headers


def _in_64_bits(number: int) -> int:
    """As brokers and the client's own reader add: a producer may have sent any two numbers."""
    return ((number + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)


def _bytes(data: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(data, at)
    if at + length > len(data):
        raise ValueError(f"{length} bytes, expected at most {len(data) - at}")
    return (None, at) if length < 0 else (bytes(data[at : at + length]), at + length)


def _unpacked(raw: memoryview) -> memoryview:
    """The same batch, not packed."""
    packed = raw[_HEADER:]
    attributes = struct.unpack_from(">h", raw, _ATTRIBUTES)[0]
    for room in _rooms(len(packed)):
        whole = memoryview(bytearray(_HEADER + room))
        try:
            size = _UNPACK[attributes & _CODEC_BITS](packed, whole[_HEADER:])
        except (cramjam.DecompressionError, zlib.error, struct.error, KeyError, ValueError, OverflowError):
            continue
        whole[:_HEADER] = raw[:_HEADER]
        struct.pack_into(">h", whole, _ATTRIBUTES, attributes & ~_CODEC_BITS)
        return whole[: _HEADER + size]
    raise _TooLargeError


def _rooms(packed: int) -> list[int]:
    usual = max(_PIECE, _USUALLY * packed)
    return [usual, MAX_UNPACKED] if usual < MAX_UNPACKED else [MAX_UNPACKED]


def _gzip(packed: memoryview, room: memoryview) -> int:
    at = size = 0
    while at < len(packed):  # one member after another
        unpacker = zlib.decompressobj(_GZIP)
        while not unpacker.eof:
            given = packed[at : at + _GIVEN]
            piece = unpacker.decompress(given, _PIECE)
            at += len(given) - len(unpacker.unconsumed_tail) - len(unpacker.unused_data)
            if not piece and not given and not unpacker.eof:
                raise ValueError("cut short")
            room[size : size + len(piece)] = piece  # ValueError where it does not fit
            size += len(piece)
    return size


def _snappy(packed: memoryview, room: memoryview) -> int:
    if packed[: len(_XERIAL)] != _XERIAL:
        return int(cramjam.snappy.decompress_raw_into(packed, room))
    at, size = _XERIAL_HEADER, 0
    while at < len(packed):
        length = struct.unpack_from(">i", packed, at)[0]
        if length <= 0:
            raise ValueError(length)
        size += int(cramjam.snappy.decompress_raw_into(packed[at + 4 : at + 4 + length], room[size:]))
        at += 4 + length
    return size


def _lz4(packed: memoryview, room: memoryview) -> int:
    return int(cramjam.lz4.decompress_into(packed, room))


def _zstd(packed: memoryview, room: memoryview) -> int:
    return int(cramjam.zstd.decompress_into(packed, room))


_UNPACK: dict[int, Callable[[memoryview, memoryview], int]] = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}

fetcher.MemoryRecords = FetchedBatches
fetcher.PartitionRecords = _PartitionRecords
