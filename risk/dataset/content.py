"""A file that is not what its name says: found by its first bytes, before a reader stumbles over them."""

from pathlib import Path

import msgspec

from risk.dataset.lines import UTF16, is_packed, opened, read
from risk.errors import DatasetError

HEAD_BYTES = 64 * 1024
EXCEL_ENDINGS = (".xls", ".xlsx", ".xlsm", ".ods")
# Text has hardly any; of random bytes every ninth is one. A stray NUL in a value is dirt, not another kind of file.
MOST_CONTROL_SHARE = 0.05

_GZIP, _PARQUET, _ZIP, _OLD_OFFICE = b"\x1f\x8b", b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\v\f\x1b")) + b"\x7f"
_SEPARATORS = (b",", b";", b"\t", b"|")


def check_content(path: Path, kind: str) -> None:
    """`kind` is what its ending says: "csv", "ndjson" or "parquet"."""
    head = _head(path, unpack=False)
    if not head:
        expected = "a header line with the names of the columns" if kind == "csv" else "a file with rows"
        raise DatasetError(f"{path}: is empty: expected {expected}.")
    if head.startswith(_GZIP) and not is_packed(path):
        raise _mismatch(path, "is gzipped", f"Rename it to {path.name}.gz, or unpack it")
    if is_packed(path):
        if not head.startswith(_GZIP):
            raise _mismatch(path, "is named as gzipped and is not", f"Rename it to {path.stem}")
        head = _head(path, unpack=True)
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
    if not head.startswith(UTF16) and len(head) - len(head.translate(None, _CONTROLS)) > MOST_CONTROL_SHARE * len(head):
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


def _head(path: Path, *, unpack: bool) -> bytes:
    with opened(path, unpack=unpack) as stream:
        return read(stream, HEAD_BYTES, path)
