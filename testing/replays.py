"""Datasets that are replayed, and topics that are read back."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer

from producer.replay.refused import RefusedRows
from producer.replay.sequence import Entry, Span
from producer.replay.sequence import Sequence as Entries
from risk.clock import DAY, to_text
from risk.codec import decode_label, decode_transaction
from risk.dataset import Dataset, open_dataset
from risk.events import Label, Rejected, Transaction

HEADER = "transaction_id,event_time,customer_id,merchant_id,amount,currency,is_fraud,labelled_at"
START = 1_704_067_200_000  # 2024-01-01T00:00:00Z
NOW = START + 1000 * DAY
WHOLE = Span()


class Record(NamedTuple):
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def row(number: int, hours: float, *, labelled_days: float | None = None, amount: str = "5.00") -> str:
    """Transaction T<number> of one of seven customers, so many hours after the start."""
    when = START + int(hours * 3_600_000)
    label = "," if labelled_days is None else f"1,{to_text(when + int(labelled_days * DAY))}"
    return f"T{number},{to_text(when)},C{number % 7},M{number % 3},{amount},EUR,{label}"


def history(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def opened(path: Path, chunk_rows: int = 65_536) -> tuple[Dataset, RefusedRows]:
    refused = RefusedRows()
    return open_dataset(path, chunk_rows=chunk_rows, on_bad=refused.note), refused


def entries(path: Path, span: Span = WHOLE, *, now_ms: int = NOW, chunk_rows: int = 65_536) -> list[Entry]:
    return list(Entries(*opened(path, chunk_rows), span, now_ms))


def names(found: Sequence[Entry]) -> list[str]:
    """T1 for a transaction, L1 for its label, ! for a refused row."""
    return [_name(entry.event) for entry in found]


def _name(event: object) -> str:
    match event:
        case Transaction(transaction_id=name):
            return name
        case Label(transaction_id=name):
            return "L" + name[1:]
        case _:
            return "!"


def everything(address: str, topic: str) -> dict[int, list[Record]]:
    """All messages of a topic, by partition."""
    return asyncio.run(_everything(address, topic))


async def _everything(address: str, topic: str) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = defaultdict(list)
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=address, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        partitions = sorted(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for one, records in (await consumer.getmany(timeout_ms=1000)).items():
                found[one.partition] += [
                    Record(one.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in records
                ]
    return found


def transactions(records: Sequence[Record]) -> list[Transaction]:
    answers = [decode_transaction(record.value) for record in records]
    return [answer for answer in answers if not isinstance(answer, Rejected)]


def labels(records: Sequence[Record]) -> list[Label]:
    answers = [decode_label(record.value) for record in records]
    return [answer for answer in answers if not isinstance(answer, Rejected)]
