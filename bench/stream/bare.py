"""The limit: a bare loop of the client, with the project's own pipeline and store, and nothing else.

No groups that rebalance, no ledger that is shared, no reading back, nothing that comes back after a crash: what is left
is the work itself. Settings come from the environment, as for a worker; `--bundle` is the only option.
"""

import argparse
import os
from pathlib import Path

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from risk.bundle import read_bundle
from risk.kafka.connection import client_options, connection_of
from risk.kafka.decoding import transaction_reader
from risk.kafka.sending import send_all
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.settings import Settings, read_settings
from risk.store import Outputs, open_store
from risk.topics import group_of, topics_of
from scorer.log.chunks import MOST_IN_A_CHUNK, Place
from scorer.log.outputs import messages_of, outgoing
from scorer.worker.process import collect_less
from scorer.worker.swap import ready_to_score

NOTHING = Outputs(0, 0, 0)


async def run(settings: Settings, folder: Path) -> None:
    bundle, topics = read_bundle(folder), topics_of(settings.topic_prefix)
    manifest = bundle.manifest
    options = client_options(connection_of(settings))
    days = SeenDays(manifest.terms.ledger_terms)
    pipeline, read = Pipeline(bundle, days), transaction_reader(manifest.max_ahead_ms)
    ready_to_score(bundle)
    store = open_store(settings.db)
    consumer = AIOKafkaConsumer(
        topics.transactions,
        **options,
        group_id=group_of(settings.topic_prefix),
        enable_auto_commit=True,
        auto_commit_interval_ms=250,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=25,
        max_partition_fetch_bytes=1_048_576,
    )
    producer = AIOKafkaProducer(
        **options, enable_idempotence=True, acks="all", max_batch_size=524_288, max_request_size=4_194_304
    )
    await consumer.start()
    await producer.start()
    taken = {
        place.partition: store.take_over(topics.transactions, place.partition, first_offset=0)
        for place in consumer.assignment()
    }
    while True:
        fetched = await consumer.getmany(timeout_ms=200, max_records=MOST_IN_A_CHUNK)
        for (topic, partition), records in fetched.items():
            held = taken[partition]
            block = read(records).block  # the topic holds nothing else
            scored = pipeline.score(block, partition)
            out = outgoing(manifest, Place(topic, partition), records, block, scored)
            for name, messages in ((topics.alerts, out.alerts), (topics.flags, out.flags)):
                await send_all(producer, name, partition, messages_of(messages))
            after = records[-1].offset + 1
            newest = int(block.event_time.max())
            store.commit_flags(
                held.owner,
                expected=held.next_offset,
                next_offset=after,
                newest_event_time=newest,
                outputs=NOTHING,
                rows=out.rows,
                samples=out.samples,
            )
            taken[partition] = held._replace(next_offset=after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    options = parser.parse_args()
    collect_less()
    uvloop.run(run(read_settings(os.environ), options.bundle))


if __name__ == "__main__":
    main()
