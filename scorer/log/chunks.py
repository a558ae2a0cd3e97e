"""Records of one partition with what they are, as the worker and `verify` go through them."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from risk.block_codec import Decoded
from risk.kafka.decoding import Labels, Record


class Place(NamedTuple):
    """A partition of a topic. Any tuple of these two is equal to it."""

    topic: str
    partition: int


# Returns once the topics are known to be the same ones still; what was read from this partition before is then of the
# log that the store was made from. Nothing is sent or stored before.
Confirm = Callable[[str, int], Awaitable[None]]

Content = TypeVar("Content", bound=Decoded | Labels)

# What a chunk costs whatever is in it (calls on columns, a commit) is shared by so many. The thread that scores is busy
# with one for 50 ms; only where that many wait already are there any as large.
MOST_IN_A_CHUNK = 4_000


class Chunk(NamedTuple, Generic[Content]):
    """Records of one partition, in their order, with what they are."""

    place: Place
    records: Sequence[Record]
    content: Content
    serial: int  # the buffer's number for it
    expected_offset: int  # where the partition's next record was expected

    @property
    def next_offset(self) -> int:
        """The offset after the last record."""
        return self.records[-1].offset + 1

    def cut(self, first: int, last: int) -> "Chunk[Content]":
        content: Any = self.content.cut(first, last)
        return self._replace(records=self.records[first:last], content=content)

    def pieces(self, cuts: Sequence[int]) -> Iterator["Chunk[Content]"]:
        """The chunk cut before the given places."""
        for first, last in zip((0, *cuts), (*cuts, len(self.records)), strict=True):
            if first < last:
                yield self.cut(first, last)


Read = Callable[[Sequence[Record]], Content]
