"""Which process holds the store's write lock, so that whoever waits can say for whom.

Linux lists every lock in /proc/locks. To ask by `fcntl` would mean to open the file, and closing it again takes away
every lock that this process has on it. Processes of other containers are not listed.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

# Where SQLite locks: in the index of its log the writer's byte, in the file itself that of whoever has it alone.
_WRITER, _ALONE = 120, 0x40000001
_LONGEST_COMMAND = 200


def holder_of(path: Path, proc: Path = Path("/proc")) -> str:
    """The holder in words; somebody else may have it by the time they are read."""
    places = [(_file(path.with_name(path.name + "-shm")), _WRITER), (_file(path), _ALONE)]
    return _in_words(proc, _holders("POSIX", places, proc))


def holder_of_folder(folder: Path, proc: Path = Path("/proc")) -> str:
    """The same of the lock by which a store is made, migrated or replaced by one process alone."""
    return _in_words(proc, _holders("FLOCK", [(_file(folder), 0)], proc))


def _in_words(proc: Path, pids: Iterable[int]) -> str:
    found = [_named(proc, pid) for pid in sorted(set(pids))]
    return " and ".join(found) or "a process that this system does not tell, perhaps of another container"


def _holders(kind: str, places: Sequence[tuple[str | None, int]], proc: Path) -> Iterator[int]:
    try:
        lines = (proc / "locks").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, *words = line.split()
        if len(words) != 7 or (words[0], words[2]) != (kind, "WRITE"):  # others are waiting, or locks of another kind
            continue
        pid, file, first, last = words[3:]
        for wanted, byte in places:
            if file == wanted and int(first) <= byte and (last == "EOF" or byte <= int(last)):
                yield int(pid)


def _file(path: Path) -> str | None:
    """As /proc/locks names it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"


def _named(proc: Path, pid: int) -> str:
    try:
        words = (proc / str(pid) / "cmdline").read_text(errors="replace").replace("\0", " ").split()
        # Behind the name, which may contain anything but a line: T is stopped.
        state = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return f"process {pid}"
    stopped = ", which is stopped" if state in "Tt" else ""
    return f"process {pid} ({' '.join(words)[:_LONGEST_COMMAND]}){stopped}"
