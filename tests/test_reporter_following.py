"""A reader that follows a store through all that happens to it: no restart, and never a figure of another file."""

import sqlite3
from pathlib import Path

import pytest

from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.values import Unready
from risk.clock import DAY
from risk.store import FlagRow, Store, open_store, prune, restore_store
from testing.stores import NOTHING_SENT, TRANSACTIONS, flag, store_flags
from tests.cases import NEW_YEAR
from tests.kpi_stores import SmallWorld, assert_as_by_sql, read, remember_bundles


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "risk.db"


@pytest.fixture
def reader(path: Path) -> KpiReader:
    return KpiReader(path)


def filled(path: Path, seed: int, steps: int) -> SmallWorld:
    world = SmallWorld(seed)
    with open_store(path) as store:
        remember_bundles(store)
        fill(store, world, steps)
    return world


def fill(store: Store, world: SmallWorld, steps: int) -> None:
    for _ in range(steps):
        world.write_flags(store, 150, ("one", "two"))
        world.write_labels(store, 60)


def reason_of(now: object) -> str:
    assert isinstance(now, Unready), now
    return now.reason


def test_a_store_that_comes_later_is_read_then(path: Path, reader: KpiReader) -> None:
    assert "there is no store, expected one to read; a worker makes it" in reason_of(reader.read())
    filled(path, 1, 2)
    assert_as_by_sql(read(reader), path)


def test_a_replaced_file_is_read_anew(path: Path, reader: KpiReader, tmp_path: Path) -> None:
    """Another file with other flags, though partitions and offsets look like a continuation."""
    filled(path, 1, 2)
    assert_as_by_sql(read(reader), path)
    filled(tmp_path / "other.db", 2, 6)
    (tmp_path / "other.db").replace(path)
    assert_as_by_sql(read(reader), path)


def test_a_deleted_file_leaves_no_figures_and_a_new_one_brings_its_own(path: Path, reader: KpiReader) -> None:
    filled(path, 1, 2)
    read(reader)
    for file in path.parent.iterdir():
        file.unlink()
    assert "there is no store" in reason_of(reader.read())
    filled(path, 3, 1)
    assert_as_by_sql(read(reader), path)


