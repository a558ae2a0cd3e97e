"""Steps: what may be on its way at the same time.

Everything of a step is acknowledged before anything of the next is sent. That a step ends before the first transaction
of a new day is the producer's promise: then everything dated before that day is there, labels too.
"""

from collections.abc import Iterable, Iterator

from producer.replay.sequence import Entry
from risk.clock import DAY
from risk.events import Transaction

STEP = 8_192  # messages: some hundreds to two thousand for each partition


def steps(entries: Iterable[Entry], most: int = STEP) -> Iterator[list[Entry]]:
    step: list[Entry] = []
    newest_day = -1
    for entry in entries:
        begins_day = False
        if type(entry.event) is Transaction:
            day = entry.event.event_time // DAY
            begins_day = day > newest_day
            newest_day = max(newest_day, day)
        if (begins_day and step) or len(step) == most:
            yield step
            step = []
        step.append(entry)
    if step:
        yield step


def limited(entries: Iterable[Entry], most: int) -> Iterator[Entry]:
    """Up to the transaction that is the last wanted one."""
    for entry in entries:
        yield entry
        most -= type(entry.event) is Transaction
        if most == 0:
            return
