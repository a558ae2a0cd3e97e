"""Columns of text out of numbers, a whole row group at a time."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worlds.streams import Bools, Ints

TIME = pa.timestamp("ms", tz="UTC")

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def numbered(prefix: str, numbers: Ints, digits: int) -> pa.Array:
    """Ids such as C000042."""
    padded = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), digits, "0")
    return pc.binary_join_element_wise(prefix, padded, "")


def hexadecimal(prefix: str, numbers: Ints, digits: int) -> pa.Array:
    """Ids such as D00c0ffee42."""
    shifts = np.arange(digits - 1, -1, -1, dtype=np.int64) * 4
    letters = np.empty((len(numbers), len(prefix) + digits), dtype=np.uint8)
    letters[:, : len(prefix)] = np.frombuffer(prefix.encode(), dtype=np.uint8)
    letters[:, len(prefix) :] = _HEX[(numbers[:, None] >> shifts) & 15]
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * letters.shape[1]
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(letters))


def named(names: Sequence[str | None], codes: Ints) -> pa.Array:
    """The name of each code."""
    return pa.array(names, pa.string()).take(pa.array(codes))


def blanked(column: pa.Array, missing: Bools) -> pa.Array:
    """The column without the values that are missing."""
    return pc.if_else(pa.array(missing), pa.scalar(None, column.type), column)


def times(ms: Ints) -> pa.Array:
    return pa.array(ms, pa.int64()).cast(TIME)


def amounts(cents: Ints) -> pa.Array:
    """Major units: the float64 nearest to the decimal number."""
    return pa.array(cents / 100.0)
