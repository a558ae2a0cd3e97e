"""The topics, declared once: their names, their keys and what they carry.

All of them but the ledger have the same number of partitions: what comes out of a transaction goes to the partition
number that it came from. A prefix keeps several systems on one cluster apart.
"""

from typing import NamedTuple


class TopicKind(NamedTuple):
    name: str
    key: str
    value: str


TRANSACTIONS = TopicKind("transactions", "customer_id", "a transaction that happened")
LABELS = TopicKind("labels", "customer_id", "whether a transaction was a fraud, as somebody found out")
FLAGS = TopicKind("risk-flags", "customer_id", "the score of one transaction")
ALERTS = TopicKind("high-risk-alerts", "customer_id", "a transaction that scored high, with reasons and provenance")
REJECTED = TopicKind("transactions-rejected", "the key of the message", "the bytes of a message that was not scored")
LEDGER = TopicKind("merchant-ledger", "day, label delay and bucket", "closed days of the merchant ledger")

KINDS = (TRANSACTIONS, LABELS, FLAGS, ALERTS, REJECTED, LEDGER)

# Headers of a rejected message: why, and where it came from.
REASON, DETAIL = "reason", "detail"
SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET = "source-topic", "source-partition", "source-offset"


# And of one that is not whole: how large the message was, and what tells its bytes from others.
VALUE_SIZE, VALUE_SHA256, KEY_SIZE, KEY_SHA256 = "value-size", "value-sha256", "key-size", "key-sha256"

# Kafka counts offsets in 64 bits.
LARGEST_OFFSET = (1 << 63) - 1


class Topics(NamedTuple):
    """The full names of one system's topics."""

    transactions: str
    labels: str
    flags: str
    alerts: str
    rejected: str
    ledger: str


def topics_of(prefix: str) -> Topics:
    return Topics(*(prefix + kind.name for kind in KINDS))


def group_of(prefix: str) -> str:
    """The consumer group of the scorers."""
    return prefix + "trustlens-scorer"


class Identity(NamedTuple):
    """What tells this system's log from any other; None and no id where a broker does not tell."""

    cluster_id: str | None
    topic_ids: dict[str, str]
    partitions: int  # of the transactions
    prefix: str

    def differences(self, known: "Identity") -> list[tuple[str, object, object]]:
        """By which this is another log than the one that is known: what, got, expected. What either was not told of is
        none."""
        pairs: list[tuple[str, object, object]] = [
            ("topic prefix", self.prefix, known.prefix),
            (f"{topics_of(known.prefix).transactions}: number of partitions", self.partitions, known.partitions),
        ]
        if None not in (self.cluster_id, known.cluster_id):
            pairs.append(("cluster id", self.cluster_id, known.cluster_id))
        both = sorted(self.topic_ids.keys() & known.topic_ids.keys())
        pairs += [(f"{name}: topic id", self.topic_ids[name], known.topic_ids[name]) for name in both]
        return [(what, got, expected) for what, got, expected in pairs if got != expected]
