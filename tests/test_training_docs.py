"""docs/training.md says what the code does: hyper-parameters, defaults, ranges, options."""

import re
from pathlib import Path

from console.commands import parser_of
from trainer import report, train
from trainer.commands import COMMANDS, DESCRIPTION
from trainer.training.estimators import DEFAULTS, RANGES

PAGE = (Path(__file__).parent.parent / "docs" / "training.md").read_text()


def test_the_table_of_hyper_parameters_is_that_of_the_code() -> None:
    found = re.findall(r"^\| ([a-z-]+) \| `(\w+)` \| (\S+) \| (\S+) \| (\S+) \|$", PAGE, re.MULTILINE)
    assert found == [
        (kind, name, str(default), f"{RANGES[kind][name][0]:g}", f"{RANGES[kind][name][1]:g}")
        for kind, table in DEFAULTS.items()
        for name, default in table.items()
    ]
    assert {kind: table.keys() for kind, table in RANGES.items()} == {kind: t.keys() for kind, t in DEFAULTS.items()}


def options_of(command: str) -> set[str]:
    parser = parser_of("trainer", DESCRIPTION, COMMANDS, [command])
    return {option for action in parser.get_default("parsers")[command]._actions for option in action.option_strings}


def test_every_option_that_the_page_names_exists_and_report_s_are_all_there() -> None:
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert named <= options_of("train") | options_of("report")
    assert options_of("report") - {"-h", "--help"} <= named
    assert all(f"| `{value}` |" in PAGE for value in train.BALANCES)
    assert f"({report.DEFAULT_FOLDS})" in PAGE
