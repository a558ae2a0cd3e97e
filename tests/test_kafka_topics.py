"""`producer topics`: what is missing is made, what is there and wrong is said; nothing that is there is changed."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidTimestampError

from console.start import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from producer.__main__ import main
from risk.kafka.connection import Connection, connection_of
from risk.kafka.topic_problems import problems, retention_warnings, topology_errors
from risk.kafka.topic_states import TopicState, create_missing, identity, look
from risk.settings import read_settings
from risk.topics import topics_of
from testing.brokers import TestKafka

DAY_MS = 86_400_000
IN_ANOTHER_CENTURY_MS = 7_226_582_400_000


def connection(address: str) -> Connection:
    return connection_of(read_settings({"TRUSTLENS_BROKERS": address}))


def topics_command(address: str, prefix: str, *arguments: str) -> int:
    return main(["topics", *arguments], {"TRUSTLENS_BROKERS": address, "TRUSTLENS_TOPIC_PREFIX": prefix})


def seen(address: str, prefix: str) -> list[TopicState]:
    return asyncio.run(look(connection(address), topics_of(prefix)))


async def _change(address: str, make: Sequence[NewTopic] = (), delete: Sequence[str] = ()) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        if delete:
            await admin.delete_topics(list(delete))
        if make:
            await admin.create_topics(list(make))
            names = [topic.name for topic in make]
            # The controller has made them; the brokers know of them a moment later.
            while any(topic["error_code"] for topic in await admin.describe_topics(names)):
                await asyncio.sleep(0)
    finally:
        await admin.close()


def test_missing_topics_are_made_to_be_kept_for_ever(kafka: TestKafka, prefix: str) -> None:
    """All with the same number of partitions, but the ledger, which has one."""
    assert topics_command(kafka.address, prefix, "--partitions", "3") == EXIT_OK
    topics = topics_of(prefix)
    states = seen(kafka.address, prefix)
    assert [state.name for state in states] == list(topics)
    assert [state.partitions for state in states] == [3, 3, 3, 3, 3, 1]
    assert {state[4:7] for state in states} == {(-1, -1, "delete")}
    assert problems(states, topics, partitions=3) == []


def test_what_is_there_stays_and_what_is_missing_is_added(
    kafka: TestKafka, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(_change(kafka.address, make=[NewTopic(f"{prefix}labels", 4, 1)]))
    labels_id = {state.name: state.id for state in seen(kafka.address, prefix)}[f"{prefix}labels"]
    assert topics_command(kafka.address, prefix) == EXIT_OK
    said = {line.split()[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines()}
    assert said[f"{prefix}labels"] == "there"
    assert said[f"{prefix}transactions"] == "made"
    assert {state.name: state.id for state in seen(kafka.address, prefix)}[f"{prefix}labels"] == labels_id


def test_another_partition_count_is_said(kafka: TestKafka, prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_change(kafka.address, make=[NewTopic(f"{prefix}risk-flags", 2, 1)]))
    assert topics_command(kafka.address, prefix) == EXIT_FAILED
    assert f"error: {prefix}risk-flags: got 2 partitions, expected 4" in capsys.readouterr().err


def test_whatever_would_lose_the_log_is_said(kafka: TestKafka, prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {
        "retention.ms": "1000000",
        "retention.bytes": "5000000",
        "cleanup.policy": "compact",
        "message.timestamp.after.max.ms": str(2**63 - 1),
    }
    asyncio.run(_change(kafka.address, make=[NewTopic(f"{prefix}transactions", 4, 1, topic_configs=wrong)]))
    assert topics_command(kafka.address, prefix) == EXIT_FAILED
    said = capsys.readouterr().err
    assert f"{prefix}transactions: got retention.ms=1000000, expected -1" in said
    assert f"{prefix}transactions: got retention.bytes=5000000, expected -1" in said
    assert f"{prefix}transactions: got cleanup.policy=compact, expected delete" in said
    # A message from another century would move time for all.
    assert f"{prefix}transactions: got message.timestamp.after.max.ms={2**63 - 1}, expected 3600000" in said
    assert f"--entity-name {prefix}transactions --add-config retention.ms=-1" in said


def test_the_inputs_take_no_message_that_says_it_was_sent_long_after_now(kafka: TestKafka, prefix: str) -> None:
    assert topics_command(kafka.address, prefix) == EXIT_OK

    async def send_at(timestamp_ms: int) -> None:
        async with AIOKafkaProducer(bootstrap_servers=kafka.address) as producer:
            await producer.send_and_wait(f"{prefix}transactions", b"{}", timestamp_ms=timestamp_ms)

    with pytest.raises(InvalidTimestampError):
        asyncio.run(send_at(IN_ANOTHER_CENTURY_MS))
    ahead = {state.name: state.ahead_ms for state in seen(kafka.address, prefix)}
    assert (ahead[f"{prefix}transactions"], ahead[f"{prefix}labels"]) == (3_600_000, 3_600_000)


def test_a_retention_is_right_where_it_was_asked_for(
    kafka: TestKafka, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert topics_command(kafka.address, prefix, "--retention", "7d") == EXIT_OK
    assert {state.retention_ms for state in seen(kafka.address, prefix)} == {7 * DAY_MS}
    assert topics_command(kafka.address, prefix, "--retention", "5d") == EXIT_OK
    assert topics_command(kafka.address, prefix, "--retention", "9d") == EXIT_FAILED
    assert topics_command(kafka.address, prefix) == EXIT_FAILED
    assert "got retention.ms=604800000, expected -1" in capsys.readouterr().err


def test_more_copies_than_brokers_are_refused_in_the_broker_s_words(
    kafka: TestKafka, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert topics_command(kafka.address, prefix, "--replication", "2") == EXIT_FAILED
    assert f"{prefix}transactions: cannot be made; the broker says: Unable to replicate" in capsys.readouterr().err


def test_looking_makes_nothing(kafka: TestKafka, embedded_kafka: str, prefix: str) -> None:
    """Not even where asking for a topic usually makes it; whoever misses topics is told the command."""
    for address in (kafka.address, embedded_kafka):
        assert [state.partitions for state in seen(address, prefix)] == [0] * 6
        found = topology_errors(seen(address, prefix), topics_of(prefix))
        missing = ", ".join(topics_of(prefix))
        assert found == [f"not there: {missing}; make what is missing with `python -m producer topics`"]


def test_a_topic_that_was_deleted_and_made_again_is_another(kafka: TestKafka, prefix: str) -> None:
    """Its name and its offsets may be those of the former one; its id is not."""
    topics = topics_of(prefix)
    asyncio.run(create_missing(connection(kafka.address), topics, partitions=2, replication=1))
    before = asyncio.run(identity(connection(kafka.address), topics, prefix))
    assert asyncio.run(identity(connection(kafka.address), topics, prefix)) == before
    assert before.partitions == 2
    assert before.prefix == prefix
    assert before.cluster_id
    assert sorted(before.topic_ids) == sorted(topics)
    asyncio.run(_change(kafka.address, delete=[topics.labels]))
    # The broker goes on telling of it for a moment.
    while any(state.name == topics.labels and state.partitions for state in seen(kafka.address, prefix)):
        pass
    asyncio.run(create_missing(connection(kafka.address), topics, partitions=2, replication=1))
    after = asyncio.run(identity(connection(kafka.address), topics, prefix))
    changed = {name for name in topics if after.topic_ids[name] != before.topic_ids[name]}
    assert changed == {topics.labels}


def test_the_embedded_broker_makes_them_in_its_own_way(
    embedded_kafka: str, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert topics_command(embedded_kafka, prefix) == EXIT_OK
    assert "this broker makes topics by itself" in capsys.readouterr().out
    assert [state.partitions for state in seen(embedded_kafka, prefix)] == [4] * 6
    assert topics_command(embedded_kafka, prefix, "--partitions", "8") == EXIT_FAILED
    assert f"{prefix}transactions: got 4 partitions, expected 8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [("--partitions", "0", "a whole number from 1"), ("--retention", "week", "a whole number and a unit")],
)
def test_an_option_that_cannot_be_used_is_refused(
    option: str, text: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["topics", option, text], {})
    assert ended.value.code == EXIT_USAGE
    assert f"{option}: got {text!r}, expected {expected}" in capsys.readouterr().err.replace("\n", " ")


def test_topics_that_differ_among_themselves_do_not_fit() -> None:
    """Without a number that was asked for, the others must have what transactions has."""
    topics = topics_of("")
    states = [TopicState(name, 4, 1, None, -1, -1, "delete", 2 << 20) for name in topics if name != topics.ledger]
    states[2] = states[2]._replace(partitions=5)
    states.append(TopicState(topics.ledger, 2, 1, None, -1, -1, "delete", 2 << 20))
    assert [text.split(";")[0] for text in topology_errors(states, topics)] == [
        "risk-flags: got 5 partitions, expected 4",
        "merchant-ledger: got 2 partitions, expected 1",
    ]
    assert retention_warnings(states, topics) == []
    small = [state._replace(largest_message=1000) for state in states]
    assert [text.split(" or more")[0] for text in topology_errors(small, topics)[2:]] == [
        f"{name}: got max.message.bytes=1000, expected 1048588"
        for name in ("risk-flags", "high-risk-alerts", "transactions-rejected", "merchant-ledger")
    ]
    assert "labels: got max.message.bytes=1000, expected 1048588" in retention_warnings(small, topics)[1]
