"""The audit in the course of time: other bundles, days that came too late, workers at work, logs that lost records."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from risk.block import block_of
from risk.bundle import read_bundle
from risk.catalogue import EngineTerms
from risk.clock import DAY, HOUR
from risk.codec import decode_label, decode_transaction, encode_transaction
from risk.events import Rejected, Transaction
from risk.kafka.connection import connection_of
from risk.kafka.sending import Message
from risk.kafka.topic_states import identity
from risk.ledger_day import close_day
from risk.ledger_log import ClosedDay, messages_of
from risk.pipeline import Pipeline
from risk.settings import read_settings
from risk.store import Outputs, open_store
from scorer.ledger.closed_days import DayQueue
from scorer.log.chunks import Place
from scorer.log.outputs import Out, outgoing, reject
from storm.feed import open_transaction
from storm.history import Item
from testing.brokers import TestKafka
from testing.systems import Said, System, counts, digest, system
from tests.kafka_tampering import lose, messages, rewrite, send, send_and_abort, send_in_a_transaction


def verify(made: System, *options: str) -> Said:
    return made.scorer("verify", "--bundle", str(made.models / "current"), *options)


def work_to_the_end(made: System) -> None:
    worker = made.start()
    made.until_scored(worker)
    worker.stop()


# Another bundle


@pytest.mark.proof
@pytest.mark.parametrize("lateness", [DAY, HOUR], ids=["on one engine", "on terms of its own"])
def test_each_flag_is_recomputed_with_the_bundle_that_it_names(
    kafka: TestKafka, prefix: str, tmp_path: Path, lateness: int
) -> None:
    """The second bundle meets customers and merchants that the first one has scored."""
    with system(kafka, prefix, tmp_path) as made:
        history = made.make_history()
        first = read_bundle(made.models).manifest.version
        made.replay(history, "--until", "2024-12-18")
        work_to_the_end(made)
        terms = EngineTerms("EUR", max_lateness_ms=lateness)
        second = made.make_bundle(weights=[0.002, 0.1, 1.5, 0.01, 4.0, 0.7], terms=terms)
        made.replay(history, "--from", "2024-12-18")
        work_to_the_end(made)

        said = verify(made)
        assert said.code == 0, said
        versions = stored_versions(made)
        assert set(versions) == {first, second}

        (made.models / first).rename(tmp_path / "elsewhere")
        said = verify(made)
        assert said.code == 1
        assert f"bundle not at hand: {first}, which {versions[first]:,} flags name; not compared" in said.out
        flags = counts(said, "risk-flags")
        assert flags["due"] == flags["equal"] == versions[second]
        assert digest(said).startswith(f"{versions[second]}:")


def stored_versions(made: System) -> dict[str, int]:
    store = open_store(made.store, read_only=True)
    found: dict[str, int] = {}
    for row in store.flags():
        found[row.bundle_version] = found.get(row.bundle_version, 0) + 1
    store.close()
    return found


# Days that came too late

FIRST_DAY = 19_800
SHOP, OTHER = "shop", "other"


def sale(number: int, day: int, hour: float, shop: str = SHOP) -> Transaction:
    moment = (FIRST_DAY + day) * DAY + int(hour * HOUR)
    return Transaction(f"t{number}", moment, "ann", "EUR", merchant_id=shop, amount=1000 + number)


Send = Callable[[str, str, int, Sequence[Message]], None]


class HandMade:
    """A worker in miniature: it scores with the ledger days that the test gives it, and writes what a worker writes."""

    def __init__(self, made: System) -> None:
        self._made = made
        self._bundle = read_bundle(made.models)
        self.days = DayQueue((), has_begun=False)
        self._pipeline = Pipeline(self._bundle, self.days)
        self.outs: list[Out] = []
        self._store = open_store(made.store)
        self._store.remember_bundle(self._bundle.manifest.version, "{}")
        settings = read_settings({k: v for k, v in made.environment.items() if k.startswith("TRUSTLENS_")})
        ours = asyncio.run(identity(connection_of(settings), made.topics, made.prefix))
        self._store.remember_identity(ours)
        self._owner = self._store.take_over(made.topics.transactions, 0, first_offset=0).owner
        self._next = 0

    def score(self, sales: list[Transaction], how: Send = send) -> None:
        """One batch."""
        made, topic = self._made, self._made.topics.transactions
        values = [Message(one.customer_id.encode(), encode_transaction(one)) for one in sales]
        how(made.address, topic, 0, values)
        records = [_Record(offset, values[0].key) for offset in range(self._next, self._next + len(sales))]
        out = outgoing(
            self._bundle.manifest, Place(topic, 0), records, block_of(sales), self._pipeline.score(block_of(sales), 0)
        )
        send(made.address, made.topics.flags, 0, [one.message for one in out.flags])
        send(made.address, made.topics.alerts, 0, [one.message for one in out.alerts])
        self._store.commit_flags(
            self._owner,
            expected=self._next,
            next_offset=self._next + len(sales),
            newest_event_time=max(one.event_time for one in sales),
            outputs=Outputs(0, 0, 0),
            rows=out.rows,
        )
        self._next += len(sales)

    def reject(self) -> None:
        """One without a value."""
        made, topic, event = self._made, self._made.topics.transactions, decode_transaction(None)
        assert isinstance(event, Rejected)
        send(made.address, topic, 0, [Message(b"ann", None)])
        message = reject(Place(topic, 0), _Record(self._next, b"ann"), event).message
        send(made.address, made.topics.rejected, 0, [message])
        self.pass_gap()

    def pass_gap(self, offsets: int = 1) -> None:
        """The next offsets hold no record."""
        self._store.skip_to(self._owner, expected=self._next, next_offset=self._next + offsets)
        self._next += offsets

    def reject_label(self, offset: int, key: bytes, next_offset: int) -> None:
        """One without a value, and the labels up to there."""
        topics, event = self._made.topics, decode_label(None)
        assert isinstance(event, Rejected)
        owner = self._store.take_over(topics.labels, 0, first_offset=0).owner
        self._store.skip_to(owner, expected=0, next_offset=next_offset)
        message = reject(Place(topics.labels, 0), _Record(offset, key), event).message
        send(self._made.address, topics.rejected, 0, [message])

    def close(self, day: int, sightings: list[tuple[str, int, bool]]) -> ClosedDay:
        """Publishes a day; the worker takes it in when the test says so."""
        merchants, times, frauds = zip(*sightings, strict=True)
        terms = self._bundle.manifest.terms.ledger_terms
        closed = close_day(FIRST_DAY + day, terms, merchants, np.array(times), np.array(frauds))
        count = len(sightings)
        values = messages_of(closed, count)
        send(self._made.address, self._made.topics.ledger, 0, [Message(b"day", value) for value in values])
        return ClosedDay(closed, count, 0)

    def done(self) -> None:
        self._store.close()


class _Record:
    value, timestamp, timestamp_type, headers = None, 0, 0, ()

    def __init__(self, offset: int, key: bytes | None) -> None:
        self.offset = offset
        self.key = key


def busy(day: int, frauds: int) -> list[tuple[str, int, bool]]:
    """Sightings of the shop on that day."""
    return [(SHOP, (FIRST_DAY + day) * DAY + hour * HOUR, hour < frauds) for hour in range(20)]


@pytest.mark.parametrize("taken_in", [0, 4])
def test_flags_that_went_on_without_a_ledger_day_are_recomputed_without_it_and_counted(
    kafka: TestKafka, prefix: str, tmp_path: Path, taken_in: int
) -> None:
    """The day comes to the worker when it has scored so many of those who needed it, in the middle of their day."""
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        worker = HandMade(made)
        worker.days.add(worker.close(0, busy(0, 3)))
        late = worker.close(1, busy(1, 19))
        worker.score([sale(1, 7, 1), sale(2, 7, 5)])
        if taken_in:
            worker.score([sale(10 + n, 8, n) for n in range(taken_in)])
        worker.days.add(late)
        worker.score([sale(20 + n, 8, 10 + n) for n in range(6)])
        worker.done()
        said = verify(made)
        assert said.code == 0, said
        assert f"flags that went on without a ledger day that was due: {taken_in}\n" in said.out
        assert counts(said, "risk-flags")["equal"] == 8 + taken_in


def test_a_flag_cannot_claim_an_older_ledger_day_than_it_had(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        worker = HandMade(made)
        for day, frauds in ((0, 3), (1, 19)):
            worker.days.add(worker.close(day, busy(day, frauds)))
        worker.score([sale(1, 7, 1), *(sale(10 + n, 8, 1 + n) for n in range(6))])
        worker.done()
        flags = messages(made.address, made.topics.flags, 0)
        claimed = [
            one._replace(value=(one.value or b"").replace(b'"ledger_day":"2024-03-19"', b'"ledger_day":"2024-03-18"'))
            for one in flags
        ]
        assert claimed != flags
        rewrite(made.address, made.topics.flags, 0, claimed)
        said = verify(made)
        assert said.code == 1
        assert counts(said, "risk-flags")["different"] == 6


@pytest.mark.parametrize("where", ["topic", "store"])
def test_a_forged_flag_of_a_reject_changes_nothing_for_those_after_it(
    kafka: TestKafka, prefix: str, tmp_path: Path, where: str
) -> None:
    """It claims a ledger day in the far future, and those after it went on without one that was due."""
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        worker = HandMade(made)
        worker.days.add(worker.close(0, busy(0, 3)))
        worker.close(1, busy(1, 19))  # too late
        worker.score([sale(1, 7, 1)])
        worker.reject()
        worker.score([sale(10 + n, 8, n) for n in range(4)])
        worker.done()
        if where == "topic":
            real = messages(made.address, made.topics.flags, 0)[0]
            fields = {**msgspec.json.decode(real.value or b""), "source_offset": 1, "ledger_day": "9999-12-31"}
            send(made.address, made.topics.flags, 0, [real._replace(value=msgspec.json.encode(fields))])
        else:
            with closing(sqlite3.connect(made.store)) as connection, connection:
                connection.execute("create temp table forged as select * from risk_flags where source_offset = 0")
                connection.execute("update forged set source_offset = 1, ledger_day = 2932896")
                connection.execute("insert into risk_flags select * from forged")
        said = verify(made)
        assert said.code == 1
        place = {"topic": "risk-flags", "store": "store"}
        for at, name in place.items():
            found = counts(said, name)
            assert (found["equal"], found["different"], found["extra"]) == (5, 0, int(at == where)), said
        assert "flags that went on without a ledger day that was due: 4\n" in said.out


# Workers at work, and a log that lost records


@pytest.mark.proof
def test_it_can_be_asked_while_a_worker_works(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    with system(kafka, prefix, tmp_path) as made:
        history = made.make_history(customers=40)
        made.replay(history)
        worker = made.start()
        worker.until(lambda: made.has_reached({(made.topics.transactions, 0): 1}))
        said = verify(made)
        assert said.code == 0, said
        made.until_scored(worker)
        worker.stop()
        assert digest(verify(made)) == made.digest_of(history)


def test_a_log_that_lost_its_beginning_is_told(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """The rest can be recomputed where no history is missing, but then the whole is not what was verified."""
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        worker = HandMade(made)
        worker.score([sale(number, number * 32, 1) for number in range(8)])
        worker.done()
        lose(made.address, made.topics.transactions, 0, 3)
        said = verify(made)
        assert said.code == 1
        assert f"{made.topics.transactions}-0: the log begins at offset 3; what was before is gone" in said.err
        assert "of what is not in the log any more: 6 outputs and rows, not compared\n" in said.out
        assert counts(said, "risk-flags") == {
            "due": 5, "equal": 5, "missing": 0, "different": 0, "extra": 0, "repeated": 0,
        }  # fmt: skip
        assert verify(made, "--from", "2024-06-01").code == 0


def test_offsets_that_hold_no_record_are_passed_and_nothing_may_be_there(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    """The end of a transaction of the producer, between records and at the end of the log."""
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        worker = HandMade(made)
        for number in (0, 1):
            worker.score([sale(number, number, 1)], send_in_a_transaction)
            worker.pass_gap()
        worker.done()
        said = verify(made)
        assert said.code == 0, said
        assert counts(said, "risk-flags")["equal"] == 2
        for gap in (1, 3):
            with closing(sqlite3.connect(made.store)) as connection, connection:
                connection.execute(f"update risk_flags set source_offset = {gap} where source_offset = {gap - 1}")
            said = verify(made)
            assert said.code == 1
            assert counts(said, "store")["extra"] == (gap + 1) // 2


def test_what_version_0_1_took_of_aborted_transactions_is_recomputed_and_counted(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    """It took them for others, and they are part of the past of what came after them. What left nothing is nothing."""
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        topics, worker = made.topics, HandMade(made)
        worker.score([sale(0, 0, 1)])
        worker.score([sale(1, 0, 2)], send_and_abort)
        worker.pass_gap()
        passed = sale(2, 0, 3)
        send_and_abort(made.address, topics.transactions, 0, [Message(b"ann", encode_transaction(passed))])
        worker.pass_gap(2)
        worker.score([sale(3, 0, 4)])
        send_and_abort(made.address, topics.labels, 0, [Message(b"x", None), Message(b"y", None)])
        worker.reject_label(1, b"y", 3)
        worker.done()
        said = verify(made, "--complete")
        assert said.code == 0, said
        assert "read again: 3 transactions of 1 partition, 3 scored" in said.out
        assert "of aborted transactions, and worked on by version 0.1: 2 records\n" in said.out
        assert (counts(said, "risk-flags")["equal"], counts(said, "transactions-rejected")["equal"]) == (3, 1)
        with closing(sqlite3.connect(made.store)) as connection, connection:
            connection.execute("delete from risk_flags where source_offset = 1")
        said = verify(made)
        assert said.code == 1
        assert counts(said, "store")["missing"] == 1


def test_nothing_behind_the_beginning_of_an_open_transaction_is_compared(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    """Version 0.1 read it; what becomes of it nobody knows."""
    with ExitStack() as stack, system(kafka, prefix, tmp_path, partitions=1) as made:
        worker = HandMade(made)
        worker.score([sale(0, 0, 1)])

        def begin(address: str, topic: str, partition: int, wanted: Sequence[Message]) -> None:
            items = [Item(topic, partition, message) for message in wanted]
            stack.enter_context(open_transaction(address, items, prefix, commits=False))

        worker.score([sale(1, 0, 2)], begin)
        worker.done()
        said = verify(made)
        assert said.code == 0, said
        assert counts(said, "risk-flags")["equal"] == 1
        assert f"not scored yet: {made.topics.transactions}-0, 1 of 2 offsets; not compared\n" in said.out


def test_without_a_store_there_is_nothing_to_verify(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    with system(kafka, prefix, tmp_path) as made:
        said = verify(made)
        assert said.code == 1
        assert f"{made.store}: there is no store" in said.err


def test_without_a_broker_it_ends_at_once(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    with system(kafka, prefix, tmp_path) as made:
        open_store(made.store).close()
        away = System({**made.environment, "TRUSTLENS_BROKERS": "127.0.0.1:1"}, tmp_path)
        said = verify(away)
        assert said.code == 1
        assert "127.0.0.1:1: nobody listens there" in said.err
