"""When somebody found out. Genuine transactions are looked into as well, odd ones rather than others."""

import numpy as np

from risk.clock import DAY
from worlds.cards.rows import Kind, Rows
from worlds.streams import Ints

NEVER_REPORTED = 0.03
REPORTED_LATE = 0.03
CLEARED_ODD, CLEARED_ORDINARY = 0.10, 0.02

NO_LABEL = -1


def labelled_at(random: np.random.Generator, rows: Rows) -> Ints:
    """Milliseconds since the world's start, or NO_LABEL. The delays of cleared and of fraudulent ones are alike."""
    size = len(rows.time)
    prompt = random.integers(DAY, 5 * DAY, size)
    late = random.integers(10 * DAY, 45 * DAY, size)
    delay = np.where(random.random(size) < REPORTED_LATE, late, prompt)
    cleared = np.where(rows.odd, CLEARED_ODD, CLEARED_ORDINARY)
    known = random.random(size) < np.where(rows.kind == Kind.GENUINE, cleared, 1.0 - NEVER_REPORTED)
    return np.where(known, rows.time + delay, NO_LABEL)
