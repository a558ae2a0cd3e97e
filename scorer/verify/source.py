"""A partition of an input, read again from its beginning to where the store stands."""

from collections.abc import AsyncIterator

from aiokafka import TopicPartition

from scorer.reading import Reader
from scorer.worker.arrivals import Chunk, Place, Read
from scorer.worker.intake import CHUNK


async def chunks(reader: Reader, place: TopicPartition, begin: int, until: int, read: Read) -> AsyncIterator[Chunk]:
    """The reader is for this alone."""
    reader.assign([place])
    reader.seek(place, begin)
    reached = begin
    while reached < until:
        fetched = (await reader.getmany(place, max_records=CHUNK)).get(place, ())
        records = [record for record in fetched if record.offset < until]
        if records:
            yield Chunk(Place(*place), records, read(records), 0, records[0].offset)
        # Offsets without a record, where transactions end, lie behind the last record too.
        reached = await reader.position(place)
