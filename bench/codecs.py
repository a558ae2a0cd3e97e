"""Kafka's compression codecs beside each other: bytes on the wire, and CPU to pack and to unpack.

    python -m bench.codecs [--rows 20000] [--repeat 5]

Transactions of the world of cards, and a flag for each, in the batches that the producer and the worker send. The
codecs take turns, so that what else the machine does is the same for all.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from msgspec.structs import replace

from bench.alone import run_alone
from bench.stream.system import ROWS_OF_A_CUSTOMER, generated
from ops.contracts.samples import FLAG
from risk.clock import to_datetime
from risk.codec import encode_transaction
from risk.dataset import open_dataset
from risk.events import Level, Transaction
from risk.kafka.batches import FetchedBatches
from risk.outputs import RiskFlag, encode

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
BATCH_BYTES = 512 * 1024

Pair = tuple[bytes, bytes]


class Figures(NamedTuple):
    """For a message."""

    size: float
    pack_us: float
    unpack_us: float


def transactions(rows: int, folder: Path) -> list[Transaction]:
    path = folder / "cards.parquet"
    generated(path, max(1, rows // ROWS_OF_A_CUSTOMER))
    return [transaction for chunk in open_dataset(path).rows() for transaction in chunk.block][:rows]


def flag_of(transaction: Transaction, offset: int, dice: random.Random) -> RiskFlag:
    """Every score is another; one in fifty has reasons."""
    is_high = dice.random() < 0.02
    return replace(
        FLAG,
        transaction_id=transaction.transaction_id,
        customer_id=transaction.customer_id,
        event_time=to_datetime(transaction.event_time),
        score=dice.random(),
        level=Level.HIGH if is_high else Level.LOW,
        reasons=FLAG.reasons if is_high else (),
        source_offset=offset,
    )


def packed(codec: int, pairs: Sequence[Pair]) -> Iterator[bytes]:
    at = 0
    while at < len(pairs):
        builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, BATCH_BYTES)
        first = at
        while at < len(pairs) and builder.append(at - first, 1_714_564_800_000, *pairs[at], []) is not None:
            at += 1
        yield bytes(builder.build())


def unpacked(batches: Sequence[bytes]) -> int:
    count = 0
    for raw in batches:
        records = FetchedBatches(raw)
        while records.has_next():
            count += sum(1 for _ in records.next_batch())
    return count


def _pack(codec: int, pairs: Sequence[Pair], into: list[bytes]) -> None:
    into += packed(codec, pairs)


def timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def measure(pairs: Sequence[Pair], repeat: int) -> dict[str, Figures]:
    runs: dict[str, list[Figures]] = {name: [] for name in CODECS}
    for _ in range(repeat):
        for name, codec in CODECS.items():
            batches: list[bytes] = []
            pack = timed(partial(_pack, codec, pairs, batches))
            unpack = timed(partial(unpacked, batches))
            per = 1e6 / len(pairs)
            runs[name].append(Figures(sum(map(len, batches)) / len(pairs), pack * per, unpack * per))
    return {
        name: Figures(*(statistics.median(column) for column in zip(*found, strict=True)))
        for name, found in runs.items()
    }


def show(what: str, figures: dict[str, Figures]) -> None:
    plain = figures["none"]
    print(f"{what:<14}{'bytes':>9}{'ratio':>8}{'pack us':>10}{'unpack us':>11}{'more CPU us':>13}")
    for name, found in figures.items():
        more = found.pack_us + found.unpack_us - plain.pack_us - plain.unpack_us
        ratio = plain.size / found.size
        print(f"{name:<14}{found.size:>9.1f}{ratio:>8.2f}{found.pack_us:>10.2f}{found.unpack_us:>11.2f}{more:>13.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.codecs", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    dice = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        history = transactions(options.rows, Path(folder))
    sent = [(one.customer_id.encode(), encode_transaction(one)) for one in history]
    flags = [(one.customer_id.encode(), encode(flag_of(one, n, dice))) for n, one in enumerate(history)]
    show("transactions", measure(sent, options.repeat))
    show("flags", measure(flags, options.repeat))
    return 0


if __name__ == "__main__":
    run_alone(main)
