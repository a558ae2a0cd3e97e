"""One retraining at a time: who goes on, who is gone, and what is told of either."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from risk.errors import StaleOwnerError, StoreError
from risk.store import GONE_AFTER_SECONDS, Retraining, RetrainingEnd, open_store
from trainer.retrain.lease import (
    BEAT_SECONDS,
    Lease,
    Others,
    begin,
    is_gone,
    this_process,
)
from trainer.retrain.status import outcome_of

NOW = 1_800_000_000_000


def a_run(process: str, alive_at: int = NOW, **changes: object) -> Retraining:
    fields = {
        "ended_at": None,
        "outcome": None,
        "version": None,
        "why": None,
        "details": None,
        "every_ms": None,
        **changes,
    }
    return Retraining(1, "host:7", process, NOW, alive_at, "features", **fields)  # type: ignore[arg-type]


def elsewhere() -> list[str]:
    boot, space, _, _ = this_process().split(" ")
    assert boot
    return [f"another {space} 7 1", f"{boot} pid:[1] 7 1", ""]


def test_a_process_of_this_machine_is_gone_at_once_and_of_another_nobody_can_tell() -> None:
    ours = this_process()
    assert is_gone(a_run(ours, alive_at=0)) is False
    boot, space, _, started = ours.split(" ")
    assert is_gone(a_run(f"{boot} {space} {2**22 + 1} {started}")) is True
    assert is_gone(a_run(f"{boot} {space} {os.getpid()} 1")) is True  # another process had this number
    assert [is_gone(a_run(other, alive_at=0)) for other in elsewhere()] == [None] * 3


def test_status_tells_what_is_under_way_from_what_was_killed() -> None:
    ours, gone = this_process(), f"{this_process()}1"
    assert outcome_of(a_run(ours)) == "under way"
    assert outcome_of(a_run(gone)) == "killed"
    assert outcome_of(a_run(elsewhere()[0])) == "not ended"
    assert outcome_of(a_run(gone, ended_at=NOW, outcome="left")) == "left"


class Waiting:
    """Time passes only where somebody waits."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.seconds, self._meanwhile = 1000.0, meanwhile

    def monotonic(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.seconds += seconds
        self._meanwhile()


@pytest.mark.parametrize("clock_of_the_other", [NOW - 10**12, NOW, NOW + 10**12])
def test_one_elsewhere_is_gone_when_it_says_nothing_while_another_waits(
    tmp_path: Path, clock_of_the_other: int
) -> None:
    """Whatever its clock says."""
    with open_store(tmp_path / "risk.db") as store:
        for process in elsewhere():
            number = store.begin_retraining("other:7", process, clock_of_the_other, lambda _: False)
            waiting = Waiting()
            begun = begin(store, Others(waiting.monotonic), waiting.pause, lambda: NOW)
            assert begun == number + 1
            assert waiting.seconds - 1000 == pytest.approx(GONE_AFTER_SECONDS, abs=BEAT_SECONDS)
            assert store.retrainings()[number - 1].outcome == "killed"
            store.end_retraining(begun, NOW, RetrainingEnd("left", None, None, None))


@pytest.mark.parametrize("clock_of_the_other", [NOW - 10**12, NOW, NOW + 10**12])
def test_one_elsewhere_that_says_something_goes_on(
    tmp_path: Path, clock_of_the_other: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_store(tmp_path / "risk.db") as store:
        store.begin_retraining("other:7", elsewhere()[0], clock_of_the_other, lambda _: False)
        waiting = Waiting(lambda: store.keep_retraining(1, clock_of_the_other - 1, "fit"))
        with pytest.raises(StoreError, match="retraining 1 is under way: other:7 does it, and is at 'fit'"):
            begin(store, Others(waiting.monotonic), waiting.pause, lambda: NOW)
        assert waiting.seconds - 1000 == BEAT_SECONDS
    assert "retraining  1 of other:7, on another machine, has not ended; this one waits" in capsys.readouterr().out


def test_who_was_taken_for_gone_puts_nothing_in_force(tmp_path: Path) -> None:
    """A process that was suspended, and resumes after another began."""
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        number = store.begin_retraining("a:1", "", NOW, lambda _: False)
        with Lease(number, store, lambda: open_store(path), lambda: NOW) as lease:
            lease.check("fit")
            assert store.begin_retraining("b:2", "", NOW, lambda _: True) == 2
            with pytest.raises(StaleOwnerError, match="retraining 1: it has ended by what the store says"):
                lease.check("promote")
        with pytest.raises(StaleOwnerError):
            store.end_retraining(number, NOW, RetrainingEnd("promoted", "v", None, None))
