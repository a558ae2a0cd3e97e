"""inspect: what it prints, what it warns of, what it writes."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from risk.dataset import open_dataset
from risk.dataset.kinds import open_source
from risk.dataset.map_file import load_map, parse_map
from risk.errors import DatasetError, OptionError
from tests.foreign_files import ROWS, World, german_bank, own, saved, world
from trainer.__main__ import main
from trainer.inspection import command as inspection
from trainer.inspection import options as inspection_options
from trainer.inspection.facts import MOST_DISTINCT, survey

__all__ = ["world"]  # a fixture is used by its name

Inspect = Callable[..., str]


@pytest.fixture
def inspect(capsys: pytest.CaptureFixture[str]) -> Inspect:
    """Runs the command and gives what it printed."""

    def run(*arguments: object) -> str:
        parser = argparse.ArgumentParser()
        inspection_options.register(parser.add_subparsers())
        options = parser.parse_args(["inspect", *map(str, arguments)])
        options.environment = {}
        assert options.run(options) == 0
        return capsys.readouterr().out

    return run


def test_a_clean_file_has_no_warnings_and_its_facts_are_printed(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """Rows, time range, customers, merchants, frauds; each column with its type, what is missing, and examples."""
    is_fraud = (np.arange(len(world.fraud)) % 5 == 0).astype(int)  # enough in each period for train
    said = inspect(saved(tmp_path, **own(world, is_fraud=is_fraud)))
    assert "no warnings" in said
    assert "file.csv: 1,000 rows, 8 columns" in said
    frauds = int(is_fraud.sum())
    for words in (
        "rows            1,000", f"customers       {len(np.unique(world.customer))}", "merchants       80",
        f"frauds          {frauds} of 1,000 labelled rows, {frauds / 1000:.3%}",
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
        ({"is_fraud": [*world.fraud[:-5], *[""] * 5]}, "5 of 1,000 transactions have no label"),
        ({"transaction_id": ["same", "same", *(f"T{x}" for x in world.unique[2:])]}, "duplicate ids: 1 row has"),
        ({"event_time": own(world)["event_time"][::-1]}, "the file is not sorted by event time"),
        ({"amount": ["", "", *text_amounts[2:]]}, "missing values: amount in 2 rows (0.20%)"),
        ({"age": ["", "", "", *text_ages[3:]]}, "missing values: age in 3 rows (0.30%)"),
        ({"amount": ["much", *text_amounts[1:]]}, "unparseable values: 1 value of the column amount cannot be"),
        ({"amount": ["much", *text_amounts[1:]]}, "unreadable: 1 row with reason wrong_type; the first: row 1 ("),
        ({"event_time": [*own(world)["event_time"][:-1], "x"]}, "unreadable: 1 row with reason bad_time"),
        ({"age": world.fraud * 100 + world.noise}, "the column age gives the label away: alone reaches a ROC-AUC"),
        ({"labelled_at": "2020-01-01T00:00:00Z"}, "1,000 rows were labelled before they happened"),
        ({"event_time": world.moments.strftime("%Y-%m-%d")}, "no time has a time of day: every one is midnight"),
        ({"customer_id": [f"C{x}" for x in world.unique]}, "nearly every customer occurs once: 1,000 customers in"),
    ]:  # fmt: skip
        said = inspect(saved(tmp_path, **own(world, **changes)))
        assert f"warning: {words}" in said, words
    small = {name: column[:50] if np.ndim(column) else column for name, column in own(world).items()}
    assert "warning: very small: 50 readable rows" in inspect(saved(tmp_path, **small))
    no_customer = {name: column for name, column in own(world).items() if name != "customer_id"}
    no_customer["merchant_id"] = "M"
    assert "warning: there is no customer column" in inspect(saved(tmp_path, **no_customer))


def test_amounts_that_train_would_not_take_are_counted(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """A model knows one currency: the most common one of the file."""
    currencies = ["USD", "PLN", "PLN", *["EUR"] * (ROWS - 3)]
    said = inspect(saved(tmp_path, **own(world, currency=currencies)))
    words = "several currencies: train takes EUR, and 2 transactions in PLN, 1 transaction in USD without the amount"
    assert words in said
    assert "several currencies" not in inspect(saved(tmp_path, **own(world)))


def test_columns_that_hold_lists_are_named(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """They are not looked at, and nobody should search for them."""
    path = tmp_path / "file.parquet"
    pd.DataFrame(own(world, tags=[["a", "b"]] * ROWS)).to_parquet(path)
    assert "tags: left out, for it holds lists, structs or maps" in inspect(path)


def test_a_written_map_works_and_is_not_overwritten(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """The second --write is refused, with --force it is not; nothing half-written stays."""
    path = saved(
        tmp_path, trans_num=[f"{x:032x}" for x in world.unique], unix_time=1_682_899_200 + world.seconds,
        cc_num=world.customer, amt=world.amount, is_fraud=world.fraud,
    )  # fmt: skip
    target = tmp_path / "map.toml"
    assert f"wrote {target}" in inspect(path, "--write", target)
    dataset = open_dataset(path, load_map(target))
    assert sum(len(rows.block) for rows in dataset.rows()) == ROWS
    assert dataset.bad.count == 0
    before = target.read_text()
    with pytest.raises(OptionError, match=r"map\.toml, which is there already.*--force"):
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
    options = argparse.Namespace(file=path, columns=None, write=None, rejects=None, force=False, environment={})
    with pytest.raises(DatasetError, match="no column looks like a time: write the map by hand"):
        inspection.run(options)
    assert "file.csv: 2 rows, 2 columns" in capsys.readouterr().out


def test_a_file_without_rows_says_so(tmp_path: Path, inspect: Inspect) -> None:
    """Rather than that its columns are not understood."""
    path = tmp_path / "head.csv"
    path.write_text("id,when,amount\n")
    target = tmp_path / "map.toml"
    with pytest.raises(DatasetError, match=r"head\.csv: has no rows: expected some below the names"):
        inspect(path, "--write", target)
    assert not target.exists()
    target.write_text('transaction_id = "id"\nevent_time = "when"\ncurrency = { constant = "EUR" }\n')
    with pytest.raises(DatasetError, match=r"head\.csv: has no rows"):
        inspect(path, "--columns", target)


def test_what_was_found_is_printed_where_no_map_can_be_made(
    world: World, tmp_path: Path, inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the time; nothing is written."""
    columns = own(world)
    del columns["event_time"]
    target = tmp_path / "map.toml"
    with pytest.raises(DatasetError, match="no map can be proposed: no column looks like a time"):
        inspect(saved(tmp_path, **columns), "--write", target)
    said = capsys.readouterr().out
    for words in (
        "found so far:",
        '    customer_id = "customer_id"',
        '    is_fraud = "is_fraud"',
        '    age = "number"',
    ):
        assert words in said
    assert "event_time =" not in said
    assert not target.exists()


