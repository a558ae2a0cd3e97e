"""What a damaged store does not notice: values that no worker writes. A flipped bit of a time would ask for gigabytes,
one of a level would be an alert."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from risk.codes import Array
from risk.errors import StoreError
from risk.money import EXPONENTS
from risk.store import IF_DAMAGED


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Texts that are none become a StoreError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise StoreError(f"{path}: got the text {error.object!r}, expected UTF-8; {IF_DAMAGED}") from error


def check_within(lowest: int, highest: int, numbers: Array, column: str, offsets: Array) -> None:
    """Both included."""
    is_right = (numbers >= lowest) & (numbers <= highest)
    if not is_right.all():
        wrong = int(np.argmin(is_right))
        raise StoreError(
            f"risk_flags: got {numbers[wrong]} as {column} at offset {offsets[wrong]}, expected {lowest} to {highest}; "
            f"{IF_DAMAGED}"
        )


def check_currencies(codes: Iterable[str]) -> None:
    unknown = sorted(set(codes) - EXPONENTS.keys())
    if unknown:
        raise StoreError(f"risk_flags: got the currency {unknown[0]!r}, expected a code of ISO 4217; {IF_DAMAGED}")
