"""A partition of an input, read again from its beginning to where the store stands."""

from collections.abc import AsyncIterator

from aiokafka import TopicPartition

from risk.kafka.log import LogReader
from scorer.worker.arrivals import Chunk, Content, Place, Read
from scorer.worker.intake import CHUNK


async def chunks(
    reader: LogReader, place: TopicPartition, begin: int, until: int, read: Read[Content]
) -> AsyncIterator[Chunk[Content]]:
    """The reader is for this alone."""
    reader.begin({place: begin})
    async for records in reader.until(place, until, most=CHUNK):
        yield Chunk(Place(*place), records, read(records), 0, records[0].offset)
