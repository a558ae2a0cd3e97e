"""Every scenario of the storm once, small: all by `make proof`, one of them smaller still by `make test`; `make storm`
is large."""

from pathlib import Path

import pytest

from storm.ground import SMALL, Ground, World, dice_of
from storm.scenarios import SCENARIOS
from storm.until import at_most
from testing.brokers import TestKafka

# A scenario takes ten to thirty seconds on a quiet machine; one that hangs must not hold up the rest for ever.
MOST_SECONDS = 900
QUICK = "kills"  # two workers, takeovers, and a replay that goes on meanwhile
LEAST = SMALL._replace(customers=45, kills=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What happened, once for all scenarios."""
    return World(tmp_path_factory.mktemp("world"), SMALL)


@pytest.mark.proof
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_wrong_or_twice(
    name: str, world: World, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    go_through(name, world, tmp_path, request)


def test_nothing_is_lost_wrong_or_twice_where_little_happened(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    world = World(tmp_path, LEAST)
    go_through(QUICK, world, tmp_path, request)


def go_through(name: str, world: World, folder: Path, request: pytest.FixtureRequest) -> None:
    """With `python -m storm SCENARIO --seed` it throws the same dice again."""
    scenario, seed = SCENARIOS[name], request.config.getoption("--seed")
    broker: TestKafka = request.getfixturevalue("own_kafka" if scenario.own_broker else "kafka")
    with at_most(MOST_SECONDS, name):
        findings, _ = scenario.run(Ground(broker, folder, world, world.size, dice_of(seed, name)))
    assert (sorted(findings.lost), sorted(findings.wrong)) == ([], [])
    # Whoever is cut off in the middle of sending may have sent what the next one sends too, with the same bytes.
    assert scenario.may_repeat or findings.duplicates == 0
