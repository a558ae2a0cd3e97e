"""The arena: what it holds stays as it is while blocks grow and move, and little of its memory is in nobody's use."""

import random

import numpy as np

from risk.arena import Arena
from risk.windows import NEVER


def grow_alike(customers: int, entries: int) -> tuple[Arena, dict[int, list[int]]]:
    """Every series gets an entry in turn, in no order: (number, series) in two columns. The arena, and what it has."""
    arena, dice = Arena((np.int64, np.int32), ends=()), random.Random(3)
    arena.have_series(customers)
    wanted: dict[int, list[int]] = {series: [] for series in range(customers)}
    for number in range(entries):
        order = list(range(customers))
        dice.shuffle(order)
        for first in range(0, customers, 50):
            batch = order[first : first + 50]
            arena.reserve(np.array(batch, np.int64), NEVER)
            for series in batch:
                place = arena.hi[series]
                arena.columns[0][place], arena.columns[1][place] = number, series
                arena.hi[series] += 1
                wanted[series].append(number)
    return arena, wanted


def test_what_is_there_stays_there_whatever_moves() -> None:
    arena, wanted = grow_alike(300, 70)
    for series, numbers in wanted.items():
        lo, hi = arena.lo[series], arena.hi[series]
        assert arena.columns[0][lo:hi].tolist() == numbers
        assert set(arena.columns[1][lo:hi].tolist()) == {series}


def test_series_that_grow_alike_leave_little_behind() -> None:
    """Blocks of a size that all have outgrown would be free for ever, and were three fifths of the memory."""
    arena, wanted = grow_alike(1_000, 64)
    entries = sum(map(len, wanted.values()))
    assert arena.limit < entries * 1.35
