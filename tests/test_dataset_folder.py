"""A folder of files of one kind is read as one file, by every command."""

import gzip
from pathlib import Path

import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.dataset import open_dataset
from risk.errors import DatasetError
from risk.events import RejectReason
from trainer.__main__ import main

HEAD = "transaction_id,event_time,customer_id,amount,currency,is_fraud"
ROWS = [
    "T1,2024-01-01T10:00:00Z,C1,5.00,EUR,0",
    "T2,2024-01-02T10:00:00Z,C1,5.50,EUR,1,odd",
    "T3,2024-01-03T10:00:00Z,C2,7.00,EUR,0",
    "T4,yesterday,C2,7.00,EUR,0",
    "T5,2024-01-05T10:00:00Z,C2,9.00,EUR,0",
]


def text(*rows: str) -> str:
    return "\n".join([HEAD, *rows, ""])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "2024-01.csv").write_text(text(*ROWS[:2]))
    (folder / "2024-02.csv.gz").write_bytes(gzip.compress(text(*ROWS[2:]).encode()))
    (folder / "_mark").touch()
    return folder


def test_rows_are_those_of_one_file_and_counted_through_all(folder: Path, tmp_path: Path) -> None:
    """Good ones and bad ones, whichever file they are in."""
    whole = tmp_path / "whole.csv"
    whole.write_text(text(*ROWS))
    read = []
    for path in (whole, folder):
        dataset = open_dataset(path)
        (rows, *more) = dataset.rows()
        ids = rows.block.transaction_id + [one for part in more for one in part.block.transaction_id]
        numbers = [int(row) for part in (rows, *more) for row in part.row_numbers]
        bad = [(bad.row, bad.reason) for bad in dataset.bad.first]
        read.append((ids, numbers, bad, dataset.ends, dataset.row_count))
    assert read[0] == read[1]
    assert read[1][2] == [(2, RejectReason.NOT_AN_OBJECT), (4, RejectReason.BAD_TIME)]


def test_every_command_takes_a_folder(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(folder), "--write", str(tmp_path / "map.toml")], {}) == EXIT_OK
    assert "exports: 5 rows, 6 columns" in capsys.readouterr().out
    assert main(["features", str(folder), "--out", str(tmp_path / "f.parquet")], {}) == EXIT_OK
    assert capsys.readouterr().out.startswith("3 transactions, ")


def test_objects_may_leave_keys_away_in_a_whole_file(tmp_path: Path) -> None:
    one = '{"transaction_id": "%s", "event_time": "2024-01-0%dT10:00:00Z", "amount": 5, "currency": "EUR"%s}\n'
    (tmp_path / "a.ndjson").write_text(one % ("T1", 1, ""))
    (tmp_path / "b.ndjson").write_text(one % ("T2", 2, ', "channel": "app"'))
    channels = [value for rows in open_dataset(tmp_path).rows() for value in rows.block.channel]
    assert channels == [None, "app"]


def test_files_that_are_not_alike_are_refused(folder: Path) -> None:
    (folder / "2024-03.csv").write_text("transaction_id,when\nT6,2024-01-05T10:00:00Z\n")
    with pytest.raises(
        DatasetError, match=r"2024-03\.csv: has no column event_time, .*amount.*, which 2024-01\.csv has"
    ) as said:
        open_dataset(folder)
    assert ", and has the column when, which 2024-01.csv has not: expected the same columns" in str(said.value)
    (folder / "2024-03.csv").rename(folder / "2024-03.parquet")
    with pytest.raises(DatasetError, match=r"holds 2024-03\.parquet: expected CSV files alone"):
        open_dataset(folder)


def test_inspect_says_that_a_file_is_one_of_several(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "2024-02.csv").write_text(text(*ROWS[2:]))
    (folder / "2024-xx.csv").touch()
    assert main(["inspect", str(folder / "2024-01.csv")], {}) == EXIT_OK
    said = capsys.readouterr().out
    assert "one file of several: 1 file is named like it, such as 2024-02.csv; if they are one history" in said


@pytest.mark.parametrize(
    "words", [("features", "--out", "f.parquet"), ("score", "--out", "2024-01.csv"), ("inspect", "--write", "map.toml")]
)
def test_nothing_is_written_into_the_folder_that_is_read(
    folder: Path, words: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It would take the place of one of the files, or be read as one of them the next time."""
    command, option, name = words
    before = sorted(path.read_bytes() for path in folder.iterdir())
    assert main([command, str(folder), option, str(folder / name), "--force"], {}) == EXIT_FAILED
    assert f"{option}: got {folder / name}, which is in the folder to read" in capsys.readouterr().err
    assert sorted(path.read_bytes() for path in folder.iterdir()) == before
