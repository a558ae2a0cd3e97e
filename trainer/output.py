"""Files that are whole or not there: a command that fails, or is interrupted, leaves what was there before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from risk.errors import OptionError


@contextmanager
def replaced(*targets: Path) -> Iterator[list[Path]]:
    """Temporary names beside the targets, which become the targets only if all went well."""
    temporary = [target.with_name(f".{target.name}.{os.getpid()}.part") for target in targets]
    try:
        try:
            yield temporary
            for source, target in zip(temporary, targets, strict=True):
                source.replace(target)
        finally:
            for path in temporary:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise OptionError(
            f"cannot write {targets[-1]}: {error.strerror or error}; expected a place with room where files may be "
            "written; make room or choose another"
        ) from error
