"""Transactions per second of `python -m producer replay` into a real Kafka that it starts. Wanted: 60,000 of `cards`.

What is timed is the command's own figure: reading, encoding, sending and being acknowledged, labels besides, from the
first to the last. CPU is that of the whole process, its start included.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.alone import run_alone
from ops.kafka.ports import free_ports
from ops.kafka.properties import Listeners
from ops.kafka.real import Kafka

# About a million transactions. Of `cards` three in a hundred have a label, of `trustlens` each, so that two messages
# have to be sent for each transaction.
WORLDS = {"cards": ("--customers", "4200"), "trustlens": ("--rows", "1000000")}
WANTED = {"cards": 60_000}
PARTITIONS = 4


def program(*words: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words], stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **environment}
    )
    return done.stdout


def measured(file: Path, environment: dict[str, str]) -> tuple[int, int, float, float]:
    """Transactions, labels, transactions a second, and microseconds of CPU for each transaction."""
    program("producer", "topics", "--partitions", str(PARTITIONS), environment=environment)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = program("producer", "replay", str(file), "--max-in-flight", "0", environment=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"sent +([\d,]+) transactions, ([\d,]+) labels.*, ([\d,]+)/s", said, re.DOTALL)
    assert found is not None, said
    transactions, labels, rate = (int(text.replace(",", "")) for text in found.groups())
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return transactions, labels, rate, seconds / transactions * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2, help="of each world; the best one counts (default 2)")
    runs = parser.parse_args().runs
    slow = 0
    with TemporaryDirectory() as folder:
        plain, controller = free_ports(2)
        kafka = Kafka(Path(folder) / "kafka", Listeners(plain, controller, {}))
        try:
            kafka.start()
            for world, sizes in WORLDS.items():
                file = Path(folder) / f"{world}.parquet"
                program("trainer", "generate", world, str(file), *sizes, environment={})
                rates = []
                for run in range(runs):
                    prefix = f"{world}{run}."
                    settings = {
                        "TRUSTLENS_BROKERS": kafka.address,
                        "TRUSTLENS_TOPIC_PREFIX": prefix,
                        "XDG_STATE_HOME": folder,
                    }
                    transactions, labels, rate, cpu = measured(file, settings)
                    rates.append(rate)
                    counts = f"{transactions:>10,} transactions {labels:>10,} labels"
                    print(f"{world:10} {counts} {rate:>8,}/s  {cpu:.1f} µs CPU")
                slow += max(rates) < WANTED.get(world, 0)
        finally:
            kafka.kill()
    return 1 if slow else 0


if __name__ == "__main__":
    run_alone(main)