def test_a_column_that_is_there_twice_is_named(tmp_path: Path, inspect: Inspect) -> None:
    """Neither of the two is guessed to be the right one, in the warnings and in the map."""
    path = tmp_path / "twice.csv"
    path.write_text("id,time,amount,amount\n1,2024-01-01,2,3\n2,2024-01-02,2,3\n3,2024-01-02,2,3\n")
    target = tmp_path / "map.toml"
    said = inspect(path, "--write", target)
    assert "warning: the column 'amount' is there twice: expected it once, so it was not looked at" in said
    assert "# amount: left out, for several columns have this name: rename all but one" in target.read_text()
    assert load_map(target).amount is None


def test_no_map_is_proposed_for_a_file_in_windows_1252(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """A column named H\ufffdndler was mapped as a number, for the rows with umlauts were lost."""
    target = tmp_path / "map.toml"
    path = saved(tmp_path, separator=";", **german_bank(world))
    path.write_bytes(path.read_text().encode("cp1252"))
    with pytest.raises(DatasetError, match=r"its header is not UTF-8.*convert it: iconv -f WINDOWS-1252"):
        inspect(path, "--write", target)
    ascii_header = path.read_bytes().replace(b"H\xe4ndler", b"Haendler").replace(b"W\xe4hrung", b"Waehrung")
    path.write_bytes(ascii_header.replace(b"Laden 1;", "Bäcker;".encode("cp1252")))
    rows = int((world.merchant == 1).sum())
    with pytest.raises(
        DatasetError, match=rf"looks like Windows-1252 \({rows} rows are not UTF-8\); convert it: iconv"
    ):
        inspect(path, "--write", target)
    assert not target.exists()


def test_the_first_bad_row_of_each_reason_is_shown(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """Also of one that comes after twenty of another, and in a file that is not sorted."""
    columns = own(world, event_time=own(world)["event_time"][::-1])
    columns["amount"] = ["much"] * 30 + ["-5.00", "-6.00"] + [str(x) for x in world.amount[32:]]
    said = inspect(saved(tmp_path, **columns))
    assert "unreadable: 30 rows with reason wrong_type; the first: row 1 (line 2), amount: got 'much'" in said
    assert "unreadable: 2 rows with reason refund; the first: row 31 (line 32), amount: got '-5.00'" in said


def test_every_row_that_cannot_be_used_is_written(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """With its place, its reason, and the original texts."""
    columns = own(world)
    columns["amount"] = ["much"] * 30 + ["-5.00"] + [str(x) for x in world.amount[31:]]
    target = tmp_path / "rejects.ndjson"
    said = inspect(saved(tmp_path, **columns), "--rejects", target)
    assert f"wrote {target}: 31 rows that cannot be used" in said
    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert [(one["row"], one["line"], one["reason"]) for one in found] == [
        (row, row + 1, "wrong_type" if row < 31 else "refund") for row in range(1, 32)
    ]
    assert found[30]["detail"].startswith("amount: got '-5.00', expected ")
    assert found[30]["values"]["amount"] == "-5.00"


def test_a_row_of_ndjson_that_is_no_text_of_utf_8_is_written_too(tmp_path: Path, inspect: Inspect) -> None:
    good = '{"transaction_id": "T%d", "event_time": "2024-01-01T00:00:00Z", "amount": 1, "currency": "EUR"}'
    rows = [good % n for n in range(5)]
    rows[1:3] = [rows[1].replace("T1", "\\ud800"), rows[2].replace("T2", "\\u0000")]
    path, target = tmp_path / "h.ndjson", tmp_path / "rejects.ndjson"
    path.write_bytes("\n".join(rows).encode() + b'\n{"transaction_id": "\x81"}\nno JSON\n')
    inspect(path, "--rejects", target)
    assert [json.loads(line)["line"] for line in target.read_text().splitlines()] == [2, 3, 6, 7]


def test_rejects_overwrite_neither_the_data_nor_the_map(world: World, tmp_path: Path, inspect: Inspect) -> None:
    path, columns = saved(tmp_path, **own(world)), tmp_path / "map.toml"
    inspect(path, "--write", columns)
    for target in (path, columns):
        with pytest.raises(OptionError, match=r"--rejects: got .*, which is the file to read"):
            inspect(path, "--columns", columns, "--rejects", target, "--force")


def test_where_no_map_can_be_made_no_rejects_are_written(tmp_path: Path, inspect: Inspect) -> None:
    path = tmp_path / "h.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError):
        inspect(path, "--rejects", tmp_path / "rejects.ndjson")
    assert list(tmp_path.iterdir()) == [path]


def test_the_written_map_holds_the_remarks_at_their_keys(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """Where they are read again: by whoever edits the map."""
    columns = own(world, surname="x", gone=np.where(world.fraud == 1, "bad", "good"))
    del columns["currency"]
    target = tmp_path / "map.toml"
    inspect(saved(tmp_path, **columns), "--write", target)
    lines = target.read_text().splitlines()
    assert lines[lines.index('currency = { constant = "USD" }') - 1] == (
        "# no column holds the currency: USD is assumed, correct it where it is not"
    )
    assert any(line.startswith("# gone: left out, for it gives the label away") for line in lines)


def test_a_mapped_column_that_only_counts_the_rows_is_warned_of(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """A map may be older than what inspect knows."""
    path = saved(tmp_path, **own(world, number=np.flatnonzero(np.arange(2 * ROWS) % 2)))
    columns = tmp_path / "map.toml"
    inspect(path, "--write", columns)
    assert "number" not in columns.read_text().partition("[attributes]")[2].split()
    columns.write_text(columns.read_text() + 'number = "number"\n')
    words = "warning: the column number only counts the rows, and no message of a stream has it; it is mapped as"
    assert f"{words} attributes.number: take it out" in inspect(path, "--columns", columns)


@pytest.mark.parametrize(
    ("pattern", "source"),
    [
        ("%Y-%m-%d %H:%M:%S", '{ column = "event_time", zone = "Europe/Berlin" }'),
        ("%d.%m.%Y %H:%M", '{ column = "event_time", format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin" }'),
        ("%Y-%m-%dT%H:%M:%SZ", None),
        ("%s", None),
    ],
)
def test_times_without_a_zone_are_said_to_be_taken_as_utc(
    world: World, tmp_path: Path, inspect: Inspect, pattern: str, source: str | None
) -> None:
    """In one line, with what to write; nothing where the times say it themselves, or are numbers."""
    said = inspect(saved(tmp_path, **own(world, event_time=world.moments.strftime(pattern))))
    assert ("taken as UTC" in said) == (source is not None)
    if source is not None:
        words = f"event_time: times without a zone are taken as UTC; if they are local, write event_time = {source}"
        assert words in said
        assert parse_map(f'transaction_id = "x"\ncurrency = "x"\n{words.partition("write ")[2]}')


def test_a_field_that_gives_the_label_away_says_what_to_do(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """In the proposed map, and in one that is given, whose own label is what counts."""
    columns = own(world, channel=np.where(world.fraud == 1, "blocked", "online"))
    columns["verdict"] = np.where(columns.pop("is_fraud") == 1, "A", "B")
    target = tmp_path / "map.toml"
    path = saved(tmp_path, **columns)
    inspect(path, "--write", target)
    target.write_text('is_fraud = { column = "verdict", fraud = ["A"], genuine = ["B"] }\n' + "\n".join(
        line for line in target.read_text().splitlines() if not line.startswith("verdict")
    ))  # fmt: skip
    said = inspect(path, "--columns", target)
    assert "warning: the column channel gives the label away: " in said
    assert "it is mapped as channel: take it out of the map, unless it is known at the moment of the" in said


def test_map_and_rejects_need_a_file_each(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """The map took the place of the rejects, without a word."""
    path = saved(tmp_path, **own(world))
    with pytest.raises(OptionError, match=r"--rejects .*: is the file of --write, too: each needs its own"):
        inspect(path, "--write", tmp_path / "one", "--rejects", tmp_path / "." / "one", "--force")


def test_write_is_refused_before_the_work(world: World, tmp_path: Path, inspect: Inspect) -> None:
    """To a folder, to the data file itself even with --force, to a place where nothing can be written."""
    path = saved(tmp_path, **own(world))
    before = path.read_bytes()
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    for target, words in [
        (tmp_path, "which is a folder"),
        (path, "which is the file to read"),
        (link, "which is the file to read"),
        (tmp_path / "none" / "map.toml", "expected a folder that is there"),
        (tmp_path / ("x" * 300), "cannot be written"),
    ]:
        with pytest.raises(OptionError, match=f"--write: got .* {words}"):
            inspect(path, "--write", target, "--force")
    # Before the data file is even looked at: one that is not there is not missed.
    with pytest.raises(OptionError, match=r"--write: .* is a folder"):
        inspect(tmp_path / "absent.csv", "--write", tmp_path)
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file.csv", "link.toml"]


def test_all_is_read_before_anything_is_said(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that the progress bar is not drawn in the middle of the report."""
    report = inspection.look(saved(tmp_path, **own(world)), None)
    assert report.found is not None
    assert report.found.rows == ROWS
    assert capsys.readouterr().out == ""


def test_a_german_bank_export_goes_through_to_its_features(world: World, tmp_path: Path) -> None:
    """From the file to the features with the map that inspect wrote, and nothing is lost."""
    path, target, out = (
        saved(tmp_path, separator=";", **german_bank(world)),
        tmp_path / "map.toml",
        tmp_path / "f.parquet",
    )
    assert main(["inspect", str(path), "--write", str(target)], {}) == 0
    assert main(["features", str(path), "--columns", str(target), "--out", str(out)], {}) == 0
    made = pd.read_parquet(out)
    assert made["amount"].tolist() == world.amount.tolist()
    assert made["is_fraud"].tolist() == world.fraud.tolist()
    assert made["attribute_Kontostand"].tolist() == [round(x * 7, 2) for x in world.amount]
    assert made["hour"].tolist() == world.moments.hour.tolist()


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
