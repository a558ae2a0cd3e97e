"""Files that are whole or not there: a command that fails, or is interrupted, leaves what was there before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from risk.errors import OptionError


@contextmanager
def replaced(target: Path, *more: Path) -> Iterator[list[Path]]:
    """Temporary names beside the targets, which become the targets only if all went well.

    For a body that writes and does nothing else: whatever the disk says is taken for an error of writing. A body that
    reads too takes `unfinished`.
    """
    with writing(target, *more), unfinished(target, *more) as temporary:
        yield temporary


@contextmanager
def unfinished(target: Path, *more: Path) -> Iterator[list[Path]]:
    """As `replaced`, for a body that also reads: what it writes, it writes within `writing`, and no other error of the
    disk is blamed on the targets."""
    targets = (target, *more)
    temporary = [path.with_name(f".{path.name}.{os.getpid()}.part") for path in targets]
    try:
        yield temporary
        with writing(*targets):
            for source, path in zip(temporary, targets, strict=True):
                source.replace(path)
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)


@contextmanager
def writing(target: Path, *more: Path) -> Iterator[None]:
    """What the disk says while the targets are written, in words that name them."""
    try:
        yield
    except OSError as error:
        raise OptionError(
            f"cannot write {' and '.join(str(path) for path in (target, *more))}: {error.strerror or error}; expected "
            "a place with room where files may be written; make room or choose another"
        ) from error


def spreadsheet_cell(value: object) -> object:
    """A text out of a dataset for a CSV of ours: a spreadsheet would run what begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
