"""What somebody else wrote on our output topics ends no worker, changes no score, and is told by the audit."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from risk.bundle import ONNX
from risk.kafka.sending import Message
from risk.topics import SOURCE_OFFSET, SOURCE_PARTITION, SOURCE_TOPIC
from testing.brokers import TestKafka
from testing.systems import System, counts, system
from tests.kafka_tampering import messages, rewrite, send

VERSIONS = ("..", "junk", "x" * 300, "a/b-01234567", "unknown-01234567")


def foreign_flag(made: System, offset: int, version: str, topic: str | None = None) -> Message:
    """As a worker writes one, but for the name of the bundle."""
    fields = {
        "schema_version": 1, "transaction_id": "t", "customer_id": "c", "event_time": "2024-12-01T00:00:00Z",
        "score": 0.5, "level": "low", "reasons": [], "imputed": [], "ledger_day": None, "bundle_version": version,
        "source_topic": topic or made.topics.transactions, "source_partition": 0, "source_offset": offset,
    }  # fmt: skip
    return Message(b"c", msgspec.json.encode(fields))


@pytest.mark.proof
def test_foreign_outputs_end_no_worker_and_the_audit_says_how_many(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    """They lie where the first worker reads back, before it has written anything."""
    with system(kafka, prefix, tmp_path) as made:
        made.replay(made.make_history(customers=10, days=12))
        flags = [foreign_flag(made, offset, version) for offset, version in enumerate(VERSIONS)]
        flags += [foreign_flag(made, 3, "unknown-01234567", "elsewhere"), foreign_flag(made, 10**18, "m-01234567")]
        flags += [Message(None, None), Message(b"k", b"hello"), Message(b"k", b'{"source_offset":4}')]
        send(made.address, made.topics.flags, 0, flags)
        headers = ((SOURCE_TOPIC, made.topics.transactions.encode()), (SOURCE_PARTITION, b"0"))
        rejects = [Message(b"k", b"v", (*headers, (SOURCE_OFFSET, b"9" * 5_000))), Message(b"k", b"v")]
        send(made.address, made.topics.rejected, 0, rejects)
        worker = made.start()
        made.until_scored(worker)
        worker.stop()
        assert worker.said().endswith("scorer.worker.process: ended\n")
        assert worker.said().count("no worker wrote this message") == 2
        assert worker.said().count("flags of unknown-01234567, which cannot be used") == 1
        said = made.scorer("verify", "--bundle", str(made.models / "current"))
        assert said.code == 1
        foreign = len(flags) + len(rejects) - 1
        assert f"not written by a worker: {foreign} messages\n" in said.out
        found = counts(said, "risk-flags")
        assert (found["missing"], found["different"], found["extra"]) == (0, 0, len(flags))
        assert counts(said, "transactions-rejected")["extra"] == len(rejects)


def broken(folder: Path) -> None:
    (folder / ONNX).write_bytes(b"changed")


def renamed(folder: Path) -> None:
    folder.rename(folder.parent / "linear-01234567")


@pytest.mark.parametrize("spoil", [broken, renamed])
@pytest.mark.proof
def test_a_bundle_that_cannot_be_used_is_told_once_and_its_transactions_are_scored_again(
    kafka: TestKafka, prefix: str, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """As with one that is gone. The store is deleted, so that all that was sent is read back."""
    with system(kafka, prefix, tmp_path) as made:
        first = (made.models / "current").read_text().strip()
        made.replay(made.make_history(customers=10, days=12))
        worker = made.start()
        made.until_scored(worker)
        worker.stop()
        made.make_bundle(bias=-6.5)
        made.store.unlink()
        spoil(made.models / first)
        name = "linear-01234567" if spoil is renamed else first
        flags = messages(made.address, made.topics.flags, 0)
        rewrite(made.address, made.topics.flags, 0, [one._replace(
            value=(one.value or b"").replace(first.encode(), name.encode())) for one in flags])  # fmt: skip
        again = made.start()
        made.until_scored(again)
        again.stop()
        assert again.said().count(f"flags of {name}, which cannot be used") == 1


@pytest.mark.proof
def test_ours_beside_a_foreign_flag_is_what_counts(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """A flag that looks like ours and names a bundle that nobody has hides none that is there."""
    with system(kafka, prefix, tmp_path) as made:
        made.replay(made.make_history(customers=10, days=12))
        worker = made.start()
        made.until_scored(worker)
        worker.stop()
        before = messages(made.address, made.topics.flags, 0)
        rewrite(made.address, made.topics.flags, 0, [
            one for n, flag in enumerate(before) for one in (flag, foreign_flag(made, n, "unknown-01234567"))
        ])  # fmt: skip
        made.store.unlink()
        made.make_bundle(bias=-6.5)
        again = made.start()
        made.until_scored(again)
        again.stop()
        assert len(messages(made.address, made.topics.flags, 0)) == 2 * len(before)
