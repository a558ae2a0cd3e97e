"""The audit on real Kafka: it agrees with what workers did, and finds whatever was changed afterwards."""

import math
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from risk.clock import DAY
from risk.codec import encode_transaction
from risk.events import Transaction
from risk.kafka.partitions import partition_of
from risk.kafka.sending import CODEC, Message
from risk.store import open_store
from testing.brokers import TestKafka, new_prefix
from testing.systems import Said, System, counts, digest, system
from tests.kafka_tampering import Change, messages, rewrite, send

PARTITIONS = 2


class Scored(NamedTuple):
    """A history that a worker has scored, with some messages that it could not."""

    system: System
    history: Path

    def verify(self, *options: str, store: Path | None = None) -> Said:
        asked = System(self.system.environment, (store or self.system.store).parent)
        return asked.scorer("verify", "--bundle", str(self.system.models / "current"), *options)


@pytest.fixture(scope="module")
def scored(kafka: TestKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scored]:
    with system(kafka, new_prefix(), tmp_path_factory.mktemp("verify"), partitions=PARTITIONS) as made:
        history = made.make_history(customers=16, days=16)
        made.make_bundle(bias=-5.0)  # with which there are alerts of so few transactions
        made.replay(history)
        send_what_is_not_scored(made)
        worker = made.start()
        made.until_scored()
        worker.stop()
        yield Scored(made, history)


def send_what_is_not_scored(made: System) -> None:
    """A transaction again, one that is too late, bytes of no meaning, and a label that is none."""
    topics, again = made.topics, messages(made.address, made.topics.transactions, 0)[-1]
    assert again.value is not None
    late = Transaction("late", NEWEST - 3 * DAY, "C-late", "EUR", amount=100)
    send(made.address, topics.transactions, 0, [again, Message(b"x", b"not a transaction")])
    for value, key in ((encode_transaction(late), b"C-late"), (b"{}", None)):
        send(made.address, topics.transactions, partition_of(b"C-late", PARTITIONS), [Message(key, value)])
    send(made.address, topics.labels, 1, [Message(b"y", b"not a label")])


# The world of cards ends with the year 2024.
NEWEST = 20_088 * DAY


def test_what_a_worker_did_is_identical_and_has_the_digest_of_the_backtest(scored: Scored) -> None:
    said = scored.verify("--complete")
    assert said.code == 0, said
    assert said.out.splitlines()[-1] == "identical"
    assert digest(said) == scored.system.digest_of(scored.history)
    total = int(digest(said).split(":")[0])
    for place in ("store", "risk-flags"):
        assert counts(said, place) == {
            "due": total, "equal": total, "missing": 0, "different": 0, "extra": 0, "repeated": 0,
        }  # fmt: skip
    alerts, rejects = counts(said, "high-risk-alerts"), counts(said, "transactions-rejected")
    assert 0 < alerts["due"] == alerts["equal"] < total
    assert rejects["due"] == rejects["equal"] == 4
    assert f"read again: {total + 4:,} transactions of 2 partitions, {total:,} scored, 1 duplicate " in said.out
    for reason in ("1 not_json", "1 too_late", "1 missing_field", "1 label not_json"):
        assert f"rejected: {reason}\n" in said.out
    assert "went on without a ledger day that was due: 0" in said.out


def test_what_we_send_is_packed(scored: Scored, kafka: TestKafka) -> None:
    """A flag is small on the wire, and its bytes are what they were. In partition 1, where no test rewrites flags."""
    for topic in (scored.system.topics.transactions, scored.system.topics.flags):
        on_disk = sum(file.stat().st_size for file in kafka.node.folder.glob(f"**/{topic}-1/*.log"))
        plain = sum(len(one.value or b"") for one in messages(scored.system.address, topic, 1))
        assert 0 < on_disk < plain / 2, CODEC


def test_it_changes_nothing_of_the_store(scored: Scored) -> None:
    with closing(sqlite3.connect(scored.system.store)) as connection:
        before = connection.execute("select * from partitions").fetchall()
        scored.verify()
        assert connection.execute("select * from partitions").fetchall() == before


# What was changed in a topic


@pytest.fixture
def changed(scored: Scored) -> Iterator[Callable[[str, Change], Said]]:
    """Changes partition 0 of a topic, verifies, and puts it right again."""
    address, before = scored.system.address, {}

    def change(topic: str, how: Change) -> Said:
        before[topic] = messages(address, topic, 0)
        rewrite(address, topic, 0, how(list(before[topic])))
        return scored.verify()

    yield change
    for topic, wanted in before.items():
        rewrite(address, topic, 0, wanted)


