"""The example for downstream services: each alert is handled once, whenever it is killed."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msgspec.structs import replace

from examples.alert_consumer import consume, open_cases
from risk.clock import to_ms
from risk.events import Action, Decision, FiredRule, Mode
from risk.outputs import DecidedAlert, alert_id, encode
from risk.topics import topics_of
from risk.versions import Versions
from testing.brokers import TestKafka
from tests.contracts import FOLDER
from tests.events import SOME_ALERT

FROZEN_2 = (FOLDER / "v2" / "high-risk-alerts.ndjson").read_bytes().splitlines()
EXAMPLE = Path(__file__).parent.parent / "examples" / "alert_consumer.py"


def alert(number: int) -> bytes:
    transaction = replace(SOME_ALERT.transaction, transaction_id=f"T{number}")
    name = alert_id(transaction.customer_id, transaction.transaction_id, to_ms(transaction.event_time), Versions("b"))
    return encode(replace(SOME_ALERT, alert_id=name, transaction=transaction))


def opened(path: Path) -> Counter[str]:
    """How many cases were opened for each transaction, as another process sees it."""
    with closing(sqlite3.connect(path)) as cases:
        return Counter(name for (name,) in cases.execute("select transaction_id from cases"))


class KilledError(Exception):
    """What a kill looks like to the code that it ends."""


class Deliveries:
    """A consumer that hands out its batches, and ends at a commit or when nothing is left, as if it was killed."""

    def __init__(self, path: Path, batches: list[list[bytes]], *, killed_at_commit: int | None = None) -> None:
        self._path = path
        self._batches = batches
        self._killed_at = killed_at_commit
        self.committed: list[int] = []

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[str, list[SimpleNamespace]]:
        del timeout_ms, max_records
        if not self._batches:
            raise KilledError
        return {"partition 0": [SimpleNamespace(value=value) for value in self._batches.pop(0)]}

    async def commit(self) -> None:
        if len(self.committed) == self._killed_at:
            raise KilledError
        self.committed.append(sum(opened(self._path).values()))


def run(path: Path, deliveries: Deliveries) -> None:
    cases = open_cases(str(path))
    try:
        with pytest.raises((KilledError, sqlite3.IntegrityError)):
            asyncio.run(consume(deliveries, cases))
    finally:
        cases.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cases.db"


def test_a_case_has_each_reason_in_a_line_of_its_own(path: Path) -> None:
    """A sentence may hold a semicolon, and a comma."""
    reasons = [replace(SOME_ALERT.reasons[0], sentence=sentence) for sentence in ("14; usual: 1", "first time")]
    run(path, Deliveries(path, [[encode(replace(SOME_ALERT, reasons=tuple(reasons)))]]))
    with closing(sqlite3.connect(path)) as cases:
        assert cases.execute("select reasons from cases").fetchall() == [("14; usual: 1\nfirst time",)]


def test_of_version_2_the_rules_that_decided_are_reasons(path: Path) -> None:
    """Reviews come as alerts do; a rule in the shadow decides nothing."""
    fired = [
        FiredRule(name, Action.REVIEW, mode, f"{name} fired", ()) for name, mode in (("a", Mode.ON), ("b", Mode.SHADOW))
    ]
    of_model = [getattr(SOME_ALERT, name) for name in SOME_ALERT.__struct_fields__]
    review = DecidedAlert(
        *of_model, decision=Decision.REVIEW, rules_version="rules-0123456789abcdef", rules=tuple(fired)
    )
    run(path, Deliveries(path, [[encode(review), encode(review)], *([raw] for raw in FROZEN_2)]))
    reasons = "\n".join([*(reason.sentence for reason in SOME_ALERT.reasons), "a fired"])
    with closing(sqlite3.connect(path)) as cases:
        found = cases.execute("select transaction_id, reasons from cases").fetchall()
    assert found[0] == ("T1", reasons)
    assert len(found) == 1 + len({json.loads(raw)["alert_id"] for raw in FROZEN_2})


def test_what_comes_twice_is_handled_once(path: Path) -> None:
    run(path, Deliveries(path, [[alert(1), alert(2), alert(1)], [alert(2), alert(3)]]))
    assert opened(path) == {"T1": 1, "T2": 1, "T3": 1}


def test_offsets_are_committed_after_the_cases(path: Path) -> None:
    """Another connection sees the cases of a batch when its offsets are committed."""
    deliveries = Deliveries(path, [[alert(1), alert(2)], [alert(3)]])
    run(path, deliveries)
    assert deliveries.committed == [2, 3]


def test_killed_before_the_offsets_nothing_is_handled_again(path: Path) -> None:
    run(path, Deliveries(path, [[alert(1), alert(2)]], killed_at_commit=0))
    run(path, Deliveries(path, [[alert(1), alert(2)], [alert(3)]]))
    assert opened(path) == {"T1": 1, "T2": 1, "T3": 1}


ALMOST = b'{"alert_id": %s, "score": %s, "transaction": {"customer_id": "c", "transaction_id": "t"}, "reasons": []}'
NO_ALERTS = [
    b"", b"null", b'{"alert_id": "another"}', b'{"alert_id": "\xff"}', b"[" * 100_000,
    ALMOST % (b'"\\ud800"', b"1"), ALMOST % (b"1", b"1"), ALMOST % (b'"a"', b"[]"), ALMOST % (b'"a"', b"1" * 400),
    (ALMOST % (b'"a"', b"1"))[:-1] + b', "rules": [1]}',
]  # fmt: skip


def test_what_is_no_alert_is_said_and_passed_over(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Anybody may write to a topic: it ended the service, and each start of it."""
    run(path, Deliveries(path, [[alert(1), *NO_ALERTS, alert(2)]]))
    assert opened(path) == {"T1": 1, "T2": 1}
    assert capsys.readouterr().err.count("notice: a message is no alert, and passed over: ") == len(NO_ALERTS)


