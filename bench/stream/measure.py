"""What is measured of a contestant, from outside, the same way for all."""

import os
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.stream.system import PARTITIONS, Run
from ops.leashed import Leashed
from risk.topics import topics_of

LOOKS_EVERY_SECONDS = 0.02
WITHIN_SECONDS = 300.0
TICKS = os.sysconf("SC_CLK_TCK")


class Speed(NamedTuple):
    rows_per_second: float
    cpu_microseconds: float  # of the contestant's process, for each transaction
    peak_megabytes: float


class Delay(NamedTuple):
    """From a transaction's Kafka timestamp to its alert's, in milliseconds."""

    alerts: int
    median: float
    p99: float


def rows_stored(store: Path) -> int:
    """How far a store is; 0 while it is being made."""
    if not store.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
            query = "select coalesce(sum(next_offset), 0) from partitions where topic like '%transactions'"
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def speed(process: Leashed, run: Run) -> Speed:
    """From the first transaction that is stored to the last: what a start costs is another question."""
    first = until(process, run.store, 1)
    begun, cpu = time.perf_counter(), _cpu_seconds(process.pid)
    last = until(process, run.store, run.history.rows)
    seconds, used = time.perf_counter() - begun, _cpu_seconds(process.pid) - cpu
    rows = last - first
    return Speed(rows / seconds, used / rows * 1e6, _peak_megabytes(process.pid))


def until(process: Leashed, store: Path, rows: int) -> int:
    end = time.monotonic() + WITHIN_SECONDS
    while (found := rows_stored(store)) < rows:
        if time.monotonic() > end or not Path(f"/proc/{process.pid}").exists():
            raise SystemExit(f"{store}: {found} of {rows} rows, and no more came: {process.last_words()}")
        time.sleep(LOOKS_EVERY_SECONDS)
    return found


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _peak_megabytes(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class _Alert(msgspec.Struct):
    source_partition: int
    source_offset: int


async def delay(run: Run, *, skip: int) -> Delay:
    """Out of the topics, when all is over. The first `skip` transactions of each partition came while it started."""
    topics = topics_of(run.prefix)
    consumer = AIOKafkaConsumer(bootstrap_servers=run.address, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        sent = {(r.partition, r.offset): r.timestamp for r in await _all(consumer, topics.transactions)}
        decoder = msgspec.json.Decoder(_Alert)
        waits = []
        for record in await _all(consumer, topics.alerts):
            alert = decoder.decode(record.value)
            if alert.source_offset >= skip:
                waits.append(record.timestamp - sent[alert.source_partition, alert.source_offset])
    finally:
        await consumer.stop()
    waits.sort()
    return Delay(len(waits), waits[len(waits) // 2], waits[int(len(waits) * 0.99)])


async def _all(consumer: AIOKafkaConsumer, topic: str) -> list:
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    records = []
    while any([await consumer.position(place) < ends[place] for place in partitions]):
        for fetched in (await consumer.getmany(timeout_ms=500)).values():
            records += fetched
    return records
