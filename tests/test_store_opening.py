"""What is opened as a store, what is refused, and in which words."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlite_utils import Database

from risk.errors import StoreError
from risk.store import Role, open_store
from risk.store.sqlite.migrations import APPLICATION_ID, STEPS, VERSION, migrate
from testing.stores import NOTHING_SENT, TRANSACTIONS, flag, held_by_another, run, store_flags, stored
from tests.cases import NEW_YEAR

ROOT = Path(__file__).parent.parent


def pragma(path: Path, name: str) -> object:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"pragma {name}").fetchone()[0]
    finally:
        connection.close()


def test_a_store_is_made_where_there_is_none_and_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    open_store(path).close()
    assert [pragma(path, name) for name in ("application_id", "user_version", "journal_mode")] == [
        APPLICATION_ID, VERSION, "wal",
    ]  # fmt: skip


def test_to_make_a_store_loads_no_pandas_and_hides_it_from_nobody(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom risk.store import open_store\n"
        "open_store(Path(sys.argv[1])).close()\n"
        "sys.exit(str(['sqlite_utils' in sys.modules, 'pandas' in sys.modules]))"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "risk.db")]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.stderr == "[True, False]\n"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_new_store_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    """It holds customers' transactions, and most umasks let everybody read."""
    before = os.umask(umask)
    try:
        with open_store(tmp_path / "risk.db") as store:
            store_flags(store, [flag(0)])
            assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == dict.fromkeys(
                ("risk.db", "risk.db-wal", "risk.db-shm"), 0o600
            )
    finally:
        os.umask(before)


