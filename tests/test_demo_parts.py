"""Parts of the demo by themselves: its folder, its words, its figures."""

import io
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from rich.console import Console

from demo.changes import Changes, changes_of
from demo.command import typed
from demo.days import demo_days, span
from demo.errors import DemoError
from demo.frame import Frame, line, picture
from demo.ground import check_room, new_ground
from demo.history import History
from demo.outcome import Kind, outcome_of
from demo.running import Program, Programs
from kpi_reporter.kpis.alerts import Alert
from kpi_reporter.kpis.values import DecidedCases, Quality
from ops.leashed import Leashed
from risk.clock import DAY, HOUR, date_ms
from testing.bundles import write_bundle as made_bundle
from testing.systems import FIELDS, LEARNED

QUALITY = Quality(
    days=7, days_due=7, last_day=date_ms("2024-12-23") // DAY, transactions=4000, customer_days=2000, alerts=10,
    alerts_with_fraud=4, alerts_unlabelled=0, frauds_caught=9, frauds_missed=1, precision=0.4, recall=0.9,
    false_positive_rate=0.01, money=(), label_delay=None,
    with_alert=DecidedCases(10, 4, 0.4), reviews_alone=DecidedCases(0, 0, None),
)  # fmt: skip
ALERT = Alert(
    date_ms("2024-12-31"), "C1", "T1", 1234.5, "EUR", 0.87, "alert", "first time with this device within 30 days"
)
NOW = date_ms("2024-12-29")
FRAME = Frame(date_ms("2024-12-31") + HOUR, 750, 1000, 199.6, 12, 34, QUALITY, [ALERT], [], 0.05, room=3)


def drawn(frame: Frame, width: int) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width).print(picture(frame))
    return text.getvalue().splitlines()


def test_the_live_picture_shows_progress_figures_and_reasons_in_words() -> None:
    shown = "\n".join(drawn(FRAME, 100))
    for words in (
        "Tue 31 Dec 01:00",
        "750 of 1,000",
        "200/s",
        "40%",
        "7 days to 23 Dec",
        "1,234.50 EUR",
        ALERT.why,
        "latest alerts and reviews, and why; an alert from a risk of 0.05 on",
    ):
        assert words in shown


def test_the_live_picture_keeps_its_height_while_alerts_come() -> None:
    changed = FRAME._replace(changes=[(date_ms("2024-12-29"), "rule large-at-night is in force")])
    assert len({len(drawn(f, w)) for f in (FRAME, FRAME._replace(alerts=[]), changed) for w in (80, 100)}) == 1


class AtOnce(Programs):
    """Each program has done its work as soon as it begins."""

    def begin(self, name: str, *_words: str) -> Program:
        return Program(name, cast("Leashed", None))

    def done(self, _program: Program, _within_seconds: float = 0.0) -> bool:
        return True


def test_once_the_challenger_decides_its_threshold_is_the_one_that_is_told(tmp_path: Path) -> None:
    """The rule before it changes nothing of that."""
    challenger = made_bundle(tmp_path / "b", FIELDS, LEARNED, [0.5] * len(LEARNED))
    with new_ground(tmp_path / "files") as ground, AtOnce(tmp_path, {}) as programs:
        changes = Changes(programs, changes_of(ground, challenger), 0.123)
        told = []
        while not changes.are_over:
            changes.go_on(1.0, NOW, lambda _: None)
            told.append(changes.threshold)
    assert told == [0.123, 0.123, challenger.thresholds.high]
    assert changes.done[-1] == (NOW, f"{challenger.version} decides: by --force, for its labels are not due yet")


def test_the_line_says_the_same_without_a_terminal() -> None:
    assert line(FRAME) == (
        "  Tue 31 Dec 01:00  750 of 1,000 scored, 200/s; 12 high-risk alerts; 34 labels; of the cases of 7 days to "
        "23 Dec 40% were right, 90% of the frauds caught"
    )


