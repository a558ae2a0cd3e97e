"""docs/training.md says what the code does: hyper-parameters, defaults, ranges, options."""

import re
from pathlib import Path

from console.commands import parser_of
from trainer import options
from trainer.commands import COMMANDS, DESCRIPTION
from trainer.families import BALANCES, FAMILIES, USUAL_FAMILIES
from trainer.families.family import family_of

IN_ORDER = dict.fromkeys((*USUAL_FAMILIES, *FAMILIES))
PAGE = (Path(__file__).parent.parent / "docs" / "training.md").read_text()


def test_the_table_of_hyper_parameters_is_that_of_the_code() -> None:
    found = re.findall(r"^\| ([a-z-]+) \| `(\w+)` \| (\S+) \| (\S+) \| (\S+) \|$", PAGE, re.MULTILINE)
    assert found == [
        (kind, each.name, str(each.default), f"{each.least:g}", f"{each.most:g}")
        for kind in IN_ORDER
        for each in family_of(kind).parameters
    ]
    for kind in IN_ORDER:
        assert all(f"`{word}`" in PAGE for each in family_of(kind).parameters for word in each.words)


def test_the_table_of_what_a_search_draws_is_that_of_the_code() -> None:
    found = dict(re.findall(r"^\| ([a-z-]+) \| (`\w+` [^|]*) \|$", PAGE, re.MULTILINE))
    assert found == {
        kind: ", ".join(
            f"`{each.name}` {each.searched.low:g} to {each.searched.high:g}"
            for each in family_of(kind).parameters
            if each.searched is not None
        )
        for kind in IN_ORDER
    }


def options_of(command: str) -> set[str]:
    parser = parser_of("trainer", DESCRIPTION, COMMANDS, [command])
    return {option for action in parser.get_default("parsers")[command]._actions for option in action.option_strings}


def test_every_option_that_the_page_names_exists_and_report_s_are_all_there() -> None:
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    there_are = set[str]().union(*map(options_of, ("train", "report", "promote", "compare")))
    assert named <= there_are
    assert options_of("report") - {"-h", "--help"} <= named
    assert all(f"| `{value}` |" in PAGE for value in BALANCES)
    assert f"({options.DEFAULT_FOLDS})" in PAGE
