"""How far back anything can still ask: the partition that is furthest behind decides, of all there are."""

import pytest

from risk.store import Position
from scorer.ledger.closed_days import NEVER, slowest

ENDS = {0: 9, 1: 9}


def at(partition: int, newest: int | None, *, offset: int = 5, topic: str = "transactions") -> Position:
    return Position(topic, partition, 1, offset, newest, None, None, None, 0, 0, 0)


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([at(0, 50), at(1, 40)], 40),
        ([at(0, 50), at(1, None)], NEVER),
        ([at(0, 50), at(1, None, offset=9)], 50),
        ([at(0, 50)], NEVER),
        ([at(0, 50), at(1, 40), at(0, 3, topic="labels")], 40),
        ([at(0, None, offset=9), at(1, None, offset=9)], NEVER),
        ([], NEVER),
    ],
    ids=[
        "all are known",
        "one has records and nothing scored",
        "one is empty",
        "one was never taken",
        "labels have no say",
        "all are empty",
        "nobody began",
    ],
)
def test_who_is_slowest(positions: list[Position], expected: int) -> None:
    assert slowest(positions, "transactions", ENDS) == expected
