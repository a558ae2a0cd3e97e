"""Processes as tests look at them from outside, by what the system says of them."""

import os
import select
from pathlib import Path

# Far more than a process needs to end; one that has not ended by then goes on.
PATIENCE_MS = 300_000


def children_of(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def ended(process: int) -> bool:
    """Whether the process behind this descriptor (`os.pidfd_open`) has ended, or does so soon. Unlike its number, it
    cannot come to mean another process. The descriptor is closed."""
    looking = select.poll()
    looking.register(process, select.POLLIN)
    try:
        return bool(looking.poll(PATIENCE_MS))
    finally:
        os.close(process)
