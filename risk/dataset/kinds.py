"""The kinds of files there are, and the reader for each."""

import stat
from functools import partial
from pathlib import Path

from risk.dataset.content import EXCEL_ENDINGS, check_content, excel_advice
from risk.dataset.csv_file import CsvSource
from risk.dataset.folder import ENDINGS, FolderSource, kind_of_file, part_files
from risk.dataset.lines import is_packed
from risk.dataset.ndjson_file import NdjsonSource
from risk.dataset.parquet_file import ParquetSource
from risk.dataset.source import Source
from risk.errors import DatasetError


def open_source(path: Path, folder: Path | None = None) -> Source:
    """The reader for a file, chosen by its ending. `folder`: of which it is a part."""
    if path == Path():
        # A path does not know which of the two was written.
        raise DatasetError(
            "got no path, or only '.': expected a CSV, Parquet or NDJSON file, or a folder of files of one kind. Name"
            " it."
        )
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
        is_parquet = kind_of_file(part_files(path)[0]) == "Parquet"
        return ParquetSource(path) if is_parquet else FolderSource(path, partial(open_source, folder=path))
    if not stat.S_ISREG(mode):
        raise DatasetError(f"{path}: is not a file: expected a CSV, Parquet or NDJSON file.")
    ending = path.with_suffix("").suffix if is_packed(path) else path.suffix
    if ending.lower() in EXCEL_ENDINGS:
        raise excel_advice(path)
    match kind_of_file(path):
        case "CSV":
            check_content(path, "csv")
            return CsvSource(path, folder=folder)
        case "NDJSON":
            check_content(path, "ndjson")
            return NdjsonSource(path)
        case "Parquet":
            return ParquetSource(path)
    known = ", ".join(ending for endings in ENDINGS.values() for ending in endings)
    raise DatasetError(
        f"{path}: ends in {path.suffix or 'nothing'!r}: expected one of {known}; text may be"
        " gzipped (.csv.gz). Rename it."
    )
