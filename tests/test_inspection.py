"""inspect: what it prints, what it warns of, what it writes."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from risk.dataset import open_dataset
from risk.dataset.map_file import load_map
from risk.dataset.source import open_source
from risk.errors import DatasetError, OptionError
from tests.foreign_files import ROWS, World, own, saved, world
from trainer.inspection import command as inspection
from trainer.inspection.facts import MOST_DISTINCT, survey

__all__ = ["world"]  # a fixture is used by its name

Inspect = Callable[..., str]


@pytest.fixture
def inspect(capsys: pytest.CaptureFixture[str]) -> Inspect:
    """Runs the command and gives what it printed."""

    def run(*arguments: object) -> str:
        parser = argparse.ArgumentParser()
        inspection.register(parser.add_subparsers())
        options = parser.parse_args(["inspect", *map(str, arguments)])
        assert options.run(options) == 0
        return capsys.readouterr().out

    return run


def test_a_clean_file_has_no_warnings_and_its_facts_are_printed(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """Rows, time range, customers, merchants, frauds; each column with its type, what is missing, and examples."""
    said = inspect(saved(tmp_path, **own(world)))
    assert "no warnings" in said
    assert "file.csv: 3,000 rows, 8 columns" in said
    frauds = int(world.fraud.sum())
    for words in (
        "rows            3,000", "customers       300", "merchants       80",
        f"frauds          {frauds} of 3,000 labelled rows, {frauds / 3000:.3%}",
        f"time            {world.moments[0]:%Y-%m-%dT%H:%M:%SZ} to {world.moments[-1]:%Y-%m-%dT%H:%M:%SZ}",
    ):  # fmt: skip
        assert words in said
    assert ["age", "number", "-", "60"] in [line.split()[:4] for line in said.splitlines()]


def test_every_warning(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """Each of them for a file that has just this fault."""
    text_amounts = [str(x) for x in world.amount]
    text_ages = [str(x % 60) for x in world.customer]
    frauds = np.flatnonzero(world.fraud)
    few = world.fraud.copy()
    few[frauds[10:]] = 0
    for changes, words in [
        ({"is_fraud": few}, "hardly any frauds: 10"),
        ({"is_fraud": 0}, "one class only: every label is genuine"),
        ({"is_fraud": 1}, "one class only: every label is fraud"),
        ({"is_fraud": [*world.fraud[:-5], *[""] * 5]}, "5 rows have no label"),
        ({"transaction_id": ["same", "same", *(f"T{x}" for x in world.unique[2:])]}, "duplicate ids: 1 rows"),
        ({"event_time": own(world)["event_time"][::-1]}, "is not sorted by event time"),
        ({"amount": ["", "", *text_amounts[2:]]}, "missing values: amount in 2 rows (0.07%)"),
        ({"age": ["", "", "", *text_ages[3:]]}, "missing values: age in 3 rows (0.10%)"),
        ({"amount": ["much", *text_amounts[1:]]}, "unparseable values: 1 of the column amount are not numbers"),
        ({"amount": ["much", *text_amounts[1:]]}, "unreadable: 1 rows with reason wrong_type; the first: row 1 ("),
        ({"event_time": [*own(world)["event_time"][:-1], "x"]}, "unreadable: 1 rows with reason bad_time"),
        ({"age": world.fraud * 100 + world.noise}, "the column age gives the label away: alone reaches a ROC-AUC"),
        ({"labelled_at": "2020-01-01T00:00:00Z"}, "3,000 rows were labelled before they happened"),
    ]:  # fmt: skip
        said = inspect(saved(tmp_path, **own(world, **changes)))
        assert f"warning: {words}" in said, words
    small = {name: column[:50] if np.ndim(column) else column for name, column in own(world).items()}
    assert "warning: very small: 50 readable rows" in inspect(saved(tmp_path, **small))
    no_customer = {name: column for name, column in own(world).items() if name != "customer_id"}
    no_customer["merchant_id"] = "M"
    assert "warning: there is no customer column" in inspect(saved(tmp_path, **no_customer))


def test_a_written_map_works_and_is_not_overwritten(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """The second --write is refused, with --force it is not; nothing half-written stays."""
    path = saved(
        tmp_path, trans_num=[f"{x:032x}" for x in world.unique], unix_time=1_682_899_200 + world.seconds,
        cc_num=world.customer, amt=world.amount, is_fraud=world.fraud,
    )  # fmt: skip
    target = tmp_path / "map.toml"
    assert f"wrote {target}" in inspect(path, "--write", target)
    dataset = open_dataset(path, load_map(target))
    assert sum(len(rows.transactions) for rows in dataset.rows()) == ROWS
    assert dataset.bad.count == 0
    before = target.read_text()
    with pytest.raises(OptionError, match=r"map\.toml: the file exists.*--force"):
        inspect(path, "--write", target)
    target.write_text("mine")
    inspect(path, "--write", target, "--force")
    assert target.read_text() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file.csv", "map.toml"]
    assert "proposed map" not in inspect(path, "--columns", target)
    with pytest.raises(OptionError, match="--write with --columns"):
        inspect(path, "--columns", target, "--write", tmp_path / "other.toml")


def test_a_file_without_a_time_is_shown_and_then_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to propose, and it says what to do."""
    path = saved(tmp_path, label=["a", "b"], amount=[1.5, 2.5])
    options = argparse.Namespace(file=path, columns=None, write=None, force=False)
    with pytest.raises(DatasetError, match="no column looks like a time: write the map by hand"):
        inspection.run(options)
    assert "file.csv: 2 rows, 2 columns" in capsys.readouterr().out


def test_a_file_cannot_give_orders_to_a_terminal(tmp_path: Path, world: World, inspect: Inspect) -> None:
    """Control characters are shown as question marks, brackets as they are."""
    said = inspect(saved(tmp_path, **own(world, **{"[red]x\x1b[2J": "\x1b]0;title\x07 [bold]y"})))
    assert "\x1b" not in said
    assert "[red]x?[2J" in said
    assert "[bold]y" in said


def test_distinct_values_are_counted_up_to_a_bound(tmp_path: Path) -> None:
    """So that a column of millions of ids costs no memory."""
    path = saved(tmp_path, few=np.arange(25_000) % 7, many=np.arange(25_000))
    few, many = survey(open_source(path)).columns
    assert (few.distinct, many.distinct) == ("7", f"over {MOST_DISTINCT:,}")
