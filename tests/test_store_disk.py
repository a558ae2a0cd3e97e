"""A disk that is full, and one that may only be read: real ones, small and in memory. Mounting them takes root."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kpi_reporter.__main__ import main as reporter
from risk.bundle import LearnedNumber
from risk.catalogue import FeatureSet
from risk.clock import DAY
from risk.errors import StoreError
from risk.settings import PREFIX
from risk.store import open_store, prune
from risk.store.sqlite.removing import FLAG_BYTES, LEAST_AT_ONCE
from testing.bundles import write_bundle
from testing.stores import TRANSACTIONS, flag, held_by_another, store_flags
from testing.systems import System

SIZE = 16 * 1024**2
DAYS = 100
NEWEST = 19_800 * DAY


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mounted(folder, "-t", "tmpfs", "-o", f"size={SIZE}", "none"):
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def mounted(folder: Path, *options: str) -> bool:
    return subprocess.run(["mount", *options, folder], check=False, capture_output=True).returncode == 0


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    assert mounted(folder, "-o", "remount,ro")
    try:
        yield
    finally:
        assert mounted(folder, "-o", "remount,rw")


def filled(folder: Path, *, room: int) -> None:
    """So that so many bytes are left."""
    free = int(
        subprocess.run(["df", "--output=avail", "-B1", folder], check=True, capture_output=True).stdout.split()[1]
    )
    with (folder / "filler").open("wb") as file:
        file.write(bytes(free - room))


@pytest.fixture
def made(disk: Path) -> System:
    """A store with 10,000 flags, a hundred a day."""
    made = System({f"{PREFIX}BROKERS": "127.0.0.1:1", f"{PREFIX}TOPIC_PREFIX": ""}, disk)
    with open_store(made.store) as store:
        store_flags(store, [flag(number, NEWEST - (DAYS * 100 - number) * DAY // 100) for number in range(DAYS * 100)])
    return made


def test_a_store_on_a_read_only_file_system_is_read_and_said_so(made: System, disk: Path, tmp_path: Path) -> None:
    with read_only(disk):
        said = made.scorer("status")
        assert f"notice: {made.store}: it lies on a read-only file system" in said.err
        assert "transactions-0" in said.out
        assert str(made.store) not in said.err.replace("notice: " + str(made.store), "")
        shown = made.run(reporter, "show")
        assert (shown.code, "it lies on a read-only file system" in shown.err) == (0, True), shown
        assert made.scorer("backup", str(tmp_path / "copy.db")).code == 0
        assert "cannot be read" not in made.scorer("verify").err
    assert sorted(path.name for path in disk.iterdir()) == ["risk.db"]


def test_a_log_that_cannot_be_taken_in_is_never_left_out(made: System, disk: Path) -> None:
    """Read without it, the store would be an older one, and nothing would say so."""
    with held_by_another(made.store, "begin"), open_store(made.store) as store:
        store.take_over(TRANSACTIONS, 7, first_offset=0)
        logs = {path: path.read_bytes() for path in disk.iterdir()}
    for path, contents in logs.items():
        path.write_bytes(contents)
    (disk / "risk.db-shm").unlink()
    with read_only(disk), pytest.raises(StoreError, match=r"its file system is read-only here.*its -wal"):
        open_store(made.store, read_only=True)


def test_prune_on_a_disk_that_is_nearly_full_deletes_in_small_steps(made: System, disk: Path) -> None:
    learned = (LearnedNumber("amount", 20.0, 0.0, 1000.0, reference=20.0),)
    write_bundle(disk.parent / "b", FeatureSet(frozenset()), learned, [0.01])
    filled(disk, room=LEAST_AT_ONCE * FLAG_BYTES + 100_000)
    said = made.scorer("prune", "--older-than", "60d", "--bundle", str(disk.parent / "b"))
    assert said.code == 0, said
    with open_store(made.store) as store:
        assert next(store.flags()).event_time >= NEWEST - 61 * DAY


def test_prune_says_how_much_room_it_needs_before_it_begins(made: System, disk: Path) -> None:
    filled(disk, room=600_000)
    with open_store(made.store) as store:
        with pytest.raises(
            StoreError, match=r"bytes of room on its disk, expected [\d,]+ to prune.*Nothing was deleted"
        ):
            prune(store, TRANSACTIONS, older_than_ms=60 * DAY, max_lateness_ms=DAY, ledgers=())
        assert sum(1 for _ in store.flags()) == DAYS * 100


def test_a_backup_says_how_much_room_it_needs_and_leaves_nothing(made: System, disk: Path) -> None:
    filled(disk, room=600_000)
    said = made.scorer("backup", str(disk / "copy.db"))
    assert said.code == 1
    size = made.store.stat().st_size
    assert f"bytes of room on its disk, expected {size:,} for the copy; nothing was written" in said.err
    assert not [path for path in disk.iterdir() if "copy" in path.name]
