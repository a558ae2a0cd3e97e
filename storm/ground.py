"""Where a scenario takes place: a broker, a world that happened in it, and systems of its own."""

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from risk.settings import PREFIX
from storm.feed import Sent, feed
from storm.history import History, Item, Truth, truth_of
from testing.brokers import TestKafka, new_prefix
from testing.systems import WEIGHTS, System

PARTITIONS = 4


class Size(NamedTuple):
    """How much of everything: for the tests, or for a proof that takes an hour."""

    customers: int
    days: int
    kills: int
    rebalances: int
    bad_messages: int


SMALL = Size(customers=110, days=24, kills=3, rebalances=3, bad_messages=2_000)
LARGE = Size(customers=2_000, days=45, kills=100, rebalances=100, bad_messages=100_000)


def dice_of(seed: int, name: str) -> random.Random:
    """Each scenario has its own, so that one alone throws what it throws among all."""
    return random.Random(f"{seed} {name}")


class World:
    """A history, two bundles, and what each of them makes of it."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder = folder
        self.size = size

    @cached_property
    def _maker(self) -> System:
        return System({f"{PREFIX}BROKERS": "nowhere:1", f"{PREFIX}TOPIC_PREFIX": ""}, self.folder)

    @cached_property
    def file(self) -> Path:
        return self._maker.make_history(customers=self.size.customers, merchants=40, days=self.size.days)

    @cached_property
    def history(self) -> History:
        return History.of(self.file)

    @cached_property
    def versions(self) -> tuple[str, str]:
        """The bundle that is current, and one to be promoted."""
        other = self._maker.make_bundle(bias=-5.5, weights=[weight * 1.25 for weight in WEIGHTS])
        return self._maker.make_bundle(bias=-7.0), other

    @cached_property
    def models(self) -> Path:
        assert self.versions
        return self._maker.models

    @cached_property
    def truth(self) -> Truth:
        return truth_of(self.history, self.models)

    def digest(self) -> str:
        """As the backtest's command prints it."""
        assert self.models
        return self._maker.digest_of(self.file)


class Ground(NamedTuple):
    broker: TestKafka
    folder: Path
    world: World
    size: Size
    dice: random.Random

    @contextmanager
    def system(
        self, *, environment: Mapping[str, str] | None = None, prepare: Callable[[System], None] | None = None
    ) -> Iterator[System]:
        """With topics and bundles of its own; no worker outlives it. `prepare` comes before the topics are made."""
        prefix = new_prefix()
        folder = self.folder / prefix.strip(".")
        folder.mkdir(parents=True)
        made = System(environment or self.broker.environment(prefix), folder)
        shutil.copytree(self.world.models, made.models)
        if prepare is not None:
            prepare(made)
        made.make_topics(PARTITIONS)
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.kill()


def fill(system: System, history: History, partitions: int = PARTITIONS) -> list[Sent]:
    """The whole history into the topics."""
    return send(system, history.items(system.topics, partitions))


def send(system: System, items: list[Item]) -> list[Sent]:
    return feed(system.address, items)
