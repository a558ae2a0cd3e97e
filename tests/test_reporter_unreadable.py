"""A store that cannot be read, or that holds what no worker writes: a reason in words, from figures and explorer alike.

Other versions, damaged pages and files that are none: test_reporter_following and test_explorer_store.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from rich.console import Console

from kpi_reporter.kpis.alerts import Alert
from kpi_reporter.kpis.figures import Figures
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.show import look
from risk.errors import StoreError
from risk.store import open_to_report
from risk.store.sqlite.reading import file_to_report
from tests.explorers import Fixed, exploring, make_store
from tests.kpi_stores import read
from tests.test_reporter_following import reason_of

NOBODY = 65_534


def a_loop(path: Path) -> None:
    path.symlink_to(path)


def below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("a file")


def a_pipe(path: Path) -> None:
    """Whoever opens one waits for somebody to write."""
    os.mkfifo(path)


def a_file_of_others(path: Path) -> None:
    make_store(path, rows=3)
    path.chmod(0)


def a_closed_folder(path: Path) -> None:
    make_store(path, rows=3)
    path.parent.chmod(0)


@contextmanager
def as_nobody_special() -> Iterator[None]:
    """Root may read everything, so that permissions are tested as somebody else. Who may not load modules either."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def path() -> Iterator[Path]:
    """In a folder of its own. pytest's own are closed to others."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "here").mkdir()
        yield folder / "here" / "risk.db"
        if (folder / "here").is_dir():
            (folder / "here").chmod(0o700)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (a_loop, "symbolic links, expected a file that may be read"),
        (below_a_file, "Not a directory, expected a file that may be read"),
        (a_pipe, "got a pipe, expected the store's file; give another path"),
    ],
)
def test_what_is_no_file_is_said_with_what_to_do(
    path: Path, tmp_path: Path, made: Callable[[Path], None], why: str
) -> None:
    make_store(tmp_path / "good.db", rows=3)
    figures = read(KpiReader(tmp_path / "good.db"))
    made(path)
    said = reason_of(KpiReader(path).read())
    assert said.startswith(f"{path}: ")
    assert why in said
    with exploring(path, Fixed(figures)) as server:
        answer = server.sql("select 1")
    assert (answer.status, answer.json["error"]) == (503, said)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (
            a_file_of_others,
            "unable to open database file; expected a file and folder that may be written; change their",
        ),
        (a_closed_folder, "Permission denied, expected a file that may be read; change the permissions"),
    ],
)
def test_what_may_not_be_read_is_said_with_what_to_do(path: Path, made: Callable[[Path], None], why: str) -> None:
    made(path)
    with as_nobody_special():
        said = reason_of(KpiReader(path).read())
    assert said.startswith(f"{path}: ")
    assert why in said


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("event_time = 9000000000000000000", "got 9000000000000000000 as event_time at offset 2, expected"),
        ("level = 'dire'", "as level at offset 2, expected 0 to 2; keep the file for inspection"),
        ("decision = 'maybe'", "got 9 as decision at offset 2, expected 0 to 2"),
        ("score = 7", "got 140 as score in 20ths at offset 2, expected 0 to 20"),
        ("score = -0.5", "got -10 as score in 20ths at offset 2"),
        ("amount = -7", "got -7 as amount at offset 2, expected -1 to 100000000000000"),
        ("currency = 'XQX'", "got the currency 'XQX', expected a code of ISO 4217"),
        ("merchant_category = cast(x'ff41' as text)", r"got the text b'\xffA', expected UTF-8"),
        ("bundle_version = cast(x'ff41' as text)", r"got the text b'\xffA', expected UTF-8"),
    ],
)
def test_a_value_that_no_worker_writes_is_no_figure_and_no_crash(tmp_path: Path, change: str, why: str) -> None:
    """SQLite has no sums over its pages: a bit that was flipped on the disk looks like a value."""
    path = tmp_path / "risk.db"
    make_store(path, rows=9, labels=0)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"update risk_flags set {change} where source_offset = 2")
    assert why in reason_of(KpiReader(path).read())


def test_a_verdict_that_is_none_is_said(tmp_path: Path) -> None:
    make_store(tmp_path / "risk.db", rows=9, labels=2)
    with closing(sqlite3.connect(tmp_path / "risk.db")) as connection, connection:
        connection.execute("update labels set is_fraud = 3 where source_offset = 1")
    assert "labels: got 3 as is_fraud, expected 0 or 1" in reason_of(KpiReader(tmp_path / "risk.db").read())


@pytest.mark.parametrize("change", ["reasons = 'nonsense'", "rules = '[{}]'", "customer_id = cast(x'ff41' as text)"])
def test_an_alert_that_cannot_be_read_is_said(tmp_path: Path, change: str) -> None:
    path = tmp_path / "risk.db"
    make_store(path, rows=9, labels=0)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"update risk_flags set {change} where level = 'high'")
    reader = KpiReader(path)
    read(reader)
    with pytest.raises(StoreError, match="keep the file for inspection and restore a backup"):
        reader.latest_alerts(5)


@pytest.mark.parametrize("write", ["delete from risk_flags", "create table mine (x)", "pragma user_version = 9"])
def test_what_the_reporter_opens_cannot_be_written(tmp_path: Path, write: str) -> None:
    make_store(tmp_path / "risk.db", rows=3)
    opened = file_to_report(tmp_path / "risk.db")
    with pytest.raises(sqlite3.OperationalError, match="attempt to write a readonly database"):
        opened.connection.execute(write)
    opened.connection.close()


def test_a_file_that_goes_while_it_is_read_is_no_crash(tmp_path: Path) -> None:
    """Between its last row and the question when it was written."""
    path = tmp_path / "risk.db"
    make_store(path, rows=9)
    with closing(open_to_report(path)) as store:
        figures = Figures(store, path)
        for file in tmp_path.iterdir():
            file.unlink()
        with pytest.raises(StoreError, match=r"risk\.db: No such file or directory, expected a file that may be read"):
            figures.read_new(store)


class Leaving(KpiReader):
    """The file goes between its figures and its alerts."""

    def latest_alerts(self, count: int) -> list[Alert]:
        self._path.unlink()
        return super().latest_alerts(count)


def test_a_watch_goes_on_when_the_file_goes_between_figures_and_alerts(tmp_path: Path) -> None:
    make_store(tmp_path / "risk.db", rows=3)
    assert "there is no store, expected one to read" in str(look(Leaving(tmp_path / "risk.db"), Console()))
