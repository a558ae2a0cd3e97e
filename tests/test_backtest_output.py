"""Files that are whole or not there, and whom an error of the disk is blamed on."""

import errno
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from console.output import replaced, unfinished
from risk.block import block_of
from risk.dataset import Rows
from risk.errors import OptionError
from trainer.backtest.scores_file import ScoresFile, scores_file

STALE = OSError(errno.ESTALE, "Stale file handle")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_error_of_reading_is_not_blamed_on_what_is_written(tmp_path: Path) -> None:
    """And what was there before is still there."""
    target = tmp_path / "scores.parquet"
    target.write_text("before")
    with pytest.raises(OSError, match="Stale file handle"), scores_file(target, "v", {}, in_file_order=True):
        raise STALE
    assert target.read_text() == "before"
    assert names(tmp_path) == ["scores.parquet"]


class FullDisk:
    """A writer on a disk without room."""

    def write_table(self, _: pa.Table) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("in_file_order", [True, False])
def test_a_disk_that_is_full_names_the_scores_file(tmp_path: Path, in_file_order: bool) -> None:
    """Whether the rows are written as they come or sorted at the end."""
    scores = ScoresFile(FullDisk(), tmp_path / "scores.parquet", "v", in_file_order=in_file_order)
    none = np.zeros(0, np.int64)
    no_rows = Rows(block_of([]), none.astype(np.int8), none, [], none)

    def write() -> None:
        scores.write(no_rows, none.astype(bool), [])
        scores.finish()

    with pytest.raises(OptionError, match=r"cannot write .*/scores\.parquet: No space left on device; .*make room"):
        write()


def test_a_target_that_cannot_be_replaced_is_named(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OptionError, match=r"cannot write .*/folder: Is a directory"), unfinished(target) as (part,):
        part.write_text("new")
    assert names(tmp_path) == ["folder"]


def test_a_body_that_only_writes_needs_no_words_of_its_own(tmp_path: Path) -> None:
    """One error for what belongs together, and nothing half-written is left."""

    def write() -> None:
        with replaced(tmp_path / "one", tmp_path / "other") as (part, _):
            part.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OptionError, match=r"cannot write .*/one and .*/other: No space left on device"):
        write()
    assert names(tmp_path) == []
