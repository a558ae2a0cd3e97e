"""Ways to lose a store, and what has to be so after somebody has worked with what is left."""

import shutil
from pathlib import Path
from typing import Any

from risk.store import FlagRow, open_store
from risk.store.sqlite.opening import beside
from storm.crew import Crew
from storm.reading import Made, Source, read
from storm.until import StormError
from testing.systems import System


def delete(store: Path) -> None:
    for path in (store, *beside(store)):
        path.unlink(missing_ok=True)


def exchange(store: Path, backup: Path) -> None:
    """As a person does it who does not know `restore`, but knows that the log beside a store belongs to it."""
    copy = store.with_name("copy")
    shutil.copyfile(backup, copy)
    for path in beside(store):
        path.unlink(missing_ok=True)
    copy.replace(store)


def back_up(system: System) -> Path:
    backup = system.folder / "backup.db"
    store = open_store(system.store)
    try:
        store.backup(backup)
    finally:
        store.close()
    return backup


def worked(crew: Crew) -> Made:
    """What there is after one worker has done all there is to do."""
    crew.join()
    crew.until_scored()
    crew.stop()
    return read(crew.system)


def rebuilt(crew: Crew) -> Made:
    """What there is after everybody was stopped, the store deleted, and one worker did it all again: the same."""
    crew.stop()
    before = read(crew.system)
    delete(crew.system.store)
    after = worked(crew)
    check_same(before, after)
    return after


def check_same(before: Made, after: Made) -> None:
    """Store and topics, byte for byte, and nothing there a second time."""
    for name in Made._fields:
        was, came = _entries(getattr(before, name)), _entries(getattr(after, name))
        if was != came:
            differences = [entry for entry in came if entry not in was] or [entry for entry in was if entry not in came]
            raise StormError(f"the second time the {name} are others than the first; one of them: {differences[:1]}")


def _entries(made: dict[Source, Any] | list[FlagRow]) -> list[Any]:
    return list(made.items()) if isinstance(made, dict) else made
