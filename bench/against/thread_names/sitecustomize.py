"""Python reads this when it starts with this folder in PYTHONPATH: the system then knows threads by Python's names.

Before 3.14 Python does not tell it, and each thread would bear the name of the program. A thread that a C library
makes keeps the name of the thread that made it.
"""

import threading
from pathlib import Path

LONGEST = 15  # bytes; the system refuses nothing and cuts there

_start = threading.Thread.start


def start_named(self: threading.Thread) -> None:
    _start(self)
    # A name that Python made up says less than the class, and has a number that differs from run to run.
    name = type(self).__name__ if self.name.startswith("Thread-") else self.name
    try:
        Path(f"/proc/self/task/{self.native_id}/comm").write_bytes(name.encode()[:LONGEST])
    except (FileNotFoundError, ProcessLookupError):
        return  # it has ended already


threading.Thread.start = start_named  # type: ignore[method-assign]  # every thread begins there
