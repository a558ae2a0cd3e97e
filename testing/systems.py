"""Systems at work: a history in topics, workers in processes of their own, a store that gets there."""

import asyncio
import contextlib
import io
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from ops.leashed import Leashed
from producer.__main__ import main as producer
from risk.bundle import Learned, LearnedCategory, LearnedNumber, read_bundle
from risk.catalogue import EngineTerms, FeatureSet
from risk.errors import StoreError
from risk.settings import PREFIX
from risk.store import open_store
from risk.topics import Topics, topics_of
from scorer.__main__ import main as scorer
from testing.brokers import TestKafka
from testing.bundles import TERMS, write_bundle
from trainer.__main__ import main as trainer

# With a merchant, so that there is a ledger; scores that every feature moves, and alerts for one in twenty or so.
FIELDS = FeatureSet(frozenset({"customer_id", "merchant_id", "merchant_category", "channel", "device_id", "country"}))
LEARNED: tuple[Learned, ...] = (
    LearnedNumber("amount", 20.0, 0.0, 5000.0, 20.0),
    LearnedNumber("customer_count_30d", 0.0, 0.0, 1000.0, 0.0),
    LearnedNumber("new_device_30d", 0.0, 0.0, 1.0, 0.0),
    LearnedNumber("merchant_count_7d", 0.0, 0.0, 1000.0, 0.0),
    LearnedNumber("merchant_risk_30d", 0.0, 0.0, 1.0, 0.0),
    LearnedCategory("channel", ("online",), None),
)
WEIGHTS = [0.003, 0.02, 1.0, 0.02, 5.0, 0.5]
ENOUGH_SECONDS = 300.0
LOOKS_EVERY_SECONDS = 0.05
UNLIMITED = ("--max-in-flight", "0")


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


def counts(said: Said, place: str) -> dict[str, int]:
    """A line of the table of `verify`."""
    lines = [line.split() for line in said.out.splitlines()]
    [titles] = [words[1:] for words in lines if words[:1] == ["place"]]
    [cells] = [words[1:] for words in lines if words[:1] and words[0].endswith(place) and len(words) == 7]
    return dict(zip(titles, (int(cell.replace(",", "")) for cell in cells), strict=True))


def digest(said: Said) -> str:
    found = re.search(r"digest (\S+)", said.out)
    assert found is not None, said
    return found[1]


class Worker:
    """One `python -m scorer worker`; it cannot outlive the test."""

    def __init__(self, environment: Mapping[str, str], log: Path, *options: str) -> None:
        settings = [f"{name}={value}" for name, value in environment.items()]
        words = [sys.executable, "-u", "-m", "scorer", "worker", "--metrics-port", "0", *options]
        self._process = Leashed(["env", "-i", *settings, *words], log)
        self._log = log

    def until(self, is_so: Callable[[], bool], seconds: float = ENOUGH_SECONDS) -> None:
        """Returns when it is so; the test fails when the worker ends first, or when it takes too long."""
        begun = monotonic()
        while not is_so():
            try:
                status = self._process.wait(LOOKS_EVERY_SECONDS)
            except subprocess.TimeoutExpired:
                if monotonic() - begun > seconds:
                    pytest.fail(f"still not so after {seconds:g} s; the worker says: {self._process.last_words()}")
                continue
            pytest.fail(f"the worker ended with status {status}: {self._process.last_words()}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self._process.signal(number)

    def let_no_file_grow_beyond(self, size: int) -> None:
        """To this process, the disk is full."""
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, size))

    def wait(self, seconds: float = ENOUGH_SECONDS) -> int:
        """Its exit status, once it has ended by itself."""
        return self._process.wait(seconds)

    def stop(self) -> None:
        """By SIGTERM; it must end well."""
        self.signal(signal.SIGTERM)
        status = self.wait()
        assert status == 0, f"the worker ended with status {status}: {self._process.last_words()}"

    def kill(self) -> None:
        """SIGKILL; it is gone when this returns. One that has ended already stays as it is."""
        self._process.kill()


