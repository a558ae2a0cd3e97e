"""What a swap of bundles costs who waits for a score: paced transactions, with promotions and without, in one run.

    python -m bench.swap [--rate 2000] [--seconds 120]

One worker on a real Kafka, two LightGBM bundles of the default size. Half of the time nothing happens, in the other
half one of the two is promoted every five seconds. The wait of a transaction is from its place in Kafka to its flag's,
by the broker's clock; it counts as beside a swap if it came within three seconds after a promotion.
"""

import argparse
import asyncio
import shutil
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bench.alone import run_alone
from bench.stream.measure import now_ms, records_of, until
from bench.stream.system import HERE, LEAST_CUSTOMERS, ROWS_OF_A_CUSTOMER, Run, bench
from ops.kafka.jars import missing
from risk.errors import BrokerError
from risk.topics import topics_of
from trainer.in_force import make_current

EVERY_SECONDS, BESIDE_MS = 5.0, 3_000.0
STRETCH_SECONDS = 20.0
WARM_SECONDS = 10.0
RATE, SECONDS = 2_000, 120.0


class _Flag(msgspec.Struct):
    source_partition: int
    source_offset: int
    bundle_version: str


class Waits(NamedTuple):
    """Milliseconds, of so many transactions."""

    transactions: int
    median: float
    p99: float
    longest: float

    @classmethod
    def of(cls, waits: np.ndarray) -> "Waits":
        return cls(len(waits), *np.percentile(waits, [50, 99, 100]).tolist())

    def __str__(self) -> str:
        times = f"median {self.median:.0f} ms, p99 {self.p99:.0f} ms, longest {self.longest:.0f} ms"
        return f"{self.transactions:,} transactions: {times}"


def two_bundles(history: Path, models: Path) -> list[str]:
    """The one that is there, and one of another seed."""
    words = ["train", str(history), "--model", "lightgbm", "--models", str(models), "--reports", f"{models}.reports"]
    subprocess.run(HERE.command("trainer", *words, "--seed", "7", "--no-promote"), check=True, capture_output=True)
    return sorted(path.parent.name for path in models.glob("*/manifest.json"))


def promotions(models: Path, versions: list[str], seconds: float) -> list[float]:
    """Stretches without any and with some take turns; when each was promoted."""
    times: list[float] = []
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        if passed // STRETCH_SECONDS % 2:
            versions.reverse()
            times.append(now_ms())
            make_current(models, versions[0])
        time.sleep(EVERY_SECONDS)
    return times


def measured(run: Run, since: float, promoted: list[float]) -> tuple[Waits, Waits, int]:
    """Without a swap and beside one, and how many bundles took over from another in some partition."""
    topics = topics_of(run.prefix)
    sent = asyncio.run(records_of(run, topics.transactions))
    arrived = {(number, one.offset): one.timestamp for number, records in sent.items() for one in records}
    decode = msgspec.json.Decoder(_Flag).decode
    times, waits, swaps = [], [], 0
    for records in asyncio.run(records_of(run, topics.flags)).values():
        before: str | None = None
        for record in records:
            flag = decode(record.value)
            swaps += before is not None and before != flag.bundle_version
            before = flag.bundle_version
            came = arrived[flag.source_partition, flag.source_offset]
            times.append(came)
            waits.append(record.timestamp - came)
    came, waited = np.array(times), np.array(waits)
    counts = came >= since
    last = np.searchsorted(promoted, came, side="right") - 1
    beside = counts & (last >= 0) & (came - np.array(promoted)[last] < BESIDE_MS)
    return Waits.of(waited[counts & ~beside]), Waits.of(waited[beside]), swaps


def swaps(rate: int, seconds: float) -> dict[str, Any]:
    """How long transactions waited for their flags, without a swap and beside one."""
    rows = int(rate * (seconds + 2 * WARM_SECONDS))
    with TemporaryDirectory() as name, bench(Path(name), max(rows, LEAST_CUSTOMERS * ROWS_OF_A_CUSTOMER)) as made:
        models = Path(name) / "swapped"
        shutil.copytree(made.history.models, models)
        versions = two_bundles(made.history.path, models)
        run = made.fresh(made.paced)
        worker = run.start("scorer", "worker", "--metrics-port", "0", "--bundle", str(models))
        words = ["--rate", str(rate), "--max-in-flight", "0", "--limit", str(rows)]
        position = ["--position", f"{run.store}.json"]
        sender = run.start("producer", "replay", str(run.history.path), *words, *position, log=Path(name) / "sent.log")
        try:
            until([worker], run.store, 1)
            time.sleep(WARM_SECONDS)
            since = now_ms()
            promoted = promotions(models, versions, seconds)
            until([worker], run.store, rows)
        finally:
            sender.kill()
            worker.stop(30)
        without, beside, taken = measured(run, since, promoted)
    waits = {"without": without._asdict(), "beside": beside._asdict()}
    return {"rate": rate, "promotions": len(promoted), "swaps": taken, **waits}


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.swap", description=__doc__)
    options.add_argument("--rate", type=int, default=RATE, help="transactions a second (default: 2000)")
    options.add_argument("--seconds", type=float, default=SECONDS, help="how long it is measured (default: 120)")
    asked = options.parse_args()
    lacking = missing()
    if lacking is not None:
        raise BrokerError(lacking)
    found = swaps(asked.rate, asked.seconds)
    print(f"without a swap, {Waits(**found['without'])}")
    print(f"beside a swap,  {Waits(**found['beside'])}")
    print(f"{found['promotions']} promotions, {found['swaps']} times a partition went on with another bundle")
    print(f"p99 beside a swap: {found['beside']['p99'] / found['without']['p99']:.2f} times that without")


if __name__ == "__main__":
    run_alone(main)
