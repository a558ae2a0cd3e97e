"""Does what retention does, at once: records are gone from the beginning of a partition."""

import asyncio
from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from testing.systems import System

ALL = -1


def delete_records(system: System, partitions: Sequence[int]) -> None:
    """All records that these partitions of the transactions and of the labels have now."""
    asyncio.run(_delete(system, partitions))


async def _delete(system: System, partitions: Sequence[int]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=system.address)
    await admin.start()
    try:
        places = [TopicPartition(t, n) for t in (system.topics.transactions, system.topics.labels) for n in partitions]
        await admin.delete_records({place: RecordsToDelete(before_offset=ALL) for place in places})
    finally:
        await admin.close()
