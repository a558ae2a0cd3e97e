"""The engine with its thresholds made tiny: index, blocks of largest amounts, sweeps and growth at nearly every row.

With the real constants most streams hardly touch them. numba compiles constants in, so a copy of the domain is changed
and runs in a process of its own, against the same oracle.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

TINY = {
    "risk/windows.py": {"BUSY": 5, "TOP_BITS": 1},
    "risk/engine.py": {"SWEEP_NAMES_AFTER": 6},
    "risk/history.py": {"SWEEP_AFTER": 6, "FIRST_INDEX": 2, "PIECE": 7, "RESTORED_AT_ONCE": 9},
    "risk/arena.py": {"FIRST_SERIES": 1, "FIRST_PLACES": 2, "WASTE": 1_000_000},
}

FUZZ = """
import random
from risk.clock import DAY, HOUR
from tests.cases import Knobs, Rules, EVERYTHING, generate
from tests.oracle import expect
from tests.runs import assert_same, run
from tests.test_engine_peek import peek_all_along
from tests.test_engine_restore import goes_on, restored_from_every_row

dice = random.Random(7)
for seed in range(150):
    knobs = Knobs(rows=dice.randint(20, 250), customers=dice.choice([1, 2, 5, 40]), merchants=dice.choice([1, 4, 60]),
                  late=dice.choice([0.0, 0.05, 0.4]), ties=dice.choice([0.0, 0.3, 0.8]),
                  step_ms=dice.choice([10_000, HOUR, 8 * HOUR]), partitions=dice.choice([1, 1, 3]),
                  new_devices=dice.random() < 0.5, gaps=dice.choice([0.0, 0.05]))
    delay, lateness = dice.choice([(7, DAY), (3, HOUR), (2, 0), (9, 7 * DAY)])
    case = generate(seed, knobs, Rules(EVERYTHING, "EUR", delay, HOUR, lateness))
    cuts = [row for row in range(1, len(case.arrivals)) if dice.random() < 0.1]
    whole = run(case, cuts)
    assert_same(case.rules, case.arrivals, whole, expect(case))
    stopped = dice.randrange(len(case.arrivals))
    goes_on(case, restored_from_every_row(case, stopped, whole), stopped, whole)
    peek_all_along(case, set(cuts))
print("same")
"""


@pytest.mark.proof
def test_tiny_thresholds_change_no_bit(tmp_path: Path) -> None:
    for package in ("risk", "testing", "tests"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, constants in TINY.items():
        source = (tmp_path / name).read_text()
        for constant, value in constants.items():
            source, found = re.subn(rf"^{constant} = .*$", f"{constant} = {value}", source, flags=re.MULTILINE)
            assert found == 1, f"{name} has no constant {constant} any more"
        (tmp_path / name).write_text(source)
    answer = subprocess.run(
        [sys.executable, "-c", FUZZ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout == "same\n", answer.stderr[-2000:]