def test_a_restored_backup_is_read_anew_and_followed(path: Path, reader: KpiReader, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    world = filled(path, 1, 2)
    with open_store(path) as store:
        store.backup(backup)
        fill(store, world, 2)
    assert_as_by_sql(read(reader), path)
    restore_store(backup, path, force=True)
    assert_as_by_sql(read(reader), path)
    with open_store(path) as store:
        store_flags(store, [flag(10_000, partition=2)])
    assert_as_by_sql(read(reader), path)


def test_a_backup_written_into_the_same_file_is_read_anew(path: Path, reader: KpiReader, tmp_path: Path) -> None:
    """Same device and inode: the offsets tell."""
    backup = tmp_path / "backup.db"
    world = filled(path, 1, 2)
    with open_store(path) as store:
        store.backup(backup)
        fill(store, world, 2)
    assert_as_by_sql(read(reader), path)
    inode = path.stat().st_ino
    write_into(path, backup)
    assert path.stat().st_ino == inode
    assert_as_by_sql(read(reader), path)


def write_into(path: Path, backup: Path) -> None:
    """As somebody does who does not know `restore`."""
    source, target = sqlite3.connect(backup), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()


def highs(first: int, last: int) -> list[FlagRow]:
    return [flag(n, level="high", customer=f"c{n}")._replace(bundle_version="one") for n in range(first, last)]


def test_a_backup_of_the_same_owner_is_told_by_its_offset(path: Path, reader: KpiReader, tmp_path: Path) -> None:
    with open_store(path) as store:
        remember_bundles(store)
        owner = store_flags(store, highs(0, 5))
        store.backup(tmp_path / "backup.db")
        store.commit_flags(
            owner, expected=5, next_offset=9, newest_event_time=NEW_YEAR, outputs=NOTHING_SENT, rows=highs(5, 9)
        )
    assert read(reader).transactions == 9
    write_into(path, tmp_path / "backup.db")
    assert_as_by_sql(read(reader), path)


def test_a_backup_that_has_gone_on_further_is_told_by_its_epoch(path: Path, reader: KpiReader, tmp_path: Path) -> None:
    """Its offset is beyond what was read, but what lies before it is other flags."""
    with open_store(path) as store:
        remember_bundles(store)
        store_flags(store, highs(0, 5))
        store.backup(tmp_path / "backup.db")
        for offset in (5, 6, 7):
            store_flags(store, highs(offset, offset + 1))
    assert read(reader).transactions == 8
    write_into(path, tmp_path / "backup.db")
    with open_store(path) as store:
        rows = [flag(n, customer="other")._replace(bundle_version="one") for n in range(5, 20)]
        store_flags(store, rows)
    assert_as_by_sql(read(reader), path)


def test_several_writers_at_once(path: Path, reader: KpiReader) -> None:
    """Two workers, each with partitions of its own, and readings between their batches."""
    with open_store(path) as one, open_store(path) as other:
        remember_bundles(one)
        offsets = [0] * 6
        for step in range(30):
            partition = step % 6
            rows = [
                flag(offsets[partition] + n, NEW_YEAR + step * DAY, partition=partition, level="high", customer=f"c{n}")
                for n in range(20)
            ]
            store_flags((one, other)[partition % 2], [row._replace(bundle_version="one") for row in rows],
                        partition=partition)  # fmt: skip
            offsets[partition] += 20
            if step % 3 == 0:
                assert_as_by_sql(read(reader), path)
        assert_as_by_sql(read(reader), path)


def test_what_was_pruned_is_counted_until_pruning_is_over_and_then_no_more(path: Path, reader: KpiReader) -> None:
    with open_store(path) as store:
        remember_bundles(store)
        rows = [flag(n, NEW_YEAR + n * DAY, level="high")._replace(bundle_version="one") for n in range(120)]
        store_flags(store, rows)
        assert read(reader).transactions == 120
        prune(store, TRANSACTIONS, older_than_ms=60 * DAY, max_lateness_ms=DAY, ledgers=())
        assert read(reader).transactions == 120
        assert_as_by_sql(read(reader), path)
        assert read(reader).transactions < 120


def test_many_pieces_and_gaps_in_the_offsets(path: Path, reader: KpiReader) -> None:
    """More offsets than one query takes, and holes larger than that."""
    places = [*range(0, 40_000, 3), *range(100_000, 100_010), 1 << 33, *range((1 << 33) + 70_000, (1 << 33) + 70_005)]
    with open_store(path) as store:
        remember_bundles(store)
        store_flags(store, [flag(n, NEW_YEAR + n % DAY)._replace(bundle_version="one") for n in places])
        assert read(reader).transactions == len(places)
        store_flags(store, [flag(1 << 34)._replace(bundle_version="one")])
        assert_as_by_sql(read(reader), path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty, expected a store"),
        (b"no database at all" * 100, "file is not a database; expected a store of TrustLens"),
    ],
)
def test_what_is_no_store_is_said_and_a_store_in_its_place_is_read(
    path: Path, reader: KpiReader, content: bytes, why: str
) -> None:
    path.write_bytes(content)
    assert why in reason_of(reader.read())
    path.unlink()
    filled(path, 1, 1)
    assert_as_by_sql(read(reader), path)


def test_a_store_of_a_newer_program_is_refused(path: Path, reader: KpiReader) -> None:
    filled(path, 1, 1)
    connection = sqlite3.connect(path)
    connection.execute("pragma user_version = 99")
    connection.close()
    assert "got a store of schema version 99" in reason_of(reader.read())


def test_a_damaged_store_is_said(path: Path, reader: KpiReader) -> None:
    filled(path, 1, 4)
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(bytes(content))
    assert "malformed; expected a whole store" in reason_of(reader.read())


def test_a_text_with_a_nul_is_refused(path: Path, reader: KpiReader) -> None:
    """Counted wrongly otherwise: it parts the columns."""
    with open_store(path) as store:
        store_flags(store, [flag(0, customer="a\0b"), flag(1)])
    assert "one of them holds a NUL" in reason_of(reader.read())


def test_a_folder_in_the_place_of_the_store_is_said(path: Path, reader: KpiReader) -> None:
    path.mkdir()
    assert "got a folder, expected the store's file" in reason_of(reader.read())
