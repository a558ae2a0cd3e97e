"""What is measured of a contestant, from outside, the same way for all."""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.stream.contestants import POSITIONS, Contestant
from bench.stream.system import PARTITIONS, Run
from ops.leashed import Leashed
from risk.topics import topics_of

LOOKS_EVERY_SECONDS = 0.02
STALLED_AFTER_SECONDS = 120.0
TICKS = os.sysconf("SC_CLK_TCK")


class Speed(NamedTuple):
    rows_per_second: float
    cpu_microseconds: float  # of the contestant's processes, for each transaction
    peak_megabytes: float
    cpu_by_thread: dict[str, float]  # microseconds for each transaction; of threads that ended meanwhile, nothing


class Delay(NamedTuple):
    """From a transaction's place in Kafka to its alert's, by the broker's clock, in milliseconds."""

    rate: float
    alerts: int
    median: float
    p99: float


def rows_stored(store: Path, query: str = POSITIONS) -> int:
    """How far a store is; 0 while it is being made."""
    if not store.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def speed(processes: Sequence[Leashed], run: Run, rows: int, query: str = POSITIONS) -> Speed:
    """From the first transaction that is stored to the last: what a start costs is another question."""
    first = until(processes, run.store, 1, query)
    begun, cpu, threads = time.perf_counter(), _cpu_seconds(processes), _cpu_of_threads(processes)
    last = until(processes, run.store, rows, query)
    seconds, used = time.perf_counter() - begun, _cpu_seconds(processes) - cpu
    by_thread = _cpu_of_threads(processes)
    by_thread.subtract(threads)
    if last == first:
        raise SystemExit(f"{run.store}: all {last:,} rows came at once, expected several batches; give more --rows")
    each = {name: ticks / TICKS / (last - first) * 1e6 for name, ticks in by_thread.items() if ticks > 0}
    return Speed((last - first) / seconds, used / (last - first) * 1e6, sum(map(_peak_megabytes, processes)), each)


def top_speed(contestant: Contestant, run: Run, rows: int) -> Speed:
    """Of one process that begins on a full topic."""
    run.replay(rows)
    process = contestant.start(run)
    try:
        return speed([process], run, rows, contestant.stored)
    finally:
        process.stop(30)


def until(processes: Sequence[Leashed], store: Path, rows: int, query: str = POSITIONS) -> int:
    found, changed = 0, time.monotonic()
    while (now := rows_stored(store, query)) < rows:
        if now != found:
            found, changed = now, time.monotonic()
        dead = [process for process in processes if not Path(f"/proc/{process.pid}").exists()]
        if dead or time.monotonic() - changed > STALLED_AFTER_SECONDS:
            said = (dead or processes)[0].last_words()
            raise SystemExit(f"{store}: {now:,} of {rows:,} rows, and no more came: {said}")
        time.sleep(LOOKS_EVERY_SECONDS)
    return now


def _cpu_seconds(processes: Sequence[Leashed]) -> float:
    used = 0.0
    for process in processes:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        used += (int(fields[11]) + int(fields[12])) / TICKS
    return used


def _cpu_of_threads(processes: Sequence[Leashed]) -> Counter[str]:
    """Ticks, by the name that the system knows a thread by."""
    used: Counter[str] = Counter()
    for process in processes:
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended between two looks
                before, _, after = task.joinpath("stat").read_text().rpartition(")")
                fields = after.split()
                used[before.partition("(")[2]] += int(fields[11]) + int(fields[12])
    return used


def _peak_megabytes(process: Leashed) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class _Alert(msgspec.Struct):
    source_partition: int
    source_offset: int


def now_ms() -> float:
    return time.time() * 1000


async def delay(run: Run, *, rate: float, since: float) -> Delay:
    """Out of the topics, when all is over. Transactions before `since` came while it started."""
    topics = topics_of(run.prefix)
    transactions = await records_of(run, topics.transactions)
    sent = {(number, one.offset): one.timestamp for number, records in transactions.items() for one in records}
    decoder = msgspec.json.Decoder(_Alert)
    waits = []
    for record in chain.from_iterable((await records_of(run, topics.alerts)).values()):
        alert = decoder.decode(record.value)
        arrived = sent[alert.source_partition, alert.source_offset]
        if arrived >= since:
            waits.append(record.timestamp - arrived)
    if not waits:
        raise SystemExit(f"{run.prefix}: no alert after the start, expected some; give more --rows")
    waits.sort()
    return Delay(rate, len(waits), waits[len(waits) // 2], waits[int(len(waits) * 0.99)])


async def records_of(run: Run, topic: str) -> dict[int, list[Any]]:
    """All that is in a topic, by partition."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=run.address, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        records: dict[int, list[Any]] = {place.partition: [] for place in partitions}
        while any([await consumer.position(place) < ends[place] for place in partitions]):
            for place, fetched in (await consumer.getmany(timeout_ms=500)).items():
                records[place.partition] += fetched
        return records
    finally:
        await consumer.stop()
