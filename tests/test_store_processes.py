"""Several processes on one file, and what goes wrong under their feet: nothing is half written, and all is said."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from risk.errors import StaleOwnerError, StoreBusyError, StoreError
from risk.store import open_store
from risk.store.sqlite.failures import in_words
from testing.stores import TRANSACTIONS, flag, held_by_another, run, store_flags, stored

_WRITER = """
import sys
from pathlib import Path
from risk.store import open_store
from testing.stores import NOTHING_SENT, TRANSACTIONS, flag

path, partition, batches, size = sys.argv[1], *map(int, sys.argv[2:5])
print("ready", flush=True)
sys.stdin.readline()
store = open_store(Path(path))
taken = store.take_over(TRANSACTIONS, partition, first_offset=0)
place = taken.next_offset
print("writing", flush=True)
while place < batches * size:
    rows = [flag(offset, partition=partition) for offset in range(place, place + size)]
    store.commit_flags(
        taken.owner, expected=place, next_offset=place + size, newest_event_time=0, outputs=NOTHING_SENT, rows=rows
    )
    place += size
"""


def writer(path: Path, partition: int, batches: int, size: int) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", _WRITER, str(path), *map(str, (partition, batches, size))]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_processes_that_begin_together_make_one_store_and_lose_nothing(tmp_path: Path) -> None:
    processes = [writer(tmp_path / "risk.db", partition, 20, 20) for partition in range(6)]
    for process in processes:
        begin(process)
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    with open_store(tmp_path / "risk.db") as store:
        assert [p.next_offset for p in store.positions()] == [400] * 6
    assert [row[:2] for row in stored(tmp_path / "risk.db")] == [(p, offset) for p in range(6) for offset in range(400)]


def test_a_killed_writer_leaves_whole_batches_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with writer(tmp_path / "risk.db", 0, 1_000_000, 20) as process:
        begin(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        with open_store(tmp_path / "risk.db") as store:
            while store.positions()[0].next_offset < 200:
                pass
        process.kill()
    with open_store(tmp_path / "risk.db") as store:
        place = store.positions()[0].next_offset
        assert place % 20 == 0
        assert [row.source_offset for row in store.flags()] == list(range(place))
        store_flags(store, [flag(place)])
        assert store.positions()[0].next_offset == place + 1


def test_who_waits_too_long_for_another_process_is_told_and_may_try_again(tmp_path: Path) -> None:
    with open_store(tmp_path / "risk.db", busy_ms=50) as store:
        with (
            held_by_another(tmp_path / "risk.db", "begin immediate"),
            pytest.raises(StoreBusyError, match=r"risk\.db: database is locked for longer than the limit"),
        ):
            store.take_over(TRANSACTIONS, 0, first_offset=0)
        assert store.take_over(TRANSACTIONS, 0, first_offset=0).owner.epoch == 1


def test_who_waits_within_the_limit_goes_on(tmp_path: Path) -> None:
    """The other one lets go while this one waits."""
    path = tmp_path / "risk.db"
    with open_store(path) as store, held_by_another(path, "begin immediate") as process:
        assert process.stdin is not None
        process.stdin.close()
        assert store.take_over(TRANSACTIONS, 0, first_offset=0).owner.epoch == 1


def test_a_reader_sees_the_store_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        store_flags(store, [flag(0)])
    with open_store(path, busy_ms=50) as store, held_by_another(path, "begin immediate"):
        assert list(store.flags()) == [flag(0)]
        with open_store(path, read_only=True, busy_ms=50) as reader:
            assert list(reader.flags()) == [flag(0)]


# Under its feet


def test_a_store_that_was_deleted_is_written_no_more(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        owner = store_flags(store, [flag(0)])
        path.unlink()
        with pytest.raises(StaleOwnerError, match=r"risk\.db: the store was deleted while it was open"):
            store.skip_to(owner, expected=1, next_offset=2)
        with pytest.raises(StaleOwnerError, match="was deleted"):
            store.check(owner, 1)
        assert store.positions()[0].next_offset == 1


def test_a_store_that_was_replaced_is_written_no_more_and_does_the_new_one_no_harm(tmp_path: Path) -> None:
    path, backup = tmp_path / "risk.db", tmp_path / "backup.db"
    with open_store(path) as store:
        owner = store_flags(store, [flag(0)])
        store.backup(backup)
        backup.rename(path)
        with pytest.raises(StaleOwnerError, match="the store is another file now"):
            store.skip_to(owner, expected=1, next_offset=2)
    assert stored(path) == [flag(0)]


_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from risk.errors import StoreError
from risk.store import open_store
from testing.stores import NOTHING_SENT, TRANSACTIONS, flag

store = open_store(Path(sys.argv[1]))
owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
place = 0
try:
    while True:
        rows = [flag(offset) for offset in range(place, place + 100)]
        store.commit_flags(
            owner, expected=place, next_offset=place + 100, newest_event_time=0, outputs=NOTHING_SENT, rows=rows
        )
        place += 100
except StoreError as error:
    print(place, error)
"""


def test_a_disk_without_room_stops_the_writer_and_leaves_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    done = run(_LITTLE_ROOM, path)
    place, words = done.stdout.split(" ", 1)
    assert "disk I/O error; expected a disk that can be read and written, with room" in words
    with open_store(path) as store:
        assert store.positions()[0].next_offset == int(place) > 0
    assert [row.source_offset for row in stored(path)] == list(range(int(place)))


def test_a_full_disk_is_said_in_words(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "full.db", isolation_level=None)
    connection.execute("pragma max_page_count = 2")
    connection.execute("create table filler (text)")
    with (
        pytest.raises(StoreError, match=r"full\.db: database or disk is full; expected room for it; make room"),
        in_words(tmp_path / "full.db"),
    ):
        connection.execute("insert into filler values (zeroblob(100000))")
    connection.close()


def test_a_damaged_store_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        store_flags(store, [flag(offset) for offset in range(500)])
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match=r"malformed; expected a whole store; keep the file .* restore a backup"):
        stored(path)
