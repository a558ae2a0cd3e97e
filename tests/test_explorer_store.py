"""Many who ask at once, and a store that is written, replaced, broken or not there."""

import gc
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from kpi_reporter.kpis.values import Unready
from risk.store import open_store, restore_store
from scorer.copies import patience
from testing.stores import store_flags
from tests.explorers import ENDLESS, Figures, Fixed, Served, a_flag, exploring, make_store


@pytest.mark.parametrize("people", [40, pytest.param(200, marks=pytest.mark.proof)])
def test_many_at_once_are_all_answered(tmp_path: Path, people: int) -> None:
    """None is lost, refused or deadlocked by the others, however slow the machine is: the wait is set far beyond the
    product's LONGEST_WAIT_SECONDS. It does not prove that they are answered within that."""
    make_store(tmp_path / "risk.db")
    addresses = ["/", "/store", "/store/risk_flags", "/store/alerts_of_the_last_day"] * (people // 4)
    with exploring(tmp_path / "risk.db", longest_wait_seconds=600) as server, ThreadPoolExecutor(people) as asking:
        answers = list(asking.map(server.ask, addresses))
    assert [answer.status for answer in answers] == [200] * people


def test_while_endless_queries_run_others_are_answered_or_told_to_wait(explorer: Served) -> None:
    with ThreadPoolExecutor(12) as people:
        endless = [people.submit(explorer.sql, ENDLESS) for _ in range(8)]
        overview = explorer.ask("/")
        assert explorer.sql("select 1").status == 200
        assert {each.result().status for each in endless} == {400}
    assert overview.status == 200


def test_who_would_wait_too_long_is_told_to_come_again(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    make_store(path, rows=3)
    with exploring(path, longest_wait_seconds=0.1) as server, ThreadPoolExecutor(12) as people:
        answers = list(people.map(server.sql, [ENDLESS] * 12))
        assert {answer.status for answer in answers} == {400, 503}
        assert {answer.json["title"] for answer in answers} == {"The query was stopped", "Busy"}
        assert server.sql("select 1").status == 200


def test_new_rows_are_seen_at_once_and_no_query_holds_up_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    make_store(path, rows=3)
    with exploring(path) as server, open_store(path) as store:
        assert server.sql("select count(*) from risk_flags").json["rows"] == [[3]]
        server.sql("select a.source_offset from risk_flags as a, risk_flags as b, ledger_progress as c")
        server.sql(ENDLESS)
        store.take_over("transactions", 0, first_offset=3)
        with closing(sqlite3.connect(path)) as connection:
            busy, left, done = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        assert (busy, left, done) == (0, 0, 0)
        assert server.sql("select owner_epoch from partitions where topic = 'transactions'").json["rows"] == [[2]]


def test_a_store_that_is_replaced_or_comes_late_needs_no_restart(tmp_path: Path) -> None:
    path, other = tmp_path / "risk.db", tmp_path / "other.db"
    with exploring(path) as server:
        answer = server.ask("/store")
        assert answer.status == 503
        assert "there is no store" in answer.text
        assert answer.headers["retry-after"] == "5"
        assert '<meta http-equiv="refresh" content="5">' in answer.text
        make_store(path, rows=3)
        assert server.sql("select count(*) from risk_flags").json["rows"] == [[3]]
        make_store(other, rows=7)
        other.rename(path)
        assert server.sql("select count(*) from risk_flags").json["rows"] == [[7]]
        path.unlink()
        assert server.sql("select count(*) from risk_flags").status == 503
        path.write_bytes(b"no store at all, but text" * 100)
        answer = server.sql("select 1")
        assert answer.status == 503
        assert "file is not a database" in answer.json["error"]


def test_a_backup_is_restored_between_two_pages_and_is_seen_without_a_restart(tmp_path: Path) -> None:
    """Whoever restores needs the file for himself: nothing stays open, whatever became of the pages before."""
    path, backup = tmp_path / "risk.db", tmp_path / "backup.db"
    make_store(path, rows=3)
    with exploring(path) as server:
        with open_store(path) as store:
            store.backup(backup)
            store_flags(store, [a_flag(place) for place in range(3, 8)])
        with ThreadPoolExecutor(8) as people:
            list(people.map(server.ask, ["/store", "/store/risk_flags", "/store/worst_misses", "/store/labels"] * 2))
            list(people.map(server.sql, [ENDLESS, "select nobody", "select 1"]))
        assert server.sql("select count(*) from risk_flags").json["rows"] == [[8]]
        # An answer may be here before its page lets go of the store.
        restore_store(backup, path, force=True, may_wait=patience(60))
        assert server.sql("select count(*) from risk_flags").json["rows"] == [[3]]
        assert "3 rows" in server.ask("/store/risk_flags").text


def test_a_file_that_breaks_while_it_is_open_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    make_store(path, rows=2000)
    figures = Figures(path).value()
    with exploring(path, Fixed(figures)) as server:
        assert server.sql("select 1").status == 200
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"broken" * 20_000)
        answer = server.sql("select sum(amount) from risk_flags")
        assert answer.status == 503
        assert "malformed; expected a whole store" in answer.json["error"]
        assert server.ask("/store/risk_flags").status == 503
        assert server.ask("/").status == 200


def test_while_the_figures_cannot_be_read_every_page_says_why(tmp_path: Path) -> None:
    with exploring(tmp_path / "risk.db", Fixed(Unready("the disk is gone"))) as server:
        answer = server.sql("select 1")
        assert (answer.status, answer.json["error"]) == (503, "the disk is gone")
        assert "the disk is gone" in server.ask("/").text


def unclosed() -> list[sqlite3.Connection]:
    """Connections of this process."""
    found = []
    for each in gc.get_objects():
        if type(each) is sqlite3.Connection:
            with suppress(sqlite3.ProgrammingError):
                each.in_transaction  # noqa: B018 - a closed one raises
                found.append(each)
    return found


def test_nothing_stays_open_behind_the_explorer(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    make_store(path, rows=3)
    before = {id(each) for each in unclosed()}
    with exploring(path) as server:
        assert server.ask("/store/risk_flags").status == 200
        assert server.sql("select instr(0.5, 5)").json["rows"] == [[3]]
        assert not {id(each) for each in unclosed()} <= before
    assert {id(each) for each in unclosed()} <= before
