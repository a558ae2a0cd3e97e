"""A store that holds what a file does, as if workers had scored it: what is made of a history without a broker."""

from pathlib import Path

import msgspec

from producer.replay.refused import RefusedRows
from producer.replay.sequence import Sequence, Span
from risk.dataset import open_dataset
from risk.dataset.map_file import load_map
from risk.events import Label, Transaction
from risk.kafka.partitions import partition_of
from risk.store import FlagRow, open_store
from testing.replays import NOW
from testing.stores import LABELS, NOTHING_SENT, TRANSACTIONS

PARTITIONS = 3


def store_of(file: Path, columns: Path | None, store: Path) -> Path:
    """Every transaction scored 0.25, every label that is known by now."""
    flags: list[list[FlagRow]] = [[] for _ in range(PARTITIONS)]
    labels: list[list[tuple[int, Label]]] = [[] for _ in range(PARTITIONS)]
    refused = RefusedRows()
    dataset = open_dataset(file, None if columns is None else load_map(columns), on_bad=refused.note)
    for entry in Sequence(dataset, refused, Span(), NOW * 2):
        event = entry.event
        assert isinstance(event, (Transaction, Label)), event
        partition = partition_of(event.customer_id.encode(), PARTITIONS)
        if isinstance(event, Label):
            labels[partition].append((len(labels[partition]), event))
        else:
            flags[partition].append(flag_of(event, partition, len(flags[partition])))
    with open_store(store) as made:
        for partition in range(PARTITIONS):
            owner = made.take_over(TRANSACTIONS, partition, first_offset=0).owner
            made.commit_flags(
                owner,
                expected=0,
                next_offset=len(flags[partition]),
                newest_event_time=max(row.event_time for row in flags[partition]),
                outputs=NOTHING_SENT,
                rows=flags[partition],
            )
            owner = made.take_over(LABELS, partition, first_offset=0).owner
            made.commit_labels(
                owner, expected=0, next_offset=len(labels[partition]), rejected_offset=0, labels=labels[partition]
            )
    return store


def flag_of(event: Transaction, partition: int, offset: int) -> FlagRow:
    attributes = msgspec.json.encode(event.attributes).decode() if event.attributes else None
    return FlagRow(
        partition,
        offset,
        event.transaction_id,
        event.customer_id,
        event.event_time,
        event.currency,
        event.amount,
        event.merchant_id,
        event.merchant_category,
        event.channel,
        event.device_id,
        event.country,
        attributes,
        0.25,
        "low",
        None,
        None,
        None,
        "v1",
    )