def test_a_fraud_is_caught_by_an_earlier_alert_of_its_customer_and_day() -> None:
    """Customer b is flagged for nothing; the last fraud of a comes on another day, which nobody looks at."""
    day = date_ms("2024-12-20")
    history = History(
        event_times=np.array([day, day + HOUR, day + 2 * HOUR, day + DAY]),
        customers=["a", "a", "b", "a"],
        transactions=["1", "2", "3", "4"],
        amounts=np.array([10.0, 20.0, 30.0, 40.0]),
        is_fraud=np.array([False, True, False, True]),
        kinds=[None, "slow_bleed", None, "slow_bleed"],
    )
    decided = {("a", "1"): True, ("a", "2"): False, ("b", "3"): True, ("a", "4"): False}
    outcome = outcome_of(history, decided)
    assert outcome.kinds == [Kind("slow_bleed", frauds=2, caught=1, amount_caught=20.0, amount_missed=40.0)]
    assert (outcome.alerts, outcome.alerts_right, outcome.total.missed) == (2, 1, 1)
    del decided["b", "3"]
    with pytest.raises(DemoError, match="1 transactions have no score, such as 3"):
        outcome_of(history, decided)


def test_a_second_demo_begins_in_an_empty_folder(tmp_path: Path) -> None:
    for had_files in (False, True):
        with new_ground(tmp_path / "files") as ground:
            assert ground.had_files is had_files
            assert [path.name for path in sorted(ground.folder.iterdir())] == ["logs", "made-by-the-demo"]
            (ground.models / "current").parent.mkdir()
            (ground.models / "current").write_text("x")
            ground.store.write_text("x")


def test_files_of_others_are_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(DemoError, match=r"holds files that are not the demo's"), new_ground(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").exists()


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        new_ground(tmp_path / "files"),
        pytest.raises(DemoError, match="another demo is at work there"),
        new_ground(tmp_path / "files"),
    ):
        pass


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], "make demo"),
        (["--kafka", "--keep"], "make demo KAFKA=1 KEEP=1"),
        (["--keep", "--folder", "my files"], "python -m demo --keep --folder 'my files'"),
    ],
)
def test_who_is_to_try_again_is_told_the_same_command(arguments: list[str], command: str) -> None:
    assert typed(arguments) == command


def test_what_still_runs_is_named_before_it_is_ended(tmp_path: Path) -> None:
    """Nobody waits in silence; and where nothing runs, nothing is said."""
    told: list[list[str]] = []
    with Programs(tmp_path, {}, lambda names: told.append(list(names))) as programs:
        programs.finish("generate", "trainer", "generate", "--help")
    assert told == []
    with Programs(tmp_path, {}, lambda names: told.append(list(names))) as programs:
        programs.serve("embedded", "ops.embedded")
        programs.finish("generate", "trainer", "generate", "--help")
    assert told == [["embedded"]]


def test_a_short_disk_is_said(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"MB are free on this disk, the demo needs 1,000,000,000,000 MB; make room"):
        check_room(tmp_path / "not" / "there", 10**12)


def test_a_program_that_cannot_do_its_work_is_named_with_its_last_words(tmp_path: Path) -> None:
    with Programs(tmp_path, {}) as programs, pytest.raises(DemoError) as raised:
        programs.finish("generate", "trainer", "generate", "cards", "history.doc")
    assert "generate: ended with status 1" in str(raised.value)
    assert "last words: error: OUT: got history.doc" in str(raised.value)


def test_a_server_that_ends_by_itself_ends_the_demo(tmp_path: Path) -> None:
    with Programs(tmp_path, {}) as programs:
        programs.serve("reporter", "kpi_reporter", "serve", "--port", "no")
        with pytest.raises(DemoError, match="reporter: ended with status 1"):
            programs.until(lambda: False, "the reporter listens")


def test_the_days_leave_room_for_labels_and_for_the_longest_window() -> None:
    days = demo_days()
    assert [span(days.first, days.gap), span(days.test, days.live), span(days.live, days.end)] == [
        "3 Sep to 19 Nov",
        "27 Nov to 17 Dec",
        "18 Dec to 31 Dec",
    ]
    assert (days.live - days.past).days == 30 + 7 + 1
