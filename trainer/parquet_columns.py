"""Columns of a Parquet file, out of arrays and texts. Not by `pa.array`: it imports pandas to see whether it was given
some, which takes as long as the features of 60,000 rows."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def number_column(values: np.ndarray, type_: pa.DataType, known: np.ndarray | None = None) -> pa.Array:
    """`type_` is as wide as the values are; null where `known` (bool) is false."""
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(type_, len(values), [_validity(known), data])


def text_column(texts: Sequence[str | None]) -> pa.Array:
    encoded = [b"" if text is None else text.encode() for text in texts]
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, encoded), np.int32, len(texts)), out=offsets[1:])
    known = np.fromiter((text is not None for text in texts), bool, len(texts)) if None in texts else None
    buffers = [_validity(known), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


def _validity(known: np.ndarray | None) -> pa.Buffer | None:
    """A bit for each value, as Arrow has them."""
    return None if known is None else pa.py_buffer(np.packbits(known, bitorder="little"))
