"""Every scenario of the storm once, small: `make storm` runs them large."""

import random
from pathlib import Path

import pytest

from storm.ground import SMALL, Ground, World, dice_of
from storm.scenarios import SCENARIOS
from storm.until import at_most
from tests.kafka_broker import TestKafka

# A scenario takes ten to thirty seconds; one that hangs must not hold up the rest.
MOST_SECONDS = 180


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What happened, once for all scenarios."""
    return World(tmp_path_factory.mktemp("world"), SMALL)


@pytest.fixture
def seed() -> int:
    """Said when the test fails: with `python -m storm SCENARIO --seed` it throws the same dice again."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    return seed


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_wrong_or_twice(
    name: str, world: World, seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    scenario = SCENARIOS[name]
    broker: TestKafka = request.getfixturevalue("own_kafka" if scenario.own_broker else "kafka")
    with at_most(MOST_SECONDS, name):
        findings, _ = scenario.run(Ground(broker, tmp_path, world, SMALL, dice_of(seed, name)))
    assert (sorted(findings.lost), sorted(findings.wrong)) == ([], [])
    # Whoever is cut off in the middle of sending may have sent what the next one sends too, with the same bytes.
    assert scenario.may_repeat or findings.duplicates == 0
