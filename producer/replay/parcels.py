"""Entries as messages, by the topic and partition that they go to."""

from collections import Counter
from collections.abc import Iterable

from producer.delivery.already import Place
from producer.replay.sequence import Entry
from risk.codec import encode_label, encode_transaction
from risk.events import Label, Transaction
from risk.kafka.partitions import partition_of
from risk.kafka.sending import Message
from risk.topics import Topics

# Brokers take batches of 1 MiB unless told otherwise; a worker rejects far smaller messages.
LARGEST = 1_000_000
SHOWN_BYTES = 120


class Packer:
    def __init__(self, topics: Topics, partitions: int) -> None:
        self.too_large: list[bytes] = []  # the beginnings of messages that were not sent
        self.left_out: Counter[type] = Counter()  # of those, by what they were
        self._transactions = [(topics.transactions, number) for number in range(partitions)]
        self._labels = [(topics.labels, number) for number in range(partitions)]
        self._partitions = partitions

    def pack(self, entries: Iterable[Entry]) -> dict[Place, list[Message]]:
        """In the order of the entries within each place."""
        parcels: dict[Place, list[Message]] = {}
        for _, event in entries:
            places = self._transactions
            if isinstance(event, Transaction):
                key, value = event.customer_id.encode(), encode_transaction(event)
            elif isinstance(event, Label):
                key, value = event.customer_id.encode(), encode_label(event)
                places = self._labels
            else:
                key, value = event
            if len(key) + len(value) > LARGEST:
                self.too_large.append(value[:SHOWN_BYTES])
                self.left_out[type(event)] += 1
                continue
            place = places[partition_of(key, self._partitions)]
            if place not in parcels:
                parcels[place] = []
            parcels[place].append(Message(key, value))
        return parcels
