"""What is there of one source partition, read alongside it: its output partitions, and the store's rows."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import msgspec
from aiokafka import TopicPartition

from risk.kafka.decoding import Record
from risk.kafka.log import Bounds, LogReader
from risk.kafka.sending import Message
from risk.outputs import source_of
from risk.rejects import shortened
from risk.store import FlagRow, Store
from scorer.log.already_sent import AsOlder, OutputRange, OutputReader, Skipped, SourceOf
from scorer.verify.comparison import Comparison
from scorer.verify.findings import Findings


class Window(NamedTuple):
    """Of a source partition: from the log's first offset to the store's next one, which is judged, and to its end."""

    begin: int
    until: int
    end: int


class Output(NamedTuple):
    """An output partition: where it is, and how its messages tell which offset they are of."""

    place: TopicPartition
    bounds: Bounds
    source: SourceOf
    counts_foreign: bool  # of two that read the same partition, only one does
    as_older: AsOlder


def open_outputs(
    reader: LogReader, outputs: list[Output], window: Window, findings: Findings
) -> list[tuple[OutputReader, Comparison[Message]]]:
    """What is found goes to the comparisons as the outputs are read."""
    comparisons = [
        Comparison[Message](_name(out.place), window.begin, explained, partial(_as_older, out.as_older))
        for out in outputs
    ]
    reader.begin({out.place: out.bounds.begin for out in outputs})
    readers = [
        OutputReader(reader, OutputRange(out.place, *out.bounds, _collecting(out, comparison, window, findings)))
        for out, comparison in zip(outputs, comparisons, strict=True)
    ]
    return list(zip(readers, comparisons, strict=True))


def _as_older(of_value: AsOlder, message: Message) -> Message:
    return message if message.value is None else message._replace(value=of_value(message.value))


def _collecting(out: Output, comparison: Comparison[Message], window: Window, findings: Findings) -> SourceOf:
    """The source offset of a message, which is handed over in passing; nothing where it need not be waited for."""

    def collect(record: Record) -> int | Skipped:
        # What is not a reject is never so large that this would change it.
        message = shortened(Message(record.key, record.value, tuple(record.headers)))
        source = out.source(record)
        if source is Skipped.FOREIGN:
            if out.counts_foreign:
                findings.foreign += 1
                found_foreign(message)
        elif source is Skipped.OTHER_SOURCE:
            return source
        elif source < window.begin:
            findings.gone += 1
        elif source < window.until:
            comparison.found(source, message)
            return source
        else:
            findings.under_way += 1
        return Skipped.OTHER_SOURCE

    def found_foreign(message: Message) -> None:
        """It is shown beside what it claims to be."""
        claimed = source_of(message.value)
        if claimed is not None and window.begin <= claimed < window.until:
            comparison.found(claimed, message)
        else:
            comparison.found_stranger(message)

    return collect


def explained(message: Message) -> Mapping[str, object]:
    """Key, headers, and the fields of the value, or the value where it has none."""
    found: dict[str, object] = {"key": message.key}
    found |= {f"header {name}": value for name, value in message.headers}
    try:
        value = msgspec.json.decode(message.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = message.value
    return found | (value if isinstance(value, dict) else {"value": value})


def _name(place: TopicPartition) -> str:
    return f"{place.topic}-{place.partition}"


_encoder = msgspec.json.Encoder()


class StoredRows:
    def __init__(self, store: Store, name: str, partition: int, window: Window, findings: Findings) -> None:
        self.comparison: Comparison[bytes] = Comparison(name, window.begin, _explained)
        self._rows = store.flags(partition)
        self._next: FlagRow | None = next(self._rows, None)
        while self._next is not None and self._next.source_offset < window.begin:
            findings.gone += 1
            self._next = next(self._rows, None)

    def read_to(self, source_offset: int) -> dict[int, FlagRow]:
        """The rows that were not read yet, up to this offset. They are handed to the comparison, too."""
        found: dict[int, FlagRow] = {}
        while self._next is not None and self._next.source_offset <= source_offset:
            found[self._next.source_offset] = self._next
            self.comparison.found(self._next.source_offset, as_bytes(self._next))
            self._next = next(self._rows, None)
        return found


def as_bytes(row: FlagRow) -> bytes:
    """Equal only where every field has the same type and the same bits."""
    return _encoder.encode(row)


def _explained(raw: bytes) -> Mapping[str, object]:
    return dict(zip(FlagRow._fields, msgspec.json.decode(raw), strict=True))
