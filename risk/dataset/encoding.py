"""Text that is not UTF-8: whether another encoding explains it, and what to do then."""

import shlex
from pathlib import Path

from risk.dataset.folder import part_files
from risk.dataset.lines import is_packed, read_blocks
from risk.errors import DatasetError

NO_CHARACTER = "\N{REPLACEMENT CHARACTER}"


def encoding_notice(path: Path, rows_not_utf8: int) -> str | None:
    """What to say of a text file with rows that are not UTF-8; None where there is nothing to say."""
    odd = next(filter(_is_windows_1252, part_files(path)), None) if rows_not_utf8 else None
    if odd is None:
        return None
    what = "1 row is" if rows_not_utf8 == 1 else f"{rows_not_utf8:,} rows are"
    convert = _command(odd, path if path.is_dir() else None)
    return f"{odd}: the file looks like Windows-1252 ({what} not UTF-8); {convert}"


def not_utf8_header(path: Path, folder: Path | None) -> DatasetError:
    """Names that cannot be read would be mapped by names that nobody can write. `folder`: that is read as one file."""
    advice = f"It looks like Windows-1252: {_command(path, folder)}" if _is_windows_1252(path) else "Convert it."
    return DatasetError(f"{path}: its header is not UTF-8: expected names in UTF-8. {advice}")


def _command(path: Path, folder: Path | None) -> str:
    """Of a folder all at once, into another: a converted copy beside its original would be read as well."""
    if folder is not None:
        parts = part_files(folder)
        odd = [part for part in parts if _is_windows_1252(part)]
        others = [part for part in parts if part not in odd]
        copies = shlex.quote(str(folder.with_name(f"{folder.name}.utf8")))
        command = (
            f'mkdir {copies} && for file in {_quoted(odd)}; do zcat -f "$file" | iconv -f WINDOWS-1252 -t UTF-8 >'
            f' {copies}/"$(basename "$file" .gz)"; done'
        )
        return f"convert the folder: {command}" + (f" && cp {_quoted(others)} {copies}" if others else "")
    unpacked = path.with_suffix("") if is_packed(path) else path
    target = unpacked.with_name(f"{unpacked.stem}.utf8{unpacked.suffix}")
    source = shlex.quote(str(path))
    if unpacked != path:
        convert = f"gunzip -c {source} | iconv -f WINDOWS-1252 -t UTF-8"
    else:
        convert = f"iconv -f WINDOWS-1252 -t UTF-8 {source}"
    return f"convert it: {convert} > {shlex.quote(str(target))}"


def _quoted(paths: list[Path]) -> str:
    return " ".join(shlex.quote(str(path)) for path in paths)


def _is_windows_1252(path: Path) -> bool:
    """A line that is UTF-8 with more than ASCII in it shows that the others are dirt, not another encoding. A file of
    ASCII alone, as one of a folder may be, shows nothing."""
    is_odd = False
    for block in read_blocks(path, None):
        if block.data.isascii():
            continue
        for index in range(len(block.starts)):
            line = block.record(index)
            if line.isascii():
                continue
            if _can_be(line, "utf-8") or not _can_be(line, "cp1252"):
                return False
            is_odd = True
    return is_odd


def _can_be(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
