"""DESIGN.md says what is guaranteed, and names the scenarios that prove it: all of them, and none that is not there."""

import re
from pathlib import Path

from storm.scenarios import SCENARIOS

DESIGN = (Path(__file__).parent.parent / "DESIGN.md").read_text()
TABLE = DESIGN.partition("| guarantee | scenarios |")[2].partition("\n\n")[0]


def test_every_scenario_proves_something_and_every_proof_exists() -> None:
    rows = [line.rstrip(" |").rpartition("|")[2] for line in TABLE.splitlines()[2:]]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {name.replace("-", "_") for name in SCENARIOS}
