"""Columns made without `pa.array` are what it makes, and the commands do without pandas."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from console.start import EXIT_OK
from risk.dataset.values import are_null, numbers_of
from tests.test_features_command import HEAD
from trainer.parquet_columns import number_column, text_column


@pytest.mark.parametrize("texts", [[], [None], ["a", None, "", "äß", "x" * 70], ["a", "b"], [*"abcdefgh", None, "i"]])
def test_texts(texts: list[str | None]) -> None:
    column = text_column(texts)
    column.validate(full=True)
    assert column.equals(pa.array(texts, pa.string()))


def test_numbers() -> None:
    values = np.arange(40.0).reshape(20, 2)[:, 1]
    assert number_column(values, pa.float64()).equals(pa.array(np.ascontiguousarray(values)))
    known = values % 3 != 0
    column = number_column(values, pa.float64(), known)
    column.validate(full=True)
    assert column.equals(pa.array(values, mask=~known))


@pytest.mark.parametrize("type_", [pa.int8(), pa.int32(), pa.int64(), pa.float64()])
def test_numbers_and_nulls_of_a_column(type_: pa.DataType) -> None:
    column = pa.array([1, None, 3, 4, None], type_)
    for part in (column, column.slice(1), column.slice(2, 2), column.slice(0, 0)):
        assert are_null(part).tolist() == [value is None for value in part.to_pylist()]
        numbers = numbers_of(part)
        assert numbers.dtype == type_.to_pandas_dtype()
        assert all(
            number == value for number, value in zip(numbers, part.to_pylist(), strict=True) if value is not None
        )


def test_features_of_a_parquet_file_need_no_pandas(tmp_path: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    rows = "".join(f"T{n},2024-01-01T00:00:{n:02d}Z,C{n % 3},M1,{n}.5,EUR,0,2024-01-03T00:00:00Z\n" for n in range(60))
    (tmp_path / "history.csv").write_text(HEAD + rows)
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(tmp_path / "history.csv"), tmp_path / "history.parquet")
    code = (
        "import sys; from trainer.__main__ import main; status = main(sys.argv[1:], {}); "
        "sys.exit(status or 100 * ('pandas' in sys.modules))"
    )
    words = ["features", str(tmp_path / "history.parquet"), "--out", str(tmp_path / "features.parquet")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == EXIT_OK, done.stderr
