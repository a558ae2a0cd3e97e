"""`backup`, `restore` and `prune`: what the commands say and do; tests/test_store* hold what the store does."""

import json
import re
from pathlib import Path

import pytest

from risk.clock import DAY, HOUR, to_date
from risk.ledger_day import LedgerDay
from risk.ledger_log import ClosedDay
from risk.settings import PREFIX
from risk.store import open_store
from testing.stores import TRANSACTIONS, flag, held_by_another, store_flags
from testing.systems import System

NEWEST = 19_800 * DAY
DAYS = 100


@pytest.fixture
def made(tmp_path: Path) -> System:
    """A store with a flag a day, the newest last."""
    made = System({f"{PREFIX}BROKERS": "127.0.0.1:1", f"{PREFIX}TOPIC_PREFIX": ""}, tmp_path)
    store = open_store(made.store)
    store_flags(store, [flag(number, NEWEST - (DAYS - number) * DAY) for number in range(DAYS)])
    store.close()
    return made


def offsets(made: System) -> list[int]:
    store = open_store(made.store, read_only=True)
    found = [row.source_offset for row in store.flags()]
    assert store.positions()[0].next_offset == DAYS
    store.close()
    return found


def test_a_backup_can_be_put_in_the_place_of_a_store_that_is_gone(made: System, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    said = made.scorer("backup", str(copy))
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{copy}: {copy.stat().st_size:,} bytes, {TRANSACTIONS}-0 at 100\n"
    made.store.unlink()
    said = made.scorer("restore", str(copy))
    assert said.code == 0, said
    assert f"{made.store}: {TRANSACTIONS}-0 at 100" in said.out
    assert offsets(made) == list(range(DAYS))


def test_a_backup_does_not_replace_a_file_and_a_restore_only_when_told(made: System, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert made.scorer("backup", str(copy)).code == 0
    assert "there is a file already" in made.scorer("backup", str(copy)).err
    said = made.scorer("restore", str(copy))
    assert (said.code, "say --force" in said.err) == (1, True)
    assert made.scorer("restore", str(copy), "--force").code == 0


def test_a_restore_is_refused_while_somebody_has_the_store(made: System, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert made.scorer("backup", str(copy)).code == 0
    with held_by_another(made.store, "begin"):
        said = made.scorer("restore", str(copy), "--force")
    assert said.code == 1
    assert "somebody has the store open" in said.err


def test_a_backup_of_nothing_says_so_and_makes_nothing(tmp_path: Path) -> None:
    empty = System({f"{PREFIX}BROKERS": "127.0.0.1:1", f"{PREFIX}TOPIC_PREFIX": ""}, tmp_path)
    said = empty.scorer("backup", str(tmp_path / "copy.db"))
    assert said.code == 1
    assert "there is no store" in said.err
    assert list(tmp_path.iterdir()) == []


def test_pruning_keeps_what_is_younger_and_says_what_had_to_stay(made: System) -> None:
    """A month and twice the lateness is what a rebuild needs; no ledger day is closed, so that nothing may go yet."""
    made.make_bundle()
    bundle = ("--bundle", str(made.models / "current"))
    said = made.scorer("prune", "--older-than", "60d", *bundle)
    assert said.code == 0, said
    assert "gone: 0 flags, 0 labels, 0 rows of the merchant ledger\n" in said.out
    assert (
        "kept: partition 0: 39 flags stay, because no day of the ledger (label delay 7 d, bucket 3600 s) is closed yet"
    ) in said.out
    assert offsets(made) == list(range(DAYS))


@pytest.mark.parametrize(("lateness_days", "gone"), [(1, 39), (30, 9)])
def test_pruning_lets_go_of_what_no_bundle_that_has_scored_can_need(
    made: System, lateness_days: int, gone: int
) -> None:
    """An older bundle may have let transactions come later than the current one does."""
    made.make_bundle()
    store = open_store(made.store)
    older = {"max_lateness_ms": lateness_days * DAY, "label_delay_days": 7, "bucket_ms": HOUR}
    store.remember_bundle("older", json.dumps(older))
    store.add_ledger_days([ClosedDay(LedgerDay(NEWEST // DAY - 8, 7, HOUR, (), (), (), ()), 1, 0)], 1)
    store.close()
    said = made.scorer("prune", "--older-than", "60d", "--bundle", str(made.models / "current"))
    assert f"gone: {gone} flags, 0 labels, 0 rows of the merchant ledger\n" in said.out
    assert offsets(made) == list(range(gone, DAYS))
    store = open_store(made.store, read_only=True)
    first = next(store.flags()).event_time
    store.close()
    assert f"python -m scorer verify --from {to_date(-(-first // DAY))}\n" in said.out


def test_pruning_keeps_the_open_days_of_every_bundle_that_has_scored(made: System) -> None:
    """Of one with a longer label delay the days of these flags are not closed yet; it may be put in use again."""
    made.make_bundle()
    store = open_store(made.store)
    older = {"max_lateness_ms": DAY, "label_delay_days": 30, "bucket_ms": HOUR, "fields": ["merchant_id"]}
    store.remember_bundle("older", json.dumps(older))
    days = [
        LedgerDay(NEWEST // DAY - 8, 7, HOUR, (), (), (), ()),
        LedgerDay(NEWEST // DAY - 95, 30, HOUR, (), (), (), ()),
    ]
    store.add_ledger_days([ClosedDay(day, 1, n) for n, day in enumerate(days)], 2)
    store.close()
    prune = ("prune", "--older-than", "60d", "--bundle", str(made.models / "current"))
    said = made.scorer(*prune)
    assert offsets(made) == list(range(6, DAYS)), said
    assert re.search(r"kept: partition 0: 33 flags stay, because day \S+ of the ledger \(label delay 30 d, ", said.out)
    assert made.scorer(*prune, "--only-its-ledger").code == 0
    assert offsets(made) == list(range(39, DAYS))


@pytest.mark.parametrize("manifest", ['{"max_lateness_ms": "a day"}', '{"label_delay_days": 7, "bucket_ms": 3600000}'])
def test_a_manifest_in_the_store_that_cannot_be_read_stops_pruning(made: System, manifest: str) -> None:
    """One that does not say how late transactions may come is not taken for one of which none comes late."""
    made.make_bundle()
    with open_store(made.store) as store:
        store.remember_bundle("older", manifest)
    said = made.scorer("prune", "--older-than", "60d", "--bundle", str(made.models / "current"))
    assert said.code == 1
    assert "the manifest of bundle older cannot be read" in said.err
    assert offsets(made) == list(range(DAYS))


def test_pruning_of_nothing_says_so_and_makes_nothing(made: System) -> None:
    made.make_bundle()
    made.store.unlink()
    said = made.scorer("prune", "--older-than", "60d", "--bundle", str(made.models / "current"))
    assert said.code == 1
    assert "there is no store" in said.err
    assert not made.store.exists()
