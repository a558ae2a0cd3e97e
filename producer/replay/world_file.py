"""A generated world as a file to replay: the same bytes each time, so that a position in it stays one."""

import os
import stat
from pathlib import Path

from console.output import replaced
from console.terminal import progress
from risk.errors import OptionError
from worlds.options import WorldOptions
from worlds.write import write_history


def world_file(asked: WorldOptions, temporary: Path) -> Path:
    """Makes it, in a folder of its own in the one for temporary files."""
    sizes = "-".join(f"{name}{size}" for name, size in asked.sizes.items())
    path = _own_folder(temporary) / f"{asked.world.name}-{sizes}-seed{asked.seed}.parquet"
    with replaced(path) as (unfinished,):
        write_history(asked.world, asked.world.history(asked.sizes, asked.seed, progress), unfinished, ".parquet", [])
    return path


def _own_folder(temporary: Path) -> Path:
    """Nobody else may put a file there that would be taken for ours."""
    folder = temporary / f"trustlens-worlds-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise OptionError(f"{folder}: cannot be made ({error.strerror}); make room, or set TMPDIR") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise OptionError(f"{folder}: got somebody else's, expected a folder of your own; remove it, or set TMPDIR")
    return folder
