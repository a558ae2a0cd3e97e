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
    partitions: int
    prefix: str
