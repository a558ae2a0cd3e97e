"""When a retraining is due, by what the store says of earlier ones."""

import os
from pathlib import Path

import pytest

from console.start import EXIT_FAILED
from risk.clock import DAY, MINUTE
from risk.errors import BundleError
from risk.store import RetrainingEnd, Store, open_store
from trainer.__main__ import main
from trainer.retrain.due import last_learned, wait_until_due

NOW = 1_800_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "risk.db")


def begun(store: Store, at: int, outcome: str = "failed") -> None:
    number = store.begin_retraining("a:1", "", at, lambda _: False)
    store.end_retraining(number, at + MINUTE, RetrainingEnd(outcome, None, "no room", None))


def test_before_the_first_it_counts_from_when_the_bundle_came_into_use(store: Store, tmp_path: Path) -> None:
    """So that a system that was just set up does not fail at once for want of a history."""
    with pytest.raises(BundleError, match="got no current, expected the name of the bundle in use"):
        last_learned(tmp_path / "risk.db", tmp_path)
    (tmp_path / "current").write_text("v1\n")
    os.utime(tmp_path / "current", (NOW / 1000, NOW / 1000))
    assert last_learned(tmp_path / "risk.db", tmp_path) == NOW
    begun(store, NOW - DAY)
    assert last_learned(tmp_path / "risk.db", tmp_path) == NOW - DAY


def test_it_waits_until_one_is_due_and_sees_who_was_quicker(store: Store, tmp_path: Path) -> None:
    begun(store, NOW - 6 * MINUTE)
    clock = [NOW]

    def pause(seconds: float) -> None:
        assert 0 < seconds <= 60
        clock[0] += int(seconds * 1000)
        if clock[0] == NOW + 2 * MINUTE:  # somebody else, before it is due
            begun(store, clock[0])

    wait_until_due(lambda: last_learned(tmp_path / "risk.db", tmp_path) + 10 * MINUTE, lambda: clock[0], pause)
    assert clock[0] == NOW + 12 * MINUTE


def test_one_that_somebody_stopped_puts_none_off(store: Store, tmp_path: Path) -> None:
    """As where the service is stopped while it learns, and started again: the week is not over without it."""
    begun(store, NOW - DAY)
    begun(store, NOW, "stopped")
    assert last_learned(tmp_path / "risk.db", tmp_path) == NOW - DAY
    begun(store, NOW, "waits")
    assert last_learned(tmp_path / "risk.db", tmp_path) == NOW, "it would ask again at once, and for ever"


def test_what_is_due_does_not_wait() -> None:
    wait_until_due(lambda: NOW, lambda: NOW, lambda _: pytest.fail("it waits"))


def test_who_asks_for_the_status_does_not_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", "--status", "--every", "7d"], {"TRUSTLENS_DB": str(tmp_path / "risk.db")}) == EXIT_FAILED
    assert "--every: got it with --status" in capsys.readouterr().err
