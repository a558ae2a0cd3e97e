"""The kinds of files there are, and the reader for each."""

import stat
from pathlib import Path

from risk.dataset.content import EXCEL_ENDINGS, check_content, excel_advice
from risk.dataset.csv_file import CsvSource
from risk.dataset.lines import is_packed
from risk.dataset.ndjson_file import NdjsonSource
from risk.dataset.parquet_file import ParquetSource
from risk.dataset.source import Source
from risk.errors import DatasetError

CSV_ENDINGS = (".csv", ".tsv", ".txt")
NDJSON_ENDINGS = (".ndjson", ".jsonl", ".json")
PARQUET_ENDINGS = (".parquet", ".pq")


def open_source(path: Path) -> Source:
    """The reader for a file, chosen by its ending."""
    if path == Path():
        raise DatasetError("the path of the file is empty: expected a CSV, Parquet or NDJSON file. Name one.")
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{path}: there is no such file: expected a CSV, Parquet or NDJSON file. Check the path."
        ) from error
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be looked at ({error.strerror}): expected a file. Check path and rights."
        ) from error
    if stat.S_ISDIR(mode):
        return ParquetSource(path)
    if not stat.S_ISREG(mode):
        raise DatasetError(f"{path}: is not a file: expected a CSV, Parquet or NDJSON file.")
    ending = path.with_suffix("").suffix if is_packed(path) else path.suffix
    ending = ending.lower()
    if ending in EXCEL_ENDINGS:
        raise excel_advice(path)
    if ending in CSV_ENDINGS:
        check_content(path, "csv")
        return CsvSource(path)
    if ending in NDJSON_ENDINGS:
        check_content(path, "ndjson")
        return NdjsonSource(path)
    if ending in PARQUET_ENDINGS and not is_packed(path):
        return ParquetSource(path)
    known = ", ".join((*CSV_ENDINGS, *NDJSON_ENDINGS, *PARQUET_ENDINGS))
    raise DatasetError(
        f"{path}: ends in {path.suffix or 'nothing'!r}: expected one of {known}; text may be"
        " gzipped (.csv.gz). Rename it."
    )
