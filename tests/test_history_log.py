"""A history out of a log of which retention or compaction took something: from where it is whole, and never short
without a word. What comes out of a whole log is in test_history_stream."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.clock import DAY, to_date
from risk.codec import decode_label, decode_transaction, encode_label, encode_transaction
from risk.events import Label, Transaction
from risk.kafka.sending import Message
from testing.brokers import TestKafka, new_prefix
from testing.systems import Said, System, system
from tests.kafka_tampering import ALL, compact, configure, lose, messages, send_as_of, send_in_a_transaction
from trainer.__main__ import main


def from_log(at_work: System, out: Path, *words: str) -> Said:
    return at_work.run(main, "history", "--from-log", str(out), "--bundle", str(at_work.models), *words)


class Live(NamedTuple):
    """A history as it would be sent while it happens: message and time of sending, by topic and partition."""

    transactions: dict[int, list[tuple[Message, int]]]
    labels: dict[int, list[tuple[Message, int]]]

    def send(self, to: System) -> None:
        """Late in each log comes a message once more, in a transaction, whose end is an offset without a message."""
        for topic, sent in ((to.topics.transactions, self.transactions), (to.topics.labels, self.labels)):
            for number, messages_ in sent.items():
                late = len(messages_) * 3 // 4
                send_as_of(to.address, topic, number, messages_[:late])
                send_in_a_transaction(to.address, topic, number, [messages_[late - 1][0]])
                send_as_of(to.address, topic, number, messages_[late:])


@pytest.fixture(scope="module")
def live(kafka: TestKafka, tmp_path_factory: pytest.TempPathFactory) -> Live:
    with system(kafka, new_prefix(), tmp_path_factory.mktemp("replayed")) as replayed:
        replayed.replay(replayed.make_history())
        of = {
            topic: {number: messages(replayed.address, topic, number) for number in range(2)}
            for topic in replayed.topics[:2]
        }
    transactions, labels = of.values()
    return Live(
        {number: [(one, transaction_in(one).event_time) for one in found] for number, found in transactions.items()},
        {number: [(one, label_in(one).labelled_at) for one in found] for number, found in labels.items()},
    )


def transaction_in(message: Message) -> Transaction:
    found = decode_transaction(message.value)
    assert isinstance(found, Transaction)
    return found


def label_in(message: Message) -> Label:
    found = decode_label(message.value)
    assert isinstance(found, Label)
    return found


def first_whole_day(said: Said) -> date:
    assert said.code == EXIT_FAILED
    found = re.search(r"say --from (\S+),", said.err)
    assert found is not None, said.err
    return date.fromisoformat(found[1])


def test_without_its_beginning_a_log_gives_its_whole_days_and_only_when_told(
    kafka: TestKafka, prefix: str, tmp_path: Path, live: Live
) -> None:
    with system(kafka, prefix, tmp_path) as at_work:
        live.send(at_work)
        whole, out = tmp_path / "whole.parquet", tmp_path / "out.parquet"
        assert from_log(at_work, whole).code == EXIT_OK
        lose(at_work.address, at_work.topics.transactions, 0, 200)
        said = from_log(at_work, out)
        assert f"{at_work.topics.transactions}-0: got a log whose beginning retention has deleted" in said.err
        first = first_whole_day(said)
        assert from_log(at_work, out, "--from", str(first - timedelta(days=1))).code == EXIT_FAILED
        assert not out.exists()
        assert from_log(at_work, out, "--from", str(first)).code == EXIT_OK
        assert since(whole, first).num_rows < pq.read_table(whole).num_rows
        assert pq.read_table(out).equals(since(whole, first))
        assert not list(tmp_path.glob(".*.part"))


def since(file: Path, first: date) -> pa.Table:
    table = pq.read_table(file)
    found = table.filter(
        pc.greater_equal(table["event_time"], datetime(first.year, first.month, first.day, tzinfo=UTC))
    )
    assert found.num_rows
    return found


@pytest.mark.parametrize("sent_as_it_happened", [False, True])
def test_a_message_that_came_late_makes_no_day_whole(
    sent_as_it_happened: bool, kafka: TestKafka, prefix: str, tmp_path: Path, live: Live
) -> None:
    """Whatever its sender says of when it was sent: it is the first that is left of its log."""
    log, at = live.transactions[0], 200
    message, sent = log[at]
    old = transaction_in(message)
    old = msgspec.structs.replace(old, transaction_id="late", event_time=old.event_time - 20 * DAY)
    late = message._replace(value=encode_transaction(old)), old.event_time if sent_as_it_happened else sent
    with system(kafka, prefix, tmp_path) as at_work:
        live._replace(transactions={**live.transactions, 0: [*log[:at], late, *log[at:]]}).send(at_work)
        whole, out = tmp_path / "whole.parquet", tmp_path / "out.parquet"
        assert from_log(at_work, whole).code == EXIT_OK
        lose(at_work.address, at_work.topics.transactions, 0, at)
        first = first_whole_day(from_log(at_work, out))
        assert first > to_date(sent // DAY)
        assert from_log(at_work, out, "--from", str(first)).code == EXIT_OK
        assert pq.read_table(out).equals(since(whole, first))


def test_a_label_that_came_late_makes_no_day_whole(kafka: TestKafka, prefix: str, tmp_path: Path, live: Live) -> None:
    log, at = live.labels[1], 3
    message, sent = log[at]
    label = label_in(message)
    label = msgspec.structs.replace(label, transaction_id="late", labelled_at=label.labelled_at - 20 * DAY)
    late = message._replace(value=encode_label(label)), sent
    with system(kafka, prefix, tmp_path) as at_work:
        live._replace(labels={**live.labels, 1: [*log[:at], late, *log[at:]]}).send(at_work)
        lose(at_work.address, at_work.topics.labels, 1, at)
        said = from_log(at_work, tmp_path / "out.parquet")
        assert f"{at_work.topics.labels}-1: got a log whose beginning retention has deleted" in said.err
        assert first_whole_day(said) > to_date(sent // DAY)


def test_where_all_labels_are_gone_nothing_is_taken_for_genuine(
    kafka: TestKafka, prefix: str, tmp_path: Path, live: Live
) -> None:
    with system(kafka, prefix, tmp_path) as at_work:
        live.send(at_work)
        lose(at_work.address, at_work.topics.labels, 1, ALL)
        said = from_log(at_work, tmp_path / "out.parquet", "--from", "2024-12-15")
        assert said.code == EXIT_FAILED
        assert f"{at_work.topics.labels}-1: got a log that begins with offset" in said.err


@pytest.mark.parametrize(("name", "policy"), [("transactions", "compact"), ("labels", "compact,delete")])
def test_a_log_that_is_compacted_is_refused(
    name: str, policy: str, kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    with system(kafka, prefix, tmp_path) as at_work:
        configure(at_work.address, prefix + name, cleanup_policy=policy)
        said = from_log(at_work, tmp_path / "out.parquet")
        assert said.code == EXIT_FAILED
        assert f"{prefix}{name}: got cleanup.policy={policy}, expected delete; set it with" in said.err
        assert "take the history from a store that has it, by --from-store" in said.err


def test_what_was_compacted_once_is_missed(kafka: TestKafka, prefix: str, tmp_path: Path, live: Live) -> None:
    """The policy is right again, and the offsets go on as where transactions end."""
    with system(kafka, prefix, tmp_path) as at_work:
        live.send(at_work)
        topic = at_work.topics.transactions
        there = len(messages(at_work.address, topic, 0))
        compact(at_work.address, topic, 0, live.transactions[0][-1], left=there)
        said = from_log(at_work, tmp_path / "out.parquet")
        assert said.code == EXIT_FAILED
        assert f"{topic}-0: got a log in which messages are missing from offset" in said.err
        assert "take the history from a store that has it, by --from-store" in said.err


def test_an_empty_log_has_no_history(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    with system(kafka, prefix, tmp_path) as at_work:
        said = from_log(at_work, tmp_path / "out.parquet")
        assert said.code == EXIT_FAILED
        assert f"{at_work.topics.transactions}: got no transaction that can be scored" in said.err


@pytest.mark.parametrize("words", [(), ("--from-store", "--from-log")])
def test_a_history_has_one_source(words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["history", str(tmp_path / "out.parquet"), *words], {})
