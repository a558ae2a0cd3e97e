"""One Kafka, one history, one bundle for all who are measured; fresh topics and a fresh store for each run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ops.kafka.ports import free_ports
from ops.kafka.properties import Listeners
from ops.kafka.real import Kafka
from ops.leashed import ROOT, Leashed
from risk.bundle import current_bundle
from risk.settings import PREFIX

PARTITIONS = 4
DAYS = 120
ROWS_OF_A_CUSTOMER = 235  # of `cards` in these days
LEAST_CUSTOMERS = 400  # fewer have too few frauds to train on
# Sent at a pace, these days would pass in seconds, and ledger days close many times a second, as in no real stream.
PACED_DAYS, A_DAY = 15, 2


class Tree(NamedTuple):
    """A checkout, and the Python that has what it needs."""

    name: str
    folder: Path
    python: str
    environment: Mapping[str, str] = {}

    def command(self, *module_and_options: str) -> list[str]:
        """Runs a module of this checkout, wherever it is started."""
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        return ["env", f"--chdir={self.folder}", *settings, self.python, "-m", *module_and_options]


HERE = Tree("run", ROOT, sys.executable)


class History(NamedTuple):
    path: Path
    rows: int  # of which so many are replayed
    models: Path

    @property
    def bundle(self) -> Path:
        return current_bundle(self.models)


class Run(NamedTuple):
    """Where one run happens: its topics begin with the prefix, its store is a file of its own."""

    address: str
    prefix: str
    store: Path
    history: History
    tree: Tree = HERE
    sender: Tree = HERE  # whose producer fills the topics

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        ours = {"BROKERS": self.address, "TOPIC_PREFIX": self.prefix, "DB": str(self.store)}
        # Not by our setting for it, which an earlier commit does not know and would refuse.
        state = {"XDG_STATE_HOME": str(self.store.parent / "state")}
        return {**kept, **state, **{PREFIX + name: value for name, value in ours.items()}}

    def make_topics(self) -> None:
        self._producer(self.tree, "topics", "--partitions", str(PARTITIONS))

    def replay(self, rows: int, *options: str) -> None:
        """Sends the first transactions of the history, as fast as it can unless options say otherwise."""
        where = ["--position", str(self.store) + ".json", "--limit", str(rows)]
        self._producer(self.sender, "replay", str(self.history.path), *(options or ("--max-in-flight", "0")), *where)

    def _producer(self, tree: Tree, *words: str) -> None:
        subprocess.run(tree.command("producer", *words), check=True, capture_output=True, env=self.environment)

    def start(self, *module_and_options: str, python: str | None = None, log: Path | None = None) -> Leashed:
        """A contestant as a process that does not outlive this one; its log lies beside the store unless named."""
        tree = self.tree._replace(python=python or self.tree.python)
        return self.start_program(tree.command(*module_and_options), log=log)

    def start_program(self, command: Sequence[str], *, log: Path | None = None) -> Leashed:
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        return Leashed(["env", "-i", *settings, *command], log or self.store.with_suffix(".log"))


class Bench:
    """Gives out runs of one tree."""

    def __init__(
        self, folder: Path, kafka: Kafka, history: History, paced: History, tree: Tree = HERE, sender: Tree = HERE
    ) -> None:
        self.folder = folder
        self.history = history
        self.paced = paced  # of fewer days, with as many transactions
        self._kafka = kafka
        self._tree, self._sender = tree, sender
        self._runs = 0

    def fresh(self, history: History | None = None) -> Run:
        self._runs += 1
        name = f"{self._tree.name}{self._runs}"
        store = self.folder / f"{name}.db"
        run = Run(self._kafka.address, f"{name}.", store, history or self.history, self._tree, self._sender)
        run.make_topics()
        return run


@contextmanager
def bench(folder: Path, rows: int) -> Iterator[Bench]:
    path, models = folder / "history.parquet", folder / "models"
    held = generated(path, max(LEAST_CUSTOMERS, rows // ROWS_OF_A_CUSTOMER + 1))
    trained(path, models)
    paced = folder / "paced.parquet"
    held_paced = generated(paced, held // (PACED_DAYS * A_DAY), PACED_DAYS)
    with broker(folder) as kafka:
        yield Bench(folder, kafka, History(path, min(rows, held), models), History(paced, held_paced, models))


@contextmanager
def broker(folder: Path) -> Iterator[Kafka]:
    plain, controller = free_ports(2)
    # The time of every record is when the broker took it, so that no client's own idea of it is measured.
    times = {"log.message.timestamp.type": "LogAppendTime"}
    kafka = Kafka(folder / "kafka", Listeners(plain, controller, {}), more=times, heap="1g")
    kafka.start()
    try:
        yield kafka
    finally:
        kafka.kill()


def generated(path: Path, customers: int, days: int = DAYS, tree: Tree = HERE) -> int:
    """`cards` transactions; how many."""
    words = ["generate", "cards", str(path), "--customers", str(customers), "--days", str(days), "--force"]
    done = subprocess.run(tree.command("trainer", *words), check=True, capture_output=True, text=True)
    rows = re.search(r"^rows +([\d,]+)", done.stdout, re.MULTILINE)
    assert rows is not None, done.stdout
    return int(rows[1].replace(",", ""))


def trained(path: Path, models: Path, tree: Tree = HERE) -> None:
    """A LightGBM bundle of the default size."""
    words = ["train", str(path), "--model", "lightgbm", "--models", str(models), "--reports", f"{models}.reports"]
    subprocess.run(tree.command("trainer", *words), check=True, capture_output=True)