def with_field(message: Message, name: str, change: Callable[[object], object]) -> Message:
    fields = msgspec.json.decode(message.value or b"")
    fields[name] = change(fields[name])
    return message._replace(value=msgspec.json.encode(fields))


def next_bit(score: object) -> float:
    """The float that differs in the last bit."""
    assert isinstance(score, float)
    return math.nextafter(score, 2)


def test_a_score_with_one_other_bit_is_found_and_both_values_are_shown(
    scored: Scored, changed: Callable[[str, Change], Said]
) -> None:
    flags = messages(scored.system.address, scored.system.topics.flags, 0)
    score = msgspec.json.decode(flags[20].value or b"")["score"]

    def other_bit(them: list[Message]) -> list[Message]:
        return [*them[:20], with_field(them[20], "score", next_bit), *them[21:]]

    said = changed(scored.system.topics.flags, other_bit)
    assert said.code == 1
    assert said.out.splitlines()[-1] == "NOT identical"
    assert counts(said, "risk-flags")["different"] == 1
    assert counts(said, "store")["equal"] == counts(said, "store")["due"]
    assert f"  score: due {score!r}, there {next_bit(score)!r}\n" in said.out


def test_a_missing_flag_is_found(scored: Scored, changed: Callable[[str, Change], Said]) -> None:
    said = changed(scored.system.topics.flags, lambda them: them[:7] + them[8:])
    assert said.code == 1
    assert counts(said, "risk-flags")["missing"] == 1
    assert f"missing: {scored.system.topics.flags}-0, source offset 7, transaction " in said.out


@pytest.mark.parametrize("source", ["of the duplicate", "of no record", "of none at all"])
def test_an_extra_flag_is_found(scored: Scored, changed: Callable[[str, Change], Said], source: str) -> None:
    """One of a record that has none, one of an offset that the log has not reached, and one that is no flag."""

    def with_one_more(them: list[Message]) -> list[Message]:
        last = msgspec.json.decode(them[-1].value or b"")["source_offset"]
        if source == "of none at all":
            return [*them[:30], Message(b"k", b"no flag" * 50_000), *them[30:]]
        offset = last + 1 if source == "of the duplicate" else 1_000_000
        return [*them[:30], with_field(them[30], "source_offset", lambda _: offset), *them[30:]]

    said = changed(scored.system.topics.flags, with_one_more)
    assert said.code == 1
    flags = counts(said, "risk-flags")
    assert (flags["extra"], flags["missing"], flags["different"]) == (1, 0, 0)
    assert "extra: " in said.out
    assert max(map(len, said.out.splitlines())) < 10_000  # whatever somebody wrote


def test_flags_that_were_sent_twice_are_counted_and_are_no_difference(
    scored: Scored, changed: Callable[[str, Change], Said]
) -> None:
    said = changed(scored.system.topics.flags, lambda them: [*them[:50], *them[10:50], *them[50:], *them[:3]])
    assert said.code == 0, said
    assert counts(said, "risk-flags")["repeated"] == 43


def test_flags_in_another_order_are_the_same_flags(scored: Scored, changed: Callable[[str, Change], Said]) -> None:
    said = changed(scored.system.topics.flags, lambda them: them[::-1])
    assert said.code == 0, said


def test_a_changed_reason_of_an_alert_is_found(scored: Scored, changed: Callable[[str, Change], Said]) -> None:
    def blame(reasons: object) -> object:
        assert isinstance(reasons, list)
        return [{**reasons[0], "sentence": "because we say so"}, *reasons[1:]]

    said = changed(scored.system.topics.alerts, lambda them: [with_field(them[0], "reasons", blame), *them[1:]])
    assert said.code == 1
    assert counts(said, "high-risk-alerts")["different"] == 1
    assert "because we say so" in said.out


@pytest.mark.parametrize("part", ["key", "value", "header"])
def test_a_changed_reject_is_found(scored: Scored, changed: Callable[[str, Change], Said], part: str) -> None:
    def change(them: list[Message]) -> list[Message]:
        one = them[0]
        if part == "header":
            headers = [(name, b"refund" if name == "reason" else value) for name, value in one.headers]
            return [one._replace(headers=tuple(headers)), *them[1:]]
        return [one._replace(key=b"other") if part == "key" else one._replace(value=b"other"), *them[1:]]

    said = changed(scored.system.topics.rejected, change)
    assert said.code == 1
    assert counts(said, "transactions-rejected")["different"] == 1


def test_a_reject_of_a_label_that_is_gone_is_missed(scored: Scored) -> None:
    """Its partition has the one of the label, behind those of transactions."""
    address, topic = scored.system.address, scored.system.topics.rejected
    before = messages(address, topic, 1)
    rewrite(address, topic, 1, [one for one in before if one.value != b"not a label"])
    try:
        said = scored.verify()
    finally:
        rewrite(address, topic, 1, before)
    assert said.code == 1
    assert counts(said, "transactions-rejected")["missing"] == 1


