"""Files and folders that are whole or not there: a command that fails, or is interrupted, leaves what was
there before."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

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
    temporary = [unfinished_name(path) for path in targets]
    try:
        yield temporary
        with writing(*targets):
            for source, path in zip(temporary, targets, strict=True):
                source.replace(path)
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)


def unfinished_name(target: Path) -> Path:
    """Drawn, not made of a process id: in a container every process may have the same."""
    return target.with_name(f".{target.name}.{token_hex(8)}.part")


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


# A spreadsheet would run a text that begins with one of these.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet_cell(value: object) -> object:
    """A text out of a dataset for a CSV of ours: a spreadsheet would run what begins like a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value


# In the folder under another name: that we made it, and for what.
MARK = "trustlens-part"
# Nobody writes for so long: what is older was left behind by a process that was killed.
ABANDONED_SECONDS = 24 * 3600


@contextmanager
def whole_folder(folder: Path, keep: str | None = None) -> Iterator[Path]:
    """A folder under another name, which takes this one's place only if all went well. The body only writes: whatever
    the system refuses it, it refuses to this folder. `keep`: a pattern of files that it takes over from this one."""
    made: list[Path] = []
    try:
        try:
            make_parents(folder, made)
            _clear_abandoned(folder)
            # Drawn, as every unfinished name.
            around = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
            try:
                (around / MARK).write_text(folder.name)
                yield from _replacing(folder, around, keep)
            finally:
                shutil.rmtree(around, ignore_errors=True)
            made.clear()
        finally:
            remove_empty(made)
    except OSError as error:
        raise OptionError(
            f"cannot write {folder}: {error.strerror or error}; expected a place with room where files may be written; "
            "make room or choose another"
        ) from error


def _replacing(folder: Path, around: Path, keep: str | None) -> Iterator[Path]:
    new, before = around / "new", around / "before"
    new.mkdir()
    try:
        for path in () if keep is None else folder.glob(keep):
            shutil.copy2(path, new)
        yield new
        for path in sorted(new.rglob("*")):
            synced(path)
        synced(new)
        if folder.exists():
            folder.rename(before)
        new.rename(folder)
        synced(folder.parent)
    finally:
        if before.exists() and not folder.exists():
            before.rename(folder)


def synced(path: Path) -> None:
    """On the disk and not only on its way there: a name must not survive a power cut that its contents did not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_parents(folder: Path, made: list[Path]) -> None:
    """The folders above this one; `made` gets those that were not there, the outermost first."""
    for parent in reversed(folder.parents):
        if not parent.exists():
            parent.mkdir(exist_ok=True)
            made.append(parent)


def remove_empty(made: list[Path]) -> None:
    """Those among them in which nothing came to lie."""
    for folder in reversed(made):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _clear_abandoned(folder: Path) -> None:
    """What was begun for the same folder, by us, and never ended. Others call their own folders `.part`, too."""
    for left in folder.parent.iterdir():
        is_named_so = left.name.startswith(f".{folder.name}.") and left.name.endswith(".part")
        if is_named_so and not left.is_symlink() and _is_ours(left, folder) and _age(left) > ABANDONED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _is_ours(left: Path, folder: Path) -> bool:
    mark = left / MARK
    return mark.is_file() and mark.stat().st_size < 1024 and mark.read_text(errors="replace") == folder.name


def _age(left: Path) -> float:
    return time.time() - left.stat().st_mtime
