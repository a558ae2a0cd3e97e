"""One Kafka, one history, one bundle for all who are measured; fresh topics and a fresh store for each run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from ops.kafka.ports import free_ports
from ops.kafka.properties import Listeners
from ops.kafka.real import Kafka
from ops.leashed import Leashed
from risk.settings import PREFIX

PARTITIONS = 4


class History(NamedTuple):
    path: Path
    rows: int
    models: Path


class Run(NamedTuple):
    """Where one run happens: its topics begin with the prefix, its store is a file of its own."""

    address: str
    prefix: str
    store: Path
    history: History

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        ours = {"BROKERS": self.address, "TOPIC_PREFIX": self.prefix, "DB": str(self.store)}
        return {**kept, **{PREFIX + name: value for name, value in ours.items()}}

    def producer(self, *words: str) -> None:
        command = [sys.executable, "-m", "producer", *words]
        subprocess.run(command, check=True, capture_output=True, env=self.environment)

    def start(self, *module_and_options: str) -> Leashed:
        """A contestant as a process that does not outlive this one."""
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        command = ["env", "-i", *settings, sys.executable, "-m", *module_and_options]
        return Leashed(command, self.store.with_suffix(".log"))


class Bench:
    """Gives out runs."""

    def __init__(self, folder: Path, kafka: Kafka, history: History) -> None:
        self._folder = folder
        self._kafka = kafka
        self._history = history
        self._runs = 0

    def fresh(self) -> Run:
        self._runs += 1
        run = Run(self._kafka.address, f"run{self._runs}.", self._folder / f"run{self._runs}.db", self._history)
        run.producer("topics", "--partitions", str(PARTITIONS))
        return run


@contextmanager
def bench(folder: Path, rows: int) -> Iterator[Bench]:
    history = _history(folder, rows)
    plain, controller = free_ports(2)
    kafka = Kafka(folder / "kafka", Listeners(plain, controller, {}), heap="1g")
    kafka.start()
    try:
        yield Bench(folder, kafka, history)
    finally:
        kafka.kill()


def _history(folder: Path, rows: int) -> History:
    """`cards` transactions, and a LightGBM bundle of the default size, trained on them."""
    path, models = folder / "history.parquet", folder / "models"
    trainer = [sys.executable, "-m", "trainer"]
    customers = max(100, rows * 1_300 // 311_000)
    subprocess.run(
        [*trainer, "generate", "cards", path, "--customers", str(customers)], check=True, capture_output=True
    )
    reports = ["--reports", folder / "reports"]
    subprocess.run(
        [*trainer, "train", path, "--model", "lightgbm", "--models", models, *reports], check=True, capture_output=True
    )
    return History(path, int(pq.read_metadata(path).num_rows), models)
