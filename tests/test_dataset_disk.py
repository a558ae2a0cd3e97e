"""Disks that are full, folders that may not be written, files that go away: an error that names the place."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from risk.dataset import BadRow, open_dataset
from risk.dataset.kinds import open_source
from risk.errors import DatasetError
from tests.datasets import ids, least_map, own_rows, written

UNSORTED = own_rows("b,2024-01-02,C,1,EUR,1", "short", "a,2024-01-01,C,1,EUR,0")

READ_WITH_SMALL_FILES = """
import resource, sys
from pathlib import Path
from risk.dataset import open_dataset
from risk.errors import DatasetError
dataset = open_dataset(Path(sys.argv[1]), scratch=Path(sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    list(dataset.rows())
except DatasetError as error:
    print(error)
"""


def test_a_full_disk_is_named_with_the_way_out(tmp_path: Path) -> None:
    """Which folder, what was being done, what to do; and nothing is left in it. A limit on files plays the disk."""
    rows = (f"T{i},2024-01-{31 - i // 100:02d},C,1,EUR,0" for i in range(3_000))
    path, scratch = written(tmp_path, own_rows(*rows)), tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", READ_WITH_SMALL_FILES, str(path), str(scratch)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{scratch}: writing temporary files to sort by event time failed (")
    assert "File too large" in done.stdout
    assert "set TMPDIR, or scratch where open_dataset is called; or sort the file beforehand" in done.stdout
    assert list(scratch.iterdir()) == []


def test_a_scratch_folder_that_is_none_is_named(tmp_path: Path) -> None:
    """Before a row is read."""
    dataset = open_dataset(written(tmp_path, UNSORTED), scratch=tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"nowhere: making a folder to sort by event time failed \(No such file"):
        ids(dataset)


def test_an_error_of_the_one_who_notes_bad_rows_stays_his_own(tmp_path: Path) -> None:
    """His disk is not ours."""

    def fail(bad: BadRow) -> None:
        raise PermissionError(bad.detail)

    with pytest.raises(PermissionError, match="row: got 'short'"):
        ids(open_dataset(written(tmp_path, UNSORTED), on_bad=fail, scratch=tmp_path))


@pytest.mark.parametrize("name", ["file.csv", "file.csv.gz", "file.ndjson", "file.parquet"])
def test_a_file_that_goes_away_is_named(tmp_path: Path, name: str) -> None:
    """Between two readings, whatever its kind."""
    path = tmp_path / name
    table = pa.table({"id": ["a"], "t": ["2024-01-01"]})
    if name.endswith("parquet"):
        pq.write_table(table, path)
    else:
        with pa.output_stream(path) as stream:  # gzipped where the ending says so
            stream.write(b'{"id":"a","t":"2024-01-01"}\n' if "json" in name else b"id,t\na,2024-01-01\n")
    dataset = open_dataset(path, least_map())
    assert ids(dataset) == ["a"]
    path.unlink()
    with pytest.raises(DatasetError, match=f"{name}: cannot be (opened|read)"):
        ids(dataset)


def test_a_path_that_cannot_be_looked_at_is_named(tmp_path: Path) -> None:
    """Here because it is longer than a name may be."""
    with pytest.raises(DatasetError, match=r"cannot be looked at \(File name too long\)"):
        open_source(tmp_path / ("x" * 300 + ".csv"))