# What was changed in the store


def tampered(scored: Scored, folder: Path, *statements: str) -> Path:
    """A copy of the store in which somebody else wrote."""
    copy = folder / "risk.db"
    assert scored.system.scorer("backup", str(copy)).code == 0
    connection = sqlite3.connect(copy)
    for statement in statements:
        assert connection.execute(statement).rowcount == 1
    connection.commit()
    connection.close()
    return copy


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("update risk_flags set score = score * (1 + 2.3e-16) where source_partition = 0 and source_offset = 30",
         "different"),
        ("update risk_flags set customer_id = 'somebody' where source_partition = 0 and source_offset = 30",
         "different"),
        ("delete from risk_flags where source_partition = 1 and source_offset = 30", "missing"),
        ("update risk_flags set source_offset = 1 + (select max(source_offset) from risk_flags where "
         "source_partition = 0) where source_partition = 0 and source_offset = 0", "extra"),
    ],
)  # fmt: skip
def test_a_changed_store_is_found(scored: Scored, tmp_path: Path, statement: str, kind: str) -> None:
    said = scored.verify(store=tampered(scored, tmp_path, statement))
    assert said.code == 1
    assert counts(said, "store")[kind] == 1
    assert counts(said, "risk-flags")["equal"] == counts(said, "risk-flags")["due"]


def test_a_store_that_stands_further_back_is_compared_as_far_as_it_goes(scored: Scored, tmp_path: Path) -> None:
    copy = tmp_path / "risk.db"
    assert scored.system.scorer("backup", str(copy)).code == 0
    connection = sqlite3.connect(copy)
    connection.execute("delete from risk_flags where source_offset >= 100")
    connection.execute("update partitions set next_offset = 100 where topic like '%transactions'")
    connection.commit()
    connection.close()
    said = scored.verify(store=copy)
    assert said.code == 0, said
    assert counts(said, "store")["equal"] == 200
    assert re.search(r"beyond where the store stood: [\d,]+ outputs, not compared", said.out)
    for number in range(PARTITIONS):
        end = scored.system.ends()[scored.system.topics.transactions, number]
        name = f"{scored.system.topics.transactions}-{number}"
        assert f"not scored yet: {name}, {end - 100:,} of {end:,} offsets; not compared\n" in said.out
    assert said.out.splitlines()[-1] == "identical, as far as it was scored"
    said = scored.verify("--complete", store=copy)
    assert (said.code, said.out.splitlines()[-1]) == (1, "NOT complete")


def test_where_nothing_was_scored_it_says_so(scored: Scored, tmp_path: Path) -> None:
    """A worker that took its partitions and did nothing since leaves nothing that could differ."""
    copy = tmp_path / "risk.db"
    with open_store(copy) as store:
        store.take_over(scored.system.topics.transactions, 0, first_offset=0)
    said = scored.verify(store=copy)
    assert said.code == 0, said
    assert said.out.splitlines()[-1] == "identical, as far as it was scored"
    ends = scored.system.ends()
    for (topic, number), end in ends.items():
        assert f"not scored yet: {topic}-{number}, {end:,} of {end:,} offsets; not compared\n" in said.out
    assert scored.verify("--complete", store=copy).code == 1


def test_the_store_of_another_log_is_refused(scored: Scored, tmp_path: Path) -> None:
    said = scored.verify(store=tampered(scored, tmp_path, "update identity set cluster_id = 'another'"))
    assert said.code == 1
    assert "cluster_id='another'" in said.err


# A range of event time


def test_a_range_has_the_digest_of_the_backtest_of_that_range(scored: Scored) -> None:
    said = scored.verify("--from", "2024-12-22", "--until", "2024-12-28")
    assert said.code == 0, said
    assert digest(said) == scored.system.digest_of(scored.history, "--from", "2024-12-22", "--until", "2024-12-28")
    assert "from 2024-12-22T00:00:00Z on and before 2024-12-28T00:00:00Z; all before it was read" in said.out
    assert counts(said, "transactions-rejected")["due"] == 0


def test_what_was_changed_outside_the_range_is_not_looked_at(scored: Scored, tmp_path: Path) -> None:
    first = "update risk_flags set score = 2 where source_partition = 0 and source_offset = 0"
    copy = tampered(scored, tmp_path, first)
    assert scored.verify("--from", "2024-12-24", store=copy).code == 0
    assert scored.verify("--until", "2024-12-24", store=copy).code == 1


def test_a_day_that_is_none_is_refused(scored: Scored) -> None:
    with pytest.raises(SystemExit, match="2"):
        scored.verify("--from", "soon")