def test_an_empty_file_keeps_the_mode_that_somebody_gave_it(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    path.touch()
    path.chmod(0o660)
    open_store(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_a_store_holds_what_it_held_when_it_is_opened_again(tmp_path: Path) -> None:
    with open_store(tmp_path / "risk.db") as store:
        store_flags(store, [flag(0)])
    assert stored(tmp_path / "risk.db") == [flag(0)]


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """It is what a crash leaves that came before the schema."""
    path = tmp_path / "risk.db"
    path.touch()
    assert stored(path) == []


def test_a_file_with_nothing_but_wal_mode_becomes_a_store(tmp_path: Path) -> None:
    """It is what a crash leaves between the mode and the schema."""
    connection = sqlite3.connect(tmp_path / "risk.db")
    connection.execute("pragma journal_mode = wal")
    connection.close()
    assert stored(tmp_path / "risk.db") == []


def test_the_log_of_a_deleted_store_is_not_taken_for_that_of_a_new_one(tmp_path: Path) -> None:
    """While another process still has the deleted one open, and shares the index of its log by name."""
    path = tmp_path / "risk.db"
    with open_store(path) as deleted, held_by_another(path, "begin"):
        store_flags(deleted, [flag(offset) for offset in range(3_000)])
        path.unlink()
        with open_store(path) as store:
            store_flags(store, [flag(offset) for offset in range(10)])
        assert stored(path) == [flag(offset) for offset in range(10)]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everywhere, so that a test run by root steps down."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody may look into; those of pytest are for their owner alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.mark.parametrize("folder_mode", [0o555, 0o777])
def test_a_file_that_may_not_be_written_is_refused_at_once(open_folder: Path, folder_mode: int) -> None:
    path = open_folder / "risk.db"
    open_store(path).close()
    path.chmod(0o444)
    open_folder.chmod(folder_mode)
    with as_nobody(), pytest.raises(StoreError, match=r"risk\.db: .*expected a file and folder that may be written"):
        open_store(path)


def test_a_folder_that_may_not_be_written_is_refused_at_once(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with as_nobody(), pytest.raises(StoreError, match=r"risk\.db: Permission denied, expected a file and folder"):
        open_store(open_folder / "risk.db")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere: No such file or directory, expected a folder"):
        open_store(tmp_path / "nowhere" / "risk.db")


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="got a folder, expected the store's file"):
        open_store(tmp_path)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_pipe_is_no_store(tmp_path: Path, read_only: bool) -> None:
    """Who opens it to read waits until somebody writes."""
    os.mkfifo(tmp_path / "risk.db")
    with pytest.raises(StoreError, match=r"got a pipe, a socket or a device, expected the store's file"):
        open_store(tmp_path / "risk.db", read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_not_sqlite_is_refused_and_left_alone(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "risk.db"
    text = "these are minutes of a meeting, and they matter to somebody\n" * 20
    path.write_text(text)
    with pytest.raises(StoreError, match=r"risk\.db: file is not a database; expected a store of TrustLens"):
        open_store(path, read_only=read_only)
    assert path.read_text() == text
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    "prepare", ["create table notes (text)", "pragma application_id = 7", "pragma user_version = 1"]
)
def test_a_store_of_another_program_is_refused_and_left_alone(tmp_path: Path, prepare: str, read_only: bool) -> None:
    path = tmp_path / "risk.db"
    connection = sqlite3.connect(path)
    connection.execute(prepare)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="a SQLite file of another program"):
        open_store(path, read_only=read_only)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "risk.db"
    open_store(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"pragma user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match=f"schema version {VERSION + 1}, expected at most {VERSION}"):
        open_store(path, read_only=read_only)


def test_who_only_reads_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store, expected one to read"):
        open_store(tmp_path / "risk.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_who_only_reads_sees_what_a_writer_stores_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    with open_store(path) as writer, open_store(path, read_only=True) as reader:
        store_flags(writer, [flag(0)])
        assert list(reader.flags()) == [flag(0)]
        with pytest.raises(StoreError, match="readonly"):
            reader.take_over(TRANSACTIONS, 0, first_offset=0)


# A step of a later version that dies half way.
_DIES = """
import os, sqlite3, sys
from sqlite_utils import Database
from risk.store.sqlite.migrations import STEPS, migrate

def later(db):
    db["later"].create({"id": int})
    db.execute("delete from risk_flags")
    os._exit(9)

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
migrate(Database(connection), int(sys.argv[2]), (*STEPS, later))
"""


@pytest.mark.parametrize("done", [0, VERSION])
def test_a_crash_in_the_middle_of_a_migration_leaves_what_was_there(tmp_path: Path, done: int) -> None:
    path = tmp_path / "risk.db"
    if done:
        with open_store(path) as store:
            store_flags(store, [flag(0)])
    assert run(_DIES, path, done).returncode == 9
    assert stored(path) == ([flag(0)] if done else [])
    assert pragma(path, "user_version") == VERSION
    assert pragma(path, "integrity_check") == "ok"
    connection = sqlite3.connect(path)
    assert connection.execute("select count(*) from sqlite_schema where name = 'later'").fetchone() == (0,)
    connection.close()


def test_a_store_of_the_first_version_gets_what_came_later_and_keeps_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("begin immediate")
    migrate(Database(connection), 0, STEPS[:1])
    connection.execute("insert into partitions (topic, partition, next_offset) values ('transactions', 0, 7)")
    connection.execute("commit")
    connection.close()
    with open_store(path) as store:
        [before] = store.positions()
        assert (before.next_offset, before.owner) == (7, None)
        store.take_over("transactions", 0, first_offset=0, owner="box:17")
        [after] = store.positions()
        assert (after.next_offset, after.owner) == (7, "box:17")


@pytest.mark.parametrize(
    ("first_offset", "begins"), [(0, NEW_YEAR), (1, None)], ids=["the log's first record", "perhaps others before it"]
)
def test_a_store_of_version_0_1_knows_where_a_partition_begins_only_by_the_log_s_first_record(
    tmp_path: Path, first_offset: int, begins: int | None
) -> None:
    path = tmp_path / "risk.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("begin immediate")
    migrate(Database(connection), 0, STEPS[:2])
    connection.execute(
        "insert into partitions (topic, partition, next_offset, newest_event_time) values ('transactions', 0, 9, ?)",
        (NEW_YEAR + 1,),
    )
    for offset in (first_offset, first_offset + 1):
        row = flag(offset, NEW_YEAR + offset)
        connection.execute(f"insert into risk_flags values ({', '.join('?' * 19)})", row[:19])  # as there were then
    connection.execute("commit")
    connection.close()
    with open_store(path) as store:
        taken = store.take_over("transactions", 0, first_offset=0)
        assert taken.first_event_time == begins
        store.commit_flags(
            taken.owner,
            expected=9,
            next_offset=10,
            newest_event_time=NEW_YEAR + 2,
            outputs=NOTHING_SENT,
            rows=[flag(9, NEW_YEAR + 2)],
        )
        [position] = store.positions()
        assert position.first_event_time == begins


def test_an_older_store_learns_which_bundle_scored_from_when_by_its_flags(tmp_path: Path) -> None:
    """As one that is rebuilt from the log has it, but for when it was stored."""
    versions = {0: "aabbba", 1: "b"}
    rows = [
        flag(offset, NEW_YEAR + offset, partition=partition)._replace(bundle_version=version)
        for partition, each in versions.items()
        for offset, version in enumerate(each, 7)
    ]
    path = tmp_path / "risk.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        migrate(Database(connection), 0, STEPS[:4])
        for row in rows:
            connection.execute(f"insert into risk_flags values ({', '.join('?' * 19)})", row[:19])  # as there were then
        connection.execute("commit")
    with open_store(tmp_path / "rebuilt.db") as rebuilt:
        for partition in versions:
            store_flags(rebuilt, [row for row in rows if row.source_partition == partition], partition=partition)
        expected = rebuilt.starts(Role.BUNDLE)
    with open_store(path) as store:
        assert store.starts(Role.BUNDLE) == expected
    assert [(start.partition, start.first_offset, start.version, start.stored_at) for start in expected] == [
        (0, 7, "a", None), (0, 9, "b", None), (0, 12, "a", None), (1, 7, "b", None),
    ]  # fmt: skip
