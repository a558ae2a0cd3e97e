"""Files that are not what their names say, and text that is not UTF-8: what is said, and what to do."""

import gzip
import io
import random
import subprocess
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from risk.dataset import open_dataset
from risk.errors import DatasetError
from tests.datasets import HEADER, ids, own_rows, written

ROWS = [f"T{i},2024-01-{i:02},C,1,EUR,0" for i in range(1, 10)]


def parquet() -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame({"a": [1]}).to_parquet(buffer)
    return buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("xl/workbook.xml", "<x/>")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "octets", "words"),
    [
        ("x.csv", parquet(), ["is a Parquet file", "Rename it to x.parquet"]),
        ("x.csv", archive(), ["is an Excel file or another archive", "Export it as CSV"]),
        ("x.csv", random.Random(1).randbytes(5_000), ["is not text", "Check that it is the right file"]),
        ("x.csv", b'{"a": 1}\n{"a": 2}\n', ["holds one JSON object a line", "Rename it to x.ndjson"]),
        ("x.csv", gzip.compress(b"id,t\n", mtime=0), ["is gzipped", "Rename it to x.csv.gz"]),
        ("x.csv.gz", b"id,t\n1,2\n", ["is named as gzipped and is not", "Rename it to x.csv"]),
        ("x.csv.gz", gzip.compress(random.Random(1).randbytes(5_000), mtime=0), ["is not text"]),
        ("x.xls", b"x", ["is a file of a spreadsheet program", "Export it as CSV"]),
        ("x.xlsx", archive(), ["is a file of a spreadsheet program", "Export it as CSV"]),
        ("x.parquet", b"id,t\n1,2\n", ["is not a Parquet file"]),
        ("x.ndjson", b'{\n  "id": 1\n}\n', ["is JSON over several lines", "jq -c ."]),
        ("x.json", b'[\n  {"id": 1}\n]\n', ["is one JSON array", "jq -c '.[]'"]),
        ("x.ndjson", b"id;t\n1;2\n", ["looks like CSV", "Rename it to x.csv"]),
        ("x.ndjson", b"", ["is empty"]),
        ("x.parquet", b"", ["is empty"]),
    ],
)
def test_another_kind_of_file_is_recognised(tmp_path: Path, name: str, octets: bytes, words: list[str]) -> None:
    """By its first bytes; the advice is what mends it."""
    with pytest.raises(DatasetError) as raised:
        open_dataset(written(tmp_path, octets, name))
    for word in [str(tmp_path / name), *words]:
        assert word in str(raised.value)


def test_an_empty_path_is_named() -> None:
    """As a shell gives it where a variable is not set."""
    with pytest.raises(DatasetError, match=r"got no path, or only '\.': expected"):
        open_dataset(Path())


def test_a_stray_control_character_is_dirt_and_not_another_kind_of_file(tmp_path: Path) -> None:
    """The row is bad, the others are read."""
    dataset = open_dataset(written(tmp_path, own_rows(*ROWS, "T\0,2024-01-20,C,1,EUR,0")))
    assert len(ids(dataset)) == len(ROWS)
    assert dataset.bad.count == 1


# encodings


def umlauts(*, mixed: bool = False) -> bytes:
    plain = own_rows(*ROWS).encode()
    return plain + ("Ü,2024-01-20,Zoë,1,EUR,0\n" * 2).encode("cp1252") + "Ü,2024-01-21,C,1,EUR,0\n".encode() * mixed


def test_windows_1252_is_recognised_and_says_how_to_convert_it(tmp_path: Path) -> None:
    """A notice with the command; what the command names is a file that can be read."""
    path = written(tmp_path, umlauts(), "a b.csv")
    (notice,) = open_dataset(path).notices
    assert notice == (
        f"{path}: the file looks like Windows-1252 (2 rows are not UTF-8); convert it: iconv -f WINDOWS-1252 -t UTF-8"
        f" '{path}' > '{tmp_path / 'a b.utf8.csv'}'"
    )
    header = written(tmp_path, f"{HEADER},Straße\nT,2024-01-01,C,1,EUR,0,x\n".encode("cp1252"), "header.csv")
    with pytest.raises(DatasetError, match=r"its header is not UTF-8.*looks like Windows-1252: convert it: iconv"):
        open_dataset(header)
    packed = written(tmp_path, gzip.compress(umlauts()), "packed.csv.gz")
    (notice,) = open_dataset(packed).notices
    assert f"gunzip -c {packed} | iconv -f WINDOWS-1252 -t UTF-8 > {tmp_path / 'packed.utf8.csv'}" in notice


def test_of_a_folder_the_file_with_the_odd_rows_is_named(tmp_path: Path) -> None:
    """And not one before it, which is ASCII alone and needs nothing."""
    written(tmp_path, own_rows("T,2024-01-01,C,1,EUR,0"), "a.csv")
    odd = written(tmp_path, umlauts(), "b.csv")
    (notice,) = open_dataset(tmp_path).notices
    assert notice.startswith(f"{odd}: the file looks like Windows-1252 (2 rows are not UTF-8)")
    odd.write_bytes(umlauts(mixed=True))
    assert open_dataset(tmp_path).notices == []


def test_a_folder_is_converted_into_another(tmp_path: Path) -> None:
    """By the command that is printed: beside the originals, the converted files would be read as well."""
    folder = tmp_path / "my exports"
    folder.mkdir()
    header = HEADER + ",Straße\n"
    for name, encoding in (("1.csv", "cp1252"), ("2.csv", "utf-8")):
        (folder / name).write_bytes(f"{header}T{name},2024-01-01,C,1,EUR,0,Süd\n".encode(encoding))
    (folder / "3.csv.gz").write_bytes(gzip.compress(f"{header}T3,2024-01-01,C,1,EUR,0,Süd\n".encode("cp1252")))
    with pytest.raises(DatasetError, match=r"1\.csv: its header is not UTF-8.*: convert the folder: mkdir ") as error:
        open_dataset(folder)
    subprocess.run(str(error.value).partition("convert the folder: ")[2], shell=True, check=True)
    converted = open_dataset(tmp_path / "my exports.utf8")
    assert converted.columns[-1] == "Straße"
    assert [value for rows in converted.rows() for value in rows.block.transaction_id] == ["T1.csv", "T2.csv", "T3"]


@pytest.mark.parametrize("octets", [umlauts(mixed=True), umlauts() + b"\x81,2024-01-22,C,1,EUR,0\n"])
def test_dirt_is_not_taken_for_windows_1252(tmp_path: Path, octets: bytes) -> None:
    """Not where other rows are UTF-8, and not where a byte has no meaning there: converting would spoil the file."""
    dataset = open_dataset(written(tmp_path, octets))
    assert dataset.notices == []
    assert len(ids(dataset)) >= len(ROWS)
    assert dataset.bad.count >= 2
