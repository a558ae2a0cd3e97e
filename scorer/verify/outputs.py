"""The output partitions of one source partition, read alongside it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
from aiokafka import TopicPartition

from risk.kafka.sending import Message
from scorer.reading import Bounds, Reader
from scorer.verify.comparison import Comparison
from scorer.verify.findings import Findings
from scorer.worker.arrivals import Record
from scorer.worker.readback import Opening, Shelf, SourceOf, open_shelves

IsStranger = Callable[[Record], bool]


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
    is_stranger: IsStranger  # of messages that tell no offset of this source


def open_outputs(
    reader: Reader, outputs: list[Output], window: Window, findings: Findings
) -> list[tuple[Shelf, Comparison[Message]]]:
    """What is found goes to the comparisons as the shelves read on."""
    comparisons = [Comparison[Message](_name(out.place), window.begin, explained) for out in outputs]
    openings = [
        Opening(out.place, *out.bounds, _collecting(out, comparison, window, findings))
        for out, comparison in zip(outputs, comparisons, strict=True)
    ]
    return list(zip(open_shelves(reader, openings), comparisons, strict=True))


def _collecting(out: Output, comparison: Comparison[Message], window: Window, findings: Findings) -> SourceOf:
    """The source offset of a message, which is handed over in passing; None where it need not be waited for."""

    def collect(record: Record) -> int | None:
        message = Message(record.key, record.value, tuple(record.headers))
        source = out.source(record)
        if source is None:
            if out.is_stranger(record):
                comparison.found_stranger(message)
        elif source < window.begin:
            findings.gone += 1
        elif source < window.until:
            comparison.found(source, message)
            return source
        elif source < window.end:
            findings.under_way += 1
        else:
            comparison.found_stranger(message)
        return None

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
