"""What version 0.1 sent and scored stays what it was, though today's limits are others."""

from pathlib import Path

import msgspec
import pytest

from risk.codec import encode_transaction
from risk.events import Transaction
from risk.kafka.sending import Message
from risk.rejects import LARGEST_WHOLE
from risk.topics import DETAIL
from testing.brokers import TestKafka, new_prefix
from testing.systems import System, system
from tests.kafka_tampering import messages, send
from tests.test_kafka_batches import NOW, good


@pytest.mark.proof
def test_a_whole_reject_of_version_0_1_is_what_is_due(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """It sent every one whole, as far as the topic took it."""
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        large = Message(b"k", bytes(LARGEST_WHOLE + 50_000))
        send(made.address, made.topics.transactions, 0, [large, good("x")])
        worker = made.start()
        made.until_scored()
        worker.stop()
        [reject] = messages(made.address, made.topics.rejected, 0)
        old = Message(large.key, large.value, tuple(h for h in reject.headers if not h[0].startswith("value-")))
        send(made.address, made.topics.rejected, 0, [old])
        said = made.scorer("verify", "--bundle", str(made.models / "current"))
        assert "\nidentical" in said.out, said


def long(name: str) -> Message:
    """With a merchant's name that is longer than a name may be; version 0.1 had no limits."""
    made = Transaction(f"T-{name}", NOW, "C-long", "EUR", merchant_id=name * 2_000, amount=100, channel="online")
    return Message(b"C-long", encode_transaction(made))


def as_0_1_flagged(made: System, sent: Message) -> Message:
    """The flag that a worker without limits gave: of the same transaction with a name short enough, for neither its
    score nor its flag looks at the name of a merchant that nobody knows."""
    short = msgspec.json.decode(sent.value or b"") | {"merchant_id": "m"}
    send(made.address, made.topics.transactions, 0, [Message(b"C-long", msgspec.json.encode(short))])
    worker = made.start()
    made.until_scored()
    worker.stop()
    return messages(made.address, made.topics.flags, 0)[0]


@pytest.mark.proof
def test_what_was_scored_before_there_were_limits_stays_scored(kafka: TestKafka, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with system(kafka, new_prefix(), tmp_path / "other", partitions=1) as other:
        flag = as_0_1_flagged(other, long("a"))
        topic = other.topics.transactions
    with system(kafka, new_prefix(), tmp_path, partitions=1) as made:
        send(made.address, made.topics.transactions, 0, [long("a"), long("b"), good("x")])
        ours = flag._replace(value=(flag.value or b"").replace(topic.encode(), made.topics.transactions.encode()))
        send(made.address, made.topics.flags, 0, [ours])
        for name in ("y", "z"):  # with what is on the topics, and with what is in the store
            send(made.address, made.topics.transactions, 0, [good(name)])
            worker = made.start()
            made.until_scored()
            worker.stop()
        assert len(messages(made.address, made.topics.flags, 0)) == 4
        [reject] = messages(made.address, made.topics.rejected, 0)
        assert reject.value == long("b").value
        assert b"merchant_id: got '2000 characters'" in (dict(reject.headers)[DETAIL] or b"")
        said = made.scorer("verify", "--bundle", str(made.models / "current"))
        assert "\nidentical" in said.out, said
