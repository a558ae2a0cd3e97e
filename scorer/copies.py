"""`backup` and `restore`: the store as one file, and back."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from console.help import epilog
from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import say
from risk.store import open_store, restore_store
from scorer.opening import store_to_read

# A reporter may go on: it has the store open while it reads, and lets go in between.
PATIENCE_SECONDS = 3.0
LOOKS_EVERY_SECONDS = 0.02


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    backup = commands.add_parser(
        "backup",
        description="Copy the store that TRUSTLENS_DB names into one file, as it is at one moment. Workers go on "
        "meanwhile. What came after it is in the log: a worker that begins with the copy catches up by itself.",
        epilog=epilog(
            "python -m scorer backup risk-2024-12-01.db",
            done="the copy is written, whole",
            failed="there is no copy; the last line says why",
        ),
    )
    backup.add_argument("file", type=Path, metavar="FILE", help="the file to write; there must be none yet")
    backup.set_defaults(run=_backup)
    restore = commands.add_parser(
        "restore",
        description="Put a backup where TRUSTLENS_DB says. Refused while a worker or anybody else has the store open. "
        "A reporter may go on: it lets go of the store between two readings, and sees the backup by itself.",
        epilog=epilog(
            "python -m scorer restore risk-2024-12-01.db",
            "python -m scorer restore risk-2024-12-01.db --force",
            notes="Stop the workers first; they go on from where the backup was.",
            done="the backup is in its place",
            failed="the store is what it was before; the last line says why",
        ),
    )
    restore.add_argument("file", type=Path, metavar="FILE", help="a file that `backup` wrote")
    restore.add_argument("--force", action="store_true", help="replace the store that is there")
    restore.set_defaults(run=_restore)


def _backup(options: argparse.Namespace) -> int:
    with store_to_read(settings_of(options).db) as store:
        store.backup(options.file)
    say(f"{options.file}: {options.file.stat().st_size:,} bytes, {_standing(options.file)}")
    return EXIT_OK


def _restore(options: argparse.Namespace) -> int:
    target = settings_of(options).db
    restore_store(options.file, target, force=options.force, may_wait=patience(PATIENCE_SECONDS))
    say(f"{target}: {_standing(target)}")
    say("what came after the backup is in the log; the next worker goes on from there")
    return EXIT_OK


def patience(seconds: float) -> Callable[[], bool]:
    """Waits a little each time, until they are over."""
    deadline = time.monotonic() + seconds

    def may_wait() -> bool:
        time.sleep(LOOKS_EVERY_SECONDS)
        return time.monotonic() < deadline

    return may_wait


def _standing(path: Path) -> str:
    """How far the store in this file is."""
    with open_store(path, read_only=True) as store:
        offsets = [f"{p.topic}-{p.partition} at {p.next_offset:,}" for p in store.positions()]
    return ", ".join(offsets) or "no worker has worked on it yet"
