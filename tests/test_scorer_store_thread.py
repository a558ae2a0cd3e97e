"""A locked store: asked again from wherever, and where it stays locked, the worker is one to be started again."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from risk.errors import BrokerAwayError, BrokerError, StaleOwnerError, StoreBusyError, StoreError
from risk.store import Store
from scorer.store_thread import TRIES, StoreThread
from scorer.worker.exits import EXIT_AWAY, EXIT_BUSY, EXIT_FAILED, EXIT_STALE, status_of


def busy_times(count: int) -> Callable[[Store], int]:
    """Asks for the ledger's offset, and is told so often that the store is locked."""
    asked: list[int] = []

    def ask(store: Store) -> int:
        asked.append(1)
        if len(asked) <= count:
            raise StoreBusyError("locked")
        return store.ledger_offset()

    return ask


def test_a_locked_store_is_asked_again_and_that_is_counted(tmp_path: Path) -> None:
    again: list[int] = []
    thread = StoreThread(tmp_path / "risk.db", name="test", on_busy=lambda: again.append(1))
    try:
        assert asyncio.run(thread.call(busy_times(TRIES - 1))) == 0
        assert len(again) == TRIES - 1
        with pytest.raises(StoreBusyError):
            asyncio.run(thread.call(busy_times(TRIES)))
    finally:
        thread.close()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreBusyError("locked"), EXIT_BUSY),
        (StaleOwnerError("another"), EXIT_STALE),
        (BrokerAwayError("away"), EXIT_AWAY),
        (KafkaConnectionError("away"), EXIT_AWAY),
        (StoreError("broken"), EXIT_FAILED),
        (BrokerError("no"), EXIT_FAILED),
        (ValueError("a mistake"), EXIT_FAILED),
    ],
)
def test_the_status_says_whether_a_person_must_act(error: Exception, status: int) -> None:
    assert status_of(error) == status