def test_what_fails_in_a_batch_leaves_nothing_of_it(path: Path) -> None:
    """No alert may count as handled whose batch did not end; the offsets stay, so it comes again."""
    with closing(open_cases(str(path))) as cases:
        cases.execute("create trigger full before insert on cases when new.transaction_id = 'T3' "
                      "begin select raise(abort, 'no room'); end")  # fmt: skip
    deliveries = Deliveries(path, [[alert(1)], [alert(2), alert(3)]])
    run(path, deliveries)
    assert opened(path) == {"T1": 1}
    assert deliveries.committed == [1]


# On Kafka

KILLS = 3
# Their lines fill the pipe that nobody reads once for each kill, so that the consumer stands still on its way.
ALERTS = 8_000


async def make_topic(kafka: TestKafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def send(kafka: TestKafka, topic: str) -> None:
    """Every alert, most of them again at some distance, and the last one at the very end."""
    await make_topic(kafka, topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka.address, acks="all") as producer:
        order = [n for number in range(ALERTS) for n in (number, max(number - 150, 0), number)]
        sent = [await producer.send(topic, alert(number), partition=0) for number in (*order, ALERTS)]
        await asyncio.gather(*sent)


@contextmanager
def consumer(environment: dict[str, str], path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, str(EXAMPLE), str(path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()  # SIGKILL
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.proof
def test_killed_in_the_middle_and_started_again_each_is_handled_once(kafka: TestKafka, prefix: str, path: Path) -> None:
    asyncio.run(send(kafka, topics_of(prefix).alerts))
    environment = kafka.environment(prefix)
    handled = [0]
    for _ in range(KILLS):
        with consumer(environment, path) as process:
            assert process.stdout is not None
            process.stdout.readline()
        handled.append(sum(opened(path).values()))
    assert handled == sorted(set(handled)), "each start went on"
    assert handled[-1] < ALERTS, "the last kill came in the middle"
    last = alert_id("C1", f"T{ALERTS}", to_ms(SOME_ALERT.transaction.event_time), Versions("b"))
    with consumer(environment, path) as process:
        assert process.stdout is not None
        assert any(line.startswith(last) for line in process.stdout)
    assert opened(path) == {f"T{number}": 1 for number in range(ALERTS + 1)}


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 90
