"""The compiled loop of the bootstrap, in a file of its own: who does not draw need not load the compiler."""

from risk.codes import Array
from risk.windows import compiled


@compiled
def add_stretches(units: Array, starts: Array, ends: Array, copies: Array, sums: Array) -> None:
    """`copies` has a row for each unit and a column for each draw, as `sums` has them for each stretch."""
    draws = copies.shape[1]
    for stretch in range(len(starts)):
        for place in range(starts[stretch], ends[stretch]):
            unit = units[place]
            for draw in range(draws):
                sums[stretch, draw] += copies[unit, draw]
