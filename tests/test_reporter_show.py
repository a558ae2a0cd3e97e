"""`python -m kpi_reporter show`: the figures for somebody at a terminal."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from console.start import EXIT_INTERRUPTED
from kpi_reporter.__main__ import main
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.show import look
from risk.clock import DAY
from risk.events import Label
from risk.store import open_store
from testing.stores import flag, store_flags, store_labels
from tests.cases import NEW_YEAR
from tests.kpi_stores import remember_bundles

REASONS = """[{"feature":"amount","value":950.0,"reference":20.0,"contribution":0.4,"sentence":"950.00 EUR is much"}]"""


def test_the_figures_and_the_latest_alerts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        remember_bundles(store)
        rows = [
            flag(0, level="high", score=0.97, amount=95_000)._replace(reasons=REASONS),
            flag(1, NEW_YEAR + 20 * DAY, customer="bad\x1b[31mname", level="high", score=0.912, amount=None),
        ]
        store_flags(store, [row._replace(bundle_version="one") for row in rows])
        store_labels(store, [Label("t0", "ann", True, NEW_YEAR + DAY, "desk")])
    assert main(["show"], {"TRUSTLENS_DB": str(path)}) == 0
    said = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "transactions 2: 0 low, 0 medium, 2 high" in lines
    assert "amounts 950.00 EUR, 950.00 EUR on average" in lines
    assert "precision - 100.00%" in lines
    assert "saved, less reviews - 755.00 EUR" in lines
    newest, older = lines[-2:]
    assert newest == "2024-01-21T00:00:00Z bad?[31mname t1 - 0.912"
    assert older == "2024-01-01T00:00:00Z ann t0 950.00 EUR 0.970 950.00 EUR is much"
    assert "\x1b" not in said


def test_it_says_until_when_it_warms_up_and_that_labels_do_not_come(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The small bundle looks back 7 days, and into the ledger 10."""
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        remember_bundles(store)
        rows = [flag(0), flag(1, NEW_YEAR + 5 * DAY)]
        store_flags(store, [row._replace(bundle_version="one") for row in rows])
    assert main(["show"], {"TRUSTLENS_DB": str(path)}) == 0
    said = capsys.readouterr().out
    assert "warming up until 2024-01-12: 4 of 10 days\n" in said
    assert "labels overdue: no label has come yet, 5 days of transactions ago; the label delay is 3 days" in said


def test_without_a_store_the_reason_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show"], {"TRUSTLENS_DB": str(tmp_path / "risk.db")}) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "there is no store, expected one to read" in said


def test_a_store_that_was_emptied_is_not_called_an_old_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "risk.db"
    path.touch()
    assert main(["show"], {"TRUSTLENS_DB": str(path)}) == 1
    said = capsys.readouterr().err
    assert "the file is empty, expected a store" in said
    assert "Put the last backup in its place" in said
    assert "up to date" not in said


def test_bundles_that_are_not_judged_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(tmp_path / "risk.db") as store:
        store_flags(store, [flag(0)])
    assert main(["show"], {"TRUSTLENS_DB": str(tmp_path / "risk.db")}) == 0
    assert "not judged, as their manifest cannot be read: v1" in capsys.readouterr().out


@contextmanager
def at_a_terminal(*words: str, **settings: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The command at a terminal of its own, whose other end is here."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "60", **settings}
    command = [sys.executable, "-m", "kpi_reporter", *words]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        try:
            yield process, ours
        finally:
            process.kill()
            os.close(ours)


def read_until(terminal: int, text: str) -> None:
    """The test fails where the command ends before it has shown that, or shows other things again and again."""
    shown = b""
    for _ in range(100):
        shown += os.read(terminal, 65_536)
        if text.encode() in shown:
            return
    pytest.fail(f"{text!r} is not in {shown!r}")


def rest_of(terminal: int) -> bytes:
    """What was written until the command's end closed the terminal."""
    rest = b""
    with suppress(OSError):
        while part := os.read(terminal, 65_536):
            rest += part
    return rest


def drawn(path: Path, width: int, height: int) -> list[str]:
    """A look of the watch at a terminal of that size."""
    text = StringIO()
    console = Console(file=text, width=width, height=height)
    console.print(look(KpiReader(path), console))
    return [line.rstrip() for line in text.getvalue().splitlines()]


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """Alerts of a dozen customers, each with a reason."""
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        remember_bundles(store)
        store_flags(
            store,
            [
                flag(n, NEW_YEAR + n * DAY, customer=f"customer{n}", level="high", amount=95_000 + n)._replace(
                    reasons=REASONS, merchant_category=f"kind {n}"
                )
                for n in range(12)
            ],
        )
    return path


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (120, 40), (160, 60)])
def test_a_watch_fits_its_terminal_and_always_shows_the_latest_alerts(busy: Path, width: int, height: int) -> None:
    lines = drawn(busy, width, height)
    assert len(lines) <= height
    assert any("customer11" in line and "2024-01-12T00:00:00Z" in line and "950.11 EUR" in line for line in lines)
    assert "customer9" in "\n".join(lines)


def test_what_a_low_terminal_has_no_room_for_is_named(busy: Path) -> None:
    assert drawn(busy, 80, 24)[-1] == "no room for: merchant categories, cases whose labels are due"
    assert not any("no room" in line for line in drawn(busy, 160, 60))


def test_one_word_does_not_count_two_things(busy: Path) -> None:
    shown = "\n".join(drawn(busy, 160, 60))
    assert "cases, one a customer and day" in shown
    assert "100.00%; 1 in the hour up to the newest event, 1 in the day up to it" in shown


def test_a_watch_waits_for_a_store_shows_what_comes_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    with at_a_terminal("show", "--watch", "--every", "1", TRUSTLENS_DB=str(path)) as (process, terminal):
        read_until(terminal, "there is no store")
        with open_store(path) as store:
            store_flags(store, [flag(0)])
            read_until(terminal, "1: 1 low, 0 medium, 0 high")
            store_flags(store, [flag(1, level="high", score=0.97)])
            read_until(terminal, "2: 1 low, 0 medium, 1 high")
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == EXIT_INTERRUPTED
        assert b"half-written" not in rest_of(terminal)
