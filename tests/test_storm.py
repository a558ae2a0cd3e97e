"""Every scenario of the storm once, small: one by `make test`, the rest by `make proof`; `make storm` is large."""

from pathlib import Path

import pytest

from storm.ground import SMALL, Ground, World, dice_of
from storm.scenarios import SCENARIOS
from storm.until import at_most
from testing.brokers import TestKafka

# A scenario takes ten to thirty seconds on a quiet machine; one that hangs must not hold up the rest for ever.
MOST_SECONDS = 900
QUICK = "kills"  # two workers, takeovers, and a replay that goes on meanwhile


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What happened, once for all scenarios."""
    return World(tmp_path_factory.mktemp("world"), SMALL)


@pytest.mark.parametrize(
    "name", [name if name == QUICK else pytest.param(name, marks=pytest.mark.proof) for name in SCENARIOS]
)
def test_nothing_is_lost_wrong_or_twice(
    name: str, world: World, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """With `python -m storm SCENARIO --seed` it throws the same dice again."""
    scenario, seed = SCENARIOS[name], request.config.getoption("--seed")
    broker: TestKafka = request.getfixturevalue("own_kafka" if scenario.own_broker else "kafka")
    with at_most(MOST_SECONDS, name):
        findings, _ = scenario.run(Ground(broker, tmp_path, world, SMALL, dice_of(seed, name)))
    assert (sorted(findings.lost), sorted(findings.wrong)) == ([], [])
    # Whoever is cut off in the middle of sending may have sent what the next one sends too, with the same bytes.
    assert scenario.may_repeat or findings.duplicates == 0
