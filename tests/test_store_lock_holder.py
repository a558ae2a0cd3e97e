"""Who holds the store is told, and a wait for it goes on for as long as it is held."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from risk.errors import StoreBusyError
from risk.store import open_store
from risk.store.sqlite.lock_holder import holder_of, holder_of_folder
from scorer.store_thread import StoreThread
from testing.stores import held_by_another

NOBODY = "a process that this system does not tell, perhaps of another container"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    open_store(tmp_path / "risk.db").close()
    return tmp_path / "risk.db"


def test_who_writes_is_told_by_number_and_command(path: Path) -> None:
    with held_by_another(path, "begin immediate") as holder:
        assert holder_of(path).startswith(f"process {holder.pid} (")
        assert "import sqlite3, sys connection = " in holder_of(path)
    assert holder_of(path) == NOBODY


def test_who_only_reads_is_not_named(path: Path) -> None:
    with held_by_another(path, "begin"):
        assert holder_of(path) == NOBODY


def test_one_that_is_stopped_is_told_so(path: Path) -> None:
    with held_by_another(path, "begin immediate") as holder:
        holder.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
        assert holder_of(path).endswith("), which is stopped")
        holder.send_signal(signal.SIGCONT)


def test_a_system_without_a_list_of_locks_names_nobody(path: Path, tmp_path: Path) -> None:
    with held_by_another(path, "begin immediate"):
        assert holder_of(path, proc=tmp_path) == NOBODY


def test_who_has_no_patience_is_told_that_it_is_busy(path: Path) -> None:
    with held_by_another(path, "begin immediate"), pytest.raises(StoreBusyError):
        open_store(path, busy_ms=1)


class Waiter:
    """Lets the holder go when it was told of it three times."""

    def __init__(self, holder: "subprocess.Popen[str]") -> None:
        self.named: list[str] = []
        self._holder = holder

    def held(self, name: str) -> None:
        self.named.append(name)
        if len(self.named) == 3:
            assert self._holder.stdin is not None
            self._holder.stdin.close()


def test_who_opens_waits_until_the_holder_lets_go(path: Path) -> None:
    """However often the limit was over until then."""
    with held_by_another(path, "begin immediate") as holder:
        waiter = Waiter(holder)
        open_store(path, busy_ms=1, held=waiter.held).close()
    assert len(waiter.named) >= 3
    assert all(str(holder.pid) in name for name in waiter.named[:3])


def test_who_opens_waits_for_a_file_without_a_log_as_for_one_that_has_it(path: Path) -> None:
    """As an older SQLite or another program leaves it. SQLite says at once that it is locked."""
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode = delete")
    connection.close()
    with held_by_another(path, "begin immediate") as holder:
        with pytest.raises(StoreBusyError, match="locked for longer than the limit"):
            open_store(path, busy_ms=1)
        waiter = Waiter(holder)
        open_store(path, busy_ms=1, held=waiter.held).close()
    assert len(waiter.named) >= 3


_ALONE = """
import sys
from pathlib import Path
from risk.store.sqlite.opening import alone_in
with alone_in(Path(sys.argv[1])):
    print("alone", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def alone_is_another(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    words = [sys.executable, "-c", _ALONE, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "alone\n"
        try:
            yield process
        finally:
            process.stdin.close()


def test_who_makes_or_replaces_a_store_is_waited_for_with_a_limit_and_named(path: Path) -> None:
    with alone_is_another(path.parent) as holder:
        words = rf"being made or replaced by process {holder.pid} \(.* for longer than the limit; expected other"
        with pytest.raises(StoreBusyError, match=words):
            open_store(path, busy_ms=1)
        waiter = Waiter(holder)
        open_store(path, busy_ms=1, held=waiter.held).close()
    assert len(waiter.named) >= 3
    assert all(str(holder.pid) in name for name in waiter.named[:3])
    assert holder_of_folder(path.parent) == NOBODY


def test_who_writes_waits_until_the_holder_lets_go(path: Path) -> None:
    waiters: list[Waiter] = []
    with (
        open_store(path, busy_ms=1, held=lambda name: waiters[0].held(name)) as store,
        held_by_another(path, "begin immediate") as holder,
    ):
        waiters.append(Waiter(holder))
        assert store.take_over("transactions", 0, first_offset=0).next_offset == 0
    assert len(waiters[0].named) >= 3


def test_a_worker_s_thread_waits_counts_and_says_for_whom(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        with held_by_another(path, "begin immediate") as holder:
            assert holder.stdin is not None
            stdin, waits = holder.stdin, 0.0
            states = []

            def waited(seconds: float) -> None:
                nonlocal waits
                waits += seconds
                states.append(thread.is_waiting)
                if waits > 0.25:
                    stdin.close()

            thread = StoreThread(path, name="test", waited=waited, held_seconds=0.1)
            await thread.opened()
            assert all(states)
            assert len(states) >= 3
            assert not thread.is_waiting
            assert f"by process {holder.pid} (" in caplog.text
            thread.close()

    asyncio.run(ask())