class System:
    """One system on a broker: its topics, its store, its bundles and its workers."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.folder = folder
        self.store = folder / "risk.db"
        self.models = folder / "models"
        self.rules = folder / "rules"
        self.environment = {**environment, f"{PREFIX}DB": str(self.store), f"{PREFIX}RULES": str(self.rules)}
        self.address = environment[f"{PREFIX}BROKERS"]
        self.prefix = environment[f"{PREFIX}TOPIC_PREFIX"]
        self.topics: Topics = topics_of(self.prefix)
        self.workers: list[Worker] = []

    def make_topics(self, partitions: int) -> None:
        assert self.run(producer, "topics", "--partitions", str(partitions)).code == 0

    def make_bundle(self, *, bias: float = -7.0, weights: list[float] | None = None, terms: EngineTerms = TERMS) -> str:
        """A bundle among the models, and the current one; its version."""
        made = self.folder / "made"
        weights = weights or WEIGHTS
        manifest = write_bundle(made, FIELDS, LEARNED, weights, bias=bias, medium=0.05, high=0.2, terms=terms)
        self.models.mkdir(exist_ok=True)
        made.rename(self.models / manifest.version)
        (self.models / "current").write_text(manifest.version + "\n")
        assert read_bundle(self.models).manifest.version == manifest.version
        return manifest.version

    def make_history(self, *, customers: int = 25, merchants: int = 12, days: int = 30, seed: int = 42) -> Path:
        """A file of the world of cards; about two transactions a day for each customer."""
        path = self.folder / f"cards-{customers}-{merchants}-{days}-{seed}.parquet"
        sizes = ("--customers", customers, "--merchants", merchants, "--days", days, "--seed", seed)
        assert self.run(trainer, "generate", "cards", str(path), *map(str, sizes)).code == 0
        return path

    def replay(self, history: Path, *options: str) -> None:
        said = self.run(producer, "replay", str(history), *UNLIMITED, *options)
        assert said.code == 0, said.err

    def scorer(self, *words: str) -> Said:
        """`python -m scorer`, in this process."""
        return self.run(scorer, *words)

    def run(self, program: Callable[[list[str], Mapping[str, str]], int], *words: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = program(list(words), self.environment)
        return Said(code, out.getvalue(), err.getvalue())

    def digest_of(self, history: Path, *options: str) -> str:
        """What the backtest of the file says, with the current bundle and the rule set in force, or by a schedule."""
        words = [str(history), "--bundle", str(self.models), *options]
        said = self.run(trainer, "backtest", *words)
        return digest(said)

    def start(self, *options: str) -> Worker:
        """One more worker, with the current bundle."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        worker = Worker(self.environment, log, "--bundle", str(self.models / "current"), *options)
        self.workers.append(worker)
        return worker

    def ends(self) -> dict[tuple[str, int], int]:
        """Where the inputs end now."""
        return asyncio.run(self._ends((self.topics.transactions, self.topics.labels)))

    async def _ends(self, names: tuple[str, ...]) -> dict[tuple[str, int], int]:
        async with AIOKafkaConsumer(*names, bootstrap_servers=self.address) as consumer:
            places = [TopicPartition(name, n) for name in names for n in consumer.partitions_for_topic(name) or ()]
            return {(place.topic, place.partition): end for place, end in (await consumer.end_offsets(places)).items()}

    def has_reached(self, ends: Mapping[tuple[str, int], int]) -> bool:
        """Whether the store stands at these offsets, or beyond."""
        try:
            store = open_store(self.store, read_only=True)
        except StoreError:  # not made yet, or in the making
            return False
        try:
            reached = {(p.topic, p.partition): p.next_offset for p in store.positions()}
        finally:
            store.close()
        return all(reached.get(place, 0) >= end for place, end in ends.items())

    def until_scored(self, worker: Worker | None = None, seconds: float = ENOUGH_SECONDS) -> None:
        """Returns when the store has everything that is in the inputs now. Whoever is watched must not end before."""
        ends = self.ends()
        (worker or self.workers[-1]).until(lambda: self.has_reached(ends), seconds)


@contextmanager
def system(kafka: TestKafka, prefix: str, folder: Path, *, partitions: int = 2) -> Iterator[System]:
    """With topics and a bundle. Whatever workers are left are killed at the end."""
    made = System(kafka.environment(prefix), folder)
    made.make_topics(partitions)
    made.make_bundle()
    try:
        yield made
    finally:
        for worker in made.workers:
            worker.kill()
