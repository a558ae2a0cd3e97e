"""Folders that are whole or not there: a command that fails, or is interrupted, leaves what was there before."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from risk.errors import OptionError


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder under another name, which takes this one's place only if all went well."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    before = folder.with_name(f".{folder.name}.{os.getpid()}.before")
    try:
        try:
            temporary.mkdir(parents=True)
            yield temporary
            if folder.exists():
                folder.rename(before)
            temporary.rename(folder)
        finally:
            if before.exists() and not folder.exists():
                before.rename(folder)
            for path in (temporary, before):
                shutil.rmtree(path, ignore_errors=True)
    except OSError as error:
        raise OptionError(
            f"cannot write {folder}: {error.strerror or error}; expected a place with room where files may be written; "
            "make room or choose another"
        ) from error
