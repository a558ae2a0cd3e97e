"""`backup` and `restore`: the store as one file, and back."""

import argparse
from pathlib import Path

from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import say
from risk.store import open_store, restore_store


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    backup = commands.add_parser(
        "backup",
        help="copy the store into one file, while workers go on",
        description="Copy the store that TRUSTLENS_DB names into one file, as it is at one moment. Workers go on "
        "meanwhile. What came after it is in the log: a worker that begins with the copy catches up by itself.",
    )
    backup.add_argument("file", type=Path, metavar="FILE", help="the file to write; there must be none yet")
    backup.set_defaults(run=_backup)
    restore = commands.add_parser(
        "restore",
        help="put a backup in the place of the store",
        description="Put a backup where TRUSTLENS_DB says. Refused while a worker or anybody else has the store open.",
    )
    restore.add_argument("file", type=Path, metavar="FILE", help="a file that `backup` wrote")
    restore.add_argument("--force", action="store_true", help="replace the store that is there")
    restore.set_defaults(run=_restore)


def _backup(options: argparse.Namespace) -> int:
    store = open_store(settings_of(options).db, read_only=True)
    try:
        store.backup(options.file)
    finally:
        store.close()
    say(f"{options.file}: {options.file.stat().st_size:,} bytes, {_standing(options.file)}")
    return EXIT_OK


def _restore(options: argparse.Namespace) -> int:
    target = settings_of(options).db
    restore_store(options.file, target, force=options.force)
    say(f"{target}: {_standing(target)}")
    say("what came after the backup is in the log; the next worker goes on from there")
    return EXIT_OK


def _standing(path: Path) -> str:
    """How far the store in this file is."""
    store = open_store(path, read_only=True)
    try:
        offsets = [f"{p.topic}-{p.partition} at {p.next_offset:,}" for p in store.positions()]
    finally:
        store.close()
    return ", ".join(offsets) or "no worker has worked on it yet"
