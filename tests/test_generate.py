"""generate: what it writes, prints and refuses."""

import argparse
import hashlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq
import pytest

from console.options import checked_target
from console.output import unfinished_name
from risk.errors import OptionError
from trainer import generate
from worlds import WORLDS
from worlds.world import Progress, Sizes, World

SMALL = {"trustlens": {"rows": 1000}, "cards": {"customers": 40, "merchants": 30, "days": 25}}


def command(*words: str) -> int:
    top = argparse.ArgumentParser()
    generate.register(top.add_subparsers())
    options = top.parse_args(["generate", *words])
    return int(options.run(options))


@pytest.mark.parametrize("name", list(WORLDS))
def test_the_three_formats_hold_the_same_values(tmp_path: Path, name: str) -> None:
    for suffix in ("csv", "parquet", "ndjson", "jsonl"):
        generate.generate(WORLDS[name], tmp_path / f"history.{suffix}", SMALL[name], 42)
    table = pq.read_table(tmp_path / "history.parquet")
    parquet = table.to_pandas()
    csv = pd.read_csv(tmp_path / "history.csv")
    json = pyarrow.json.read_json(tmp_path / "history.ndjson").to_pandas()
    assert (tmp_path / "history.jsonl").read_bytes() == (tmp_path / "history.ndjson").read_bytes()
    assert list(csv.columns) == list(json.columns) == list(parquet.columns)
    for column in parquet.columns:
        for other in (csv[column], json[column]):
            assert (other.isna() == parquet[column].isna()).all(), column
            known = parquet[column].notna()
            values = other[known]
            if pa.types.is_timestamp(table.schema.field(column).type):
                values = pd.to_datetime(values, utc=True)
            assert (values.to_numpy() == parquet[column][known].to_numpy()).all(), column


def test_times_and_amounts_are_written_in_one_form(tmp_path: Path) -> None:
    """RFC 3339 with milliseconds and Z, two decimal places, nothing for what is missing."""
    generate.generate(WORLDS["trustlens"], tmp_path / "history.csv", {"rows": 2000}, 42)
    text = pd.read_csv(tmp_path / "history.csv", dtype=str, keep_default_na=False)
    assert text.event_time.str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z").all()
    assert text.amount.str.fullmatch(r"(\d+\.\d\d)?").all()
    assert (text.amount == "").sum() > 10
    generate.generate(WORLDS["trustlens"], tmp_path / "history.parquet", {"rows": 2000}, 42)
    floats = pq.read_table(tmp_path / "history.parquet")["amount"].to_pylist()
    assert [None if amount == "" else float(Decimal(amount)) for amount in text.amount] == floats


def test_parquet_has_row_groups_of_a_fixed_size(tmp_path: Path) -> None:
    generate.generate(WORLDS["trustlens"], tmp_path / "history.parquet", {"rows": 65_536 + 5}, 42)
    metadata = pq.read_metadata(tmp_path / "history.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [65_536, 5]


def test_it_prints_rows_fraud_rate_digest_and_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "history.csv"
    assert command("trustlens", str(path), "--rows", "300") == 0
    printed = capsys.readouterr().out
    frauds = int((pd.read_csv(path).is_fraud == 1).sum())
    assert "rows        300\n" in printed
    assert f"fraud rate  {frauds / 300:.3%} ({frauds} frauds)" in printed
    assert hashlib.sha256(path.read_bytes()).hexdigest() in printed
    assert f"written to  {path}\n" in printed
    assert f"truth       {path}.truth.parquet" in printed


@pytest.mark.parametrize(("rows", "is_said"), [("2000", True), ("9000", False)])
def test_a_history_too_small_to_train_on_says_how_much_larger_it_should_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, is_said: bool
) -> None:
    assert command("trustlens", str(tmp_path / "history.parquet"), "--rows", rows) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert ("frauds are too few to train on" in said) == is_said
    assert ("times as large has enough" in said) == is_said


def test_what_is_there_is_replaced_only_by_force_and_its_truth_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    command("trustlens", str(path), "--rows", "9")
    before = path.read_text()
    words = ["cards", str(path), "--customers", "3", "--merchants", "3", "--days", "3"]
    with pytest.raises(OptionError, match="which is there already; name another, or add --force to replace it"):
        command(*words)
    assert path.read_text() == before
    command(*words, "--force")
    assert path.read_text() != before
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]


def test_the_truth_of_another_history_is_not_left_beside_a_new_one(tmp_path: Path) -> None:
    truth = tmp_path / "history.csv.truth.parquet"
    truth.write_text("of another")
    with pytest.raises(OptionError, match=r"truth\.parquet, which is there already"):
        command("cards", str(tmp_path / "history.csv"), "--customers", "3", "--days", "3")
    assert truth.read_text() == "of another"


# Refusals


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["moon", "OUT/a.csv"], r"there is no world 'moon'; expected one of trustlens, cards"),
        (["cards", "OUT/a.xlsx"], r"OUT: got .*a\.xlsx, expected a name that ends in \.csv or \.parquet or"),
        (["cards", "OUT/a"], r"OUT: got .*/a, expected a name that ends in \.csv or"),
        (["cards", "OUT/not/there/a.csv"], r"expected a folder that is there; create .*/not/there first"),
        (["cards", "OUT/folder.csv"], r"which is a folder, expected a file; name one in it"),
        (["trustlens", "OUT/a.csv", "--rows", "0"], r"--rows is 0; expected a whole number from 1 to 100000000"),
        (["cards", "OUT/a.csv", "--customers", "-3"], r"--customers is -3; expected a whole number from 1 to"),
        (["cards", "OUT/a.csv", "--days", "4000"], r"--days is 4000; expected a whole number from 1 to 3650"),
        (["cards", "OUT/a.csv", "--seed", "-1"], r"--seed is -1; expected a whole number from 0"),
        (["cards", "OUT/a.csv", "--rows", "9"], r"--rows is an option of the world trustlens and means nothing to"),
        (["trustlens", "OUT/a.csv", "--days", "9"], r"--days is an option of the world cards.*expected --rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_words(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OptionError, match=said):
        command(*[word.replace("OUT", str(tmp_path)) for word in words])
    assert [file.name for file in tmp_path.iterdir()] == ["folder.csv"]


def test_a_file_that_cannot_be_opened_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"OUT: got .*, which cannot be written \(File name too long\)"):
        command("trustlens", str(tmp_path / f"{'x' * 250}.csv"))


def test_a_place_is_tried_without_a_name_that_an_interrupt_could_leave_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def looking(target: Path) -> Path:
        seen.append(list(tmp_path.iterdir()))
        return unfinished_name(target)

    monkeypatch.setattr("console.options.unfinished_name", looking)
    checked_target("OUT", tmp_path / "history.csv", force=False)
    assert seen == [[]]


# Failure half way


def breaking(failure: Callable[[], BaseException]) -> World:
    """A world that yields one good row group and then fails."""

    def history(sizes: Sizes, seed: int, progress: Progress) -> Iterator[pa.RecordBatch]:
        whole = WORLDS["trustlens"]
        yield next(iter(whole.history(sizes, seed, progress)))
        raise failure()

    return World(name="breaking", meaning="", options=(), history=history, truth=("probability",))


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_nothing_half_written_is_left_behind(tmp_path: Path, suffix: str, failure: Callable[[], BaseException]) -> None:
    path = tmp_path / f"history.{suffix}"
    path.write_text("what was there before")
    with pytest.raises(failure):  # type: ignore[arg-type]
        generate.generate(breaking(failure), path, {"rows": 100}, 42, force=True)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "what was there before"
