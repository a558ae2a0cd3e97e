"""A partition of an input, read again from its beginning to where the store stands."""

from collections.abc import AsyncIterator

from aiokafka import TopicPartition

from risk.kafka.log import LogReader
from scorer.log.decoding import MOST_IN_A_CHUNK, Chunk, Content, Place, Read


async def chunks(
    reader: LogReader, place: TopicPartition, begin: int, until: int, read: Read[Content]
) -> AsyncIterator[Chunk[Content]]:
    """The reader is for this alone."""
    reader.begin({place: begin})
    async for records in reader.until(place, until, most=MOST_IN_A_CHUNK):
        yield Chunk(Place(*place), records, read(records), 0, records[0].offset)
