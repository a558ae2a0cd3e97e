"""What a world is: a name, the sizes it takes, and a function that yields its history in row groups."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Protocol

import pyarrow as pa
from msgspec import Struct

# Fixed, so that a file's bytes do not depend on how it was produced. Rows of one group are in memory at once.
ROW_GROUP = 65_536

Sizes = Mapping[str, int]
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


class Generate(Protocol):
    def __call__(self, sizes: Sizes, seed: int, progress: Progress) -> Iterator[pa.RecordBatch]: ...


class Option(Struct, frozen=True):
    """A size that the user may choose, from 1 to `largest`."""

    name: str
    default: int
    largest: int
    meaning: str


class World(Struct, frozen=True):
    """`truth` names the columns that go into a side file and never into the history."""

    name: str
    meaning: str
    options: tuple[Option, ...]
    history: Generate
    truth: tuple[str, ...] = ()


def instant(day: str) -> datetime:
    """Midnight UTC of a day such as 2024-01-01."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
