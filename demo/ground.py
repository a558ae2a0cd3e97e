"""Where the demo happens: a folder of its own that begins empty, a port that is free, room on the disk."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from demo.errors import DemoError
from ops.kafka.ports import is_free

# Ten times what a demo leaves in its folder; Kafka's jars, the first time, and its log want more.
NEEDED_MB = 150
NEEDED_MB_WITH_KAFKA = 500
# Written first into a folder of the demo: only what has it is ever emptied.
MARK = "made-by-the-demo"


class Ground(NamedTuple):
    folder: Path
    had_files: bool  # of an earlier demo, which are gone

    @property
    def history(self) -> Path:
        return self.folder / "cards.parquet"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def rules(self) -> Path:
        return self.folder / "rules"

    @property
    def rules_file(self) -> Path:
        return self.folder / "rules.toml"

    @property
    def schedule(self) -> Path:
        """Which bundle and which rules decided from when."""
        return self.folder / "schedule.json"

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def store(self) -> Path:
        return self.folder / "risk.db"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"


def check_port(port: int, command: str) -> None:
    """Before anything is done: whoever waits a minute for the news has lost a minute. `command`: as it was given."""
    if port and not is_free(port):
        raise DemoError(
            f"port {port}: something listens there already, and the demo's explorer needs it; end that (a demo that "
            f"was kept, perhaps), or choose another port: TRUSTLENS_REPORTER_PORT={port + 100} {command}"
        )


def check_room(folder: Path, needed_mb: int) -> None:
    """`folder` need not be there yet."""
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(place).free >> 20
    if free < needed_mb:
        raise DemoError(f"{place}: {free:,} MB are free on this disk, the demo needs {needed_mb:,} MB; make room first")


@contextmanager
def new_ground(folder: Path) -> Iterator[Ground]:
    """Emptied of an earlier demo, and held, so that a second one at the same time does not empty it again."""
    mark, had_files = _prepared(folder)
    try:
        yield Ground(folder, had_files)
    finally:
        mark.close()


def _prepared(folder: Path) -> tuple[TextIO, bool]:
    """What holds the folder, and whether there were files in it."""
    with ExitStack() as if_it_fails:
        try:
            _check_ours(folder)
            folder.mkdir(parents=True, exist_ok=True)
            mark = if_it_fails.enter_context((folder / MARK).open("w"))
            _hold(folder, mark)
            had_files = _empty(folder)
            Ground(folder, had_files).logs.mkdir()
        except OSError as error:
            raise DemoError(f"{folder}: {error.strerror or error}; the demo needs a folder to write into") from error
        if_it_fails.pop_all()
    return mark, had_files


def _check_ours(folder: Path) -> None:
    if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise DemoError(
            f"{folder}: holds files that are not the demo's, which would begin by deleting them; name an empty folder"
        )


def _hold(folder: Path, mark: TextIO) -> None:
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DemoError(f"{folder}: another demo is at work there; wait for its end, or end it by Ctrl-C") from None


def _empty(folder: Path) -> bool:
    """Whether there was anything but the mark."""
    found = [path for path in folder.iterdir() if path.name != MARK]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return bool(found)
