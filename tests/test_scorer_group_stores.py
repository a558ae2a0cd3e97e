"""All members of a group write to one store, or the one that came later ends."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka.errors import GroupCoordinatorNotAvailableError

from risk.errors import BrokerAwayError, StoreError
from scorer.worker.group_stores import BEYOND_SESSION_SECONDS, BROKER_SECONDS, GroupStores, StorePlace

OURS = StorePlace("machine:1:20", "here:/a/risk.db")
EARLIER = StorePlace("machine:1:10", "here:/b b/risk.db")
LATER = StorePlace("machine:1:30", "there:/c/risk.db")
SESSION_SECONDS = 10.0


class Group:
    """A group whose members are others each time it is asked, and the clock that goes on by as many seconds."""

    def __init__(self, *answers: Sequence[StorePlace | str] | None, seconds: float = 1.0) -> None:
        """None: the broker does not know its coordinator. The last answer stays."""
        self.asked = 0
        self._answers = answers
        self._seconds = seconds

    async def members(self) -> list[str]:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if answer is None:
            raise GroupCoordinatorNotAvailableError
        return [one if isinstance(one, str) else one.client_id for one in answer]

    def clock(self) -> float:
        return self.asked * self._seconds

    def stores(self) -> GroupStores:
        return GroupStores(OURS, "g", self.members, SESSION_SECONDS, looks_every_seconds=0, clock=self.clock)


def joins(group: Group) -> None:
    asyncio.run(group.stores().before_joining())


@pytest.mark.parametrize("members", [(), (OURS, OURS), ("faust-0.15.3",), (OURS, "rdkafka", "trustlens-scorer")])
def test_who_meets_nobody_with_another_store_joins_at_once(members: tuple[StorePlace | str, ...]) -> None:
    group = Group(members)
    joins(group)
    assert group.asked == 1


def test_one_that_was_killed_is_waited_for() -> None:
    """It is a member for a session timeout, and no longer."""
    group = Group(*[(OURS, EARLIER)] * 10, (OURS,))
    joins(group)
    assert group.asked == 11


@pytest.mark.parametrize("other", [EARLIER, LATER])
def test_one_that_stays_keeps_others_out_and_both_stores_are_named(other: StorePlace) -> None:
    with pytest.raises(StoreError, match=f"{OURS.where}: got this store, expected {other.where}, .*group g works"):
        joins(Group((other, OURS)))


def test_a_broker_that_knows_no_coordinator_yet_is_asked_again() -> None:
    group = Group(None, None, ())
    joins(group)
    assert group.asked == 3
    with pytest.raises(BrokerAwayError, match="did not tell its members"):
        joins(Group(None, seconds=BROKER_SECONDS / 3))


def test_of_two_that_began_together_one_ends() -> None:
    """The same one, whoever looks; and not for one that is only listed still."""
    patience = SESSION_SECONDS + BEYOND_SESSION_SECONDS
    for_a_while = [(EARLIER, OURS)] * int(patience - 1)
    group = Group(*for_a_while, (OURS,), None, *[(LATER, OURS)] * 100, (EARLIER, OURS))
    with pytest.raises(StoreError, match=EARLIER.where):
        asyncio.run(group.stores().run())
    assert group.asked > len(for_a_while) + 102 + patience


def test_a_client_id_leads_back_to_the_store() -> None:
    for place in (OURS, EARLIER, LATER):
        assert StorePlace.of_client(place.client_id) == place


def test_a_store_is_one_by_any_path_and_a_copy_is_another(tmp_path: Path) -> None:
    path, link, hard, copy = (tmp_path / name for name in ("risk.db", "link.db", "hard.db", "copy.db"))
    path.write_text("a store")
    copy.write_text("a store")
    link.symlink_to(path)
    os.link(path, hard)
    assert StorePlace.of(link) == StorePlace.of(path)
    assert StorePlace.of(hard).file == StorePlace.of(path).file
    assert StorePlace.of(copy).file != StorePlace.of(path).file
