"""What README and recipes tell to type works as typed, without a broker; on a file of foreign names too."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.documents import README, RECIPES, ROOT, typed

FIRST_DAY = date(2024, 1, 1)
# Half a year of forty cards in twenty-five shops; the frauds are the large amounts at night, for the most part.
MINE = "when,card,shop,value,fraud\n" + "".join(
    f"{FIRST_DAY + timedelta(days=row // 40)} {row * 7 % 24:02d}:{row % 60:02d}:00,"
    f"card{row * 11 % 40},shop{row * 3 % 25},{row % 97 + 200 * (row % 37 == 0)}.50,{int(row % 37 == 0)}\n"
    for row in range(40 * 180)
)


def run(commands: list[str], folder: Path) -> None:
    scripts = str(Path(sys.executable).parent)
    for command in commands:
        answer = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"


@pytest.mark.proof
def test_from_a_world_to_a_report_and_a_second_model(tmp_path: Path) -> None:
    run(typed(README, "Train"), tmp_path)
    run(typed(RECIPES, "Compare two models"), tmp_path)
    run(typed(RECIPES, "Score a file"), tmp_path)


@pytest.mark.proof
def test_from_a_csv_to_a_report(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(MINE)
    run(typed(RECIPES, "From your own CSV to a report"), tmp_path)
    assert list(tmp_path.glob("reports/*/report.html"))
