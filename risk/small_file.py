"""Files with a limit: small ones that a person wrote, such as a column map, and plain ones that a program wrote.

A device never ends, and a data set that is named by mistake would fill memory before it is found to be no TOML.
"""

import errno
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from risk.errors import TrustLensError

# Python's reader walks down a dotted key once for each of its parts: one of 40,000 parts took it 47 s.
MOST_PARTS = 100
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MOST_PARTS},}}+")
SMALL_BYTES = 16 * 1024**2  # far more than the map of as many columns as a file may have


def read_small(path: Path) -> bytes:
    """OSError also for what is larger. A pipe is read to its end: shells make them of what a command prints."""
    with path.open("rb") as file:
        raw = file.read(SMALL_BYTES + 1)
    if len(raw) > SMALL_BYTES:
        raise OSError(errno.EFBIG, f"more than {SMALL_BYTES:,} bytes", str(path))
    return raw


def read_toml(text: str) -> dict[str, Any]:
    """ValueError where it is none; the library recurses at each bracket, and ends at some hundred of them."""
    if _LONG_KEY.search(text) is not None:
        raise ValueError(f"a key has more than {MOST_PARTS} parts with dots between them")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def is_absent(path: Path) -> bool:
    """Whether its folder is there and has nothing of this name. Where the folder is away, as with a disk, or may not be
    looked into, nobody knows; then whoever opens it says why."""
    try:
        path.lstat()
    except FileNotFoundError:
        return os.path.isdir(path.parent)  # noqa: PTH112 - the path's own may raise
    except OSError:
        return False
    return False


def read_name(path: Path, error: type[TrustLensError], expected: str) -> str:
    """What a file of one line names. It is put in its place whole, and may be a link."""
    try:
        with plain_file(path, 1024, error, may_be_a_link=True) as file:
            return file.read().decode("utf-8", "backslashreplace").strip()
    except OSError as failed:
        raise error(f"{path}: {failed.strerror}, expected {expected}") from None


@contextmanager
def plain_file(
    path: Path, most_bytes: int, error: type[TrustLensError], *, may_be_a_link: bool = False
) -> Iterator[BinaryIO]:
    """A plain file: a device would never end, a pipe would wait for somebody to write, a link leads elsewhere."""
    if not may_be_a_link and path.is_symlink():
        raise error(f"{path}: got a link, expected a plain file; put the file itself in its place")
    follow = 0 if may_be_a_link else os.O_NOFOLLOW

    def opened(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NONBLOCK | follow)

    with open(path, "rb", opener=opened) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
            what = f"{found.st_size:,} bytes" if stat.S_ISREG(found.st_mode) else "what is no plain file"
            raise error(f"{path}: got {what}, expected a plain file of at most {most_bytes:,} bytes")
        yield file
