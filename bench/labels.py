"""What labels that never stop coming cost: forty days of transactions from a full topic, with them and without.

    python -m bench.labels [--customers 600] [--repeat 3]

One worker on a real Kafka; 5,000 labels a second with the broker near, and 500 a second with ten milliseconds to the
broker each way. With and without take turns. Exits with 1 where the median ratio is above 1.5, or where less than nine
tenths of these labels were sent.
"""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from bench.alone import run_alone
from bench.results import Spread, ratios, spread
from bench.stream.contestants import POSITIONS
from bench.stream.measure import rows_stored
from ops.kafka.jars import missing
from risk.errors import BrokerError
from storm.feed import feed
from storm.history import History
from storm.until import until
from testing.brokers import new_prefix
from testing.far import FarKafka, far_kafka
from testing.label_flood import LabelFlood
from testing.systems import System

PARTITIONS, DAYS = 4, 40
AWAY_SECONDS = 0.01
MOST = 1.5
LEAST_SENT = 0.9  # of the rate; a ratio beside fewer labels would be of something else
ENOUGH_SECONDS = 300.0


def measure(
    kafka: FarKafka, environment: Mapping[str, str], folder: Path, history: History, rate: int
) -> tuple[float, float]:
    """The seconds from the first transaction that is stored to the last, and the labels sent in each of them."""
    folder.mkdir()
    system = System(environment, folder)
    system.make_topics(PARTITIONS)
    system.make_bundle()
    items, total = history.items(system.topics, PARTITIONS), len(history.transactions)
    feed(kafka.near.address, items)
    with ExitStack() as stack:
        worker = system.start()
        stack.callback(worker.kill)
        until(lambda: rows_stored(system.store, POSITIONS) > 0, ENOUGH_SECONDS, "a transaction is stored")
        dated = history.transactions[0].event_time
        flood = LabelFlood(kafka.near.address, system.topics.labels, PARTITIONS, rate, dated)
        begun = perf_counter()
        with flood if rate else nullcontext():
            until(
                lambda: rows_stored(system.store, POSITIONS) >= total,
                ENOUGH_SECONDS,
                f"{total} transactions are stored",
            )
            took = perf_counter() - begun
        return took, flood.per_second


def compared(
    where: str, rate: int, without: Sequence[float], beside: Sequence[float], sent: Sequence[float]
) -> tuple[str, Spread]:
    """What is said of both, and how many times as long it took beside labels; `sent`: labels a second."""
    labels = spread(sent)
    if labels.least < LEAST_SENT * rate:
        raise SystemExit(
            f"{where}: got {labels.least:,.0f} labels a second, expected {rate:,}; there is no ratio. Run it on an"
            " idle machine."
        )
    ratio = ratios(beside, without)
    said = (
        f"{where}: {spread(without).median:.1f} s without labels, {spread(beside).median:.1f} s beside"
        f" {labels.median:,.0f} labels a second ({labels.least:,.0f} to {labels.most:,.0f}): {ratio.median:.2f} times"
        f" as long ({ratio.least:.2f} to {ratio.most:.2f})"
    )
    return said, ratio


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.labels", description=__doc__)
    options.add_argument("--customers", type=int, default=600, help="two transactions a day each (default: 600)")
    options.add_argument("--repeat", type=int, default=3, help="turns (default: 3)")
    asked = options.parse_args()
    lacking = missing()
    if lacking is not None:
        raise BrokerError(lacking)
    is_kept = True
    with TemporaryDirectory() as name, far_kafka(Path(name) / "kafka", AWAY_SECONDS) as kafka:
        folder = Path(name)
        made = System(kafka.environment(""), folder)
        history = History.of(made.make_history(customers=asked.customers, merchants=200, days=DAYS))
        print(f"{len(history.transactions):,} transactions of {DAYS} days")
        for where, is_far, rate in (("broker near", False, 5_000), ("10 ms each way", True, 500)):
            without: list[float] = []
            beside: list[float] = []
            sent: list[float] = []
            for _ in range(asked.repeat):
                for found, labels in ((without, 0), (beside, rate)):
                    prefix = new_prefix()
                    environment = kafka.environment(prefix) if is_far else kafka.near.environment(prefix)
                    took, per_second = measure(kafka, environment, folder / prefix.strip("."), history, labels)
                    found.append(took)
                    if labels:
                        sent.append(per_second)
            said, ratio = compared(where, rate, without, beside, sent)
            is_kept = is_kept and ratio.median <= MOST
            print(said, flush=True)
    return 0 if is_kept else 1


if __name__ == "__main__":
    run_alone(main)
