"""A file that is not what its name says: found by its first bytes, before a reader stumbles over them."""

import gzip
import zlib
from pathlib import Path

import msgspec

from risk.errors import DatasetError

HEAD_BYTES = 64 * 1024
EXCEL_ENDINGS = (".xls", ".xlsx", ".xlsm", ".ods")
# Text has hardly any; of random bytes every ninth is one. A stray NUL in a value is dirt, not another kind of file.
MOST_CONTROL_SHARE = 0.05

_GZIP, _PARQUET, _ZIP, _OLD_OFFICE = b"\x1f\x8b", b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\v\f\x1b")) + b"\x7f"
_SEPARATORS = (b",", b";", b"\t", b"|")


def check_content(path: Path, kind: str) -> None:
    """`kind` is what its ending says: "csv", "ndjson" or "parquet"."""
    head = _head(path)
    if not head:
        expected = "a header line with the names of the columns" if kind == "csv" else "a file with rows"
        raise DatasetError(f"{path}: is empty: expected {expected}.")
    is_gzip_named = path.suffix.lower() == ".gz"
    if head.startswith(_GZIP) and not is_gzip_named:
        raise _mismatch(path, "is gzipped", f"Rename it to {path.name}.gz, or unpack it")
    if is_gzip_named:
        if not head.startswith(_GZIP):
            raise _mismatch(path, "is named as gzipped and is not", f"Rename it to {path.stem}")
        head = _unpacked(path)
    if head.startswith((_ZIP, _OLD_OFFICE)):
        raise _mismatch(path, "is an Excel file or another archive", "Export it as CSV, or unpack it")
    if head.startswith(_PARQUET) and kind != "parquet":
        raise _mismatch(path, "is a Parquet file", f"Rename it to {path.stem}.parquet")
    if kind == "parquet":
        if not head.startswith(_PARQUET):
            raise _mismatch(
                path, "is not a Parquet file by its first bytes", "Rename it to what it is, or get it again"
            )
        return
    if not head.startswith(_UTF16) and len(head) - len(head.translate(None, _CONTROLS)) > MOST_CONTROL_SHARE * len(
        head
    ):
        raise _mismatch(path, "is not text", "Check that it is the right file")
    first, *rest = head.lstrip().splitlines() or [b""]
    if kind == "ndjson":
        _check_lines_of_json(path, first, rest)
    elif _is_json_object(first):
        raise _mismatch(path, "holds one JSON object a line", f"Rename it to {path.stem}.ndjson")


def excel_advice(path: Path) -> DatasetError:
    return _mismatch(path, "is a file of a spreadsheet program", "Export it as CSV (UTF-8)")


def _check_lines_of_json(path: Path, first: bytes, rest: list[bytes]) -> None:
    expected = "one JSON object a line (NDJSON)"
    if first.strip() == b"{" and rest:
        raise _mismatch(path, "is JSON over several lines", "Convert it, for example with: jq -c .", expected)
    if first.strip() == b"[":
        raise _mismatch(path, "is one JSON array", "Convert it, for example with: jq -c '.[]'", expected)
    if not first.lstrip().startswith((b"{", b"[", b'"{')) and not any(b"{" in line for line in rest[:20]):
        for separator in _SEPARATORS:
            width = first.count(separator)
            if width and any(line.count(separator) == width for line in rest[:20]):
                raise _mismatch(path, "looks like CSV", f"Rename it to {path.stem}.csv", expected)


def _mismatch(path: Path, what: str, advice: str, expected: str = "a CSV, Parquet or NDJSON file") -> DatasetError:
    return DatasetError(f"{path}: {what}: expected {expected}. {advice}.")


def _is_json_object(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be opened ({error.strerror}): expected a file that may be read. Check path and rights."
        ) from error


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path}: cannot be read to its end ({error}): expected a whole file. Get it again."
        ) from error
