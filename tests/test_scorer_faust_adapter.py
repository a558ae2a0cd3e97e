"""What Faust is told of a seek that fails, what ends the worker, and how one that is told to stop gets to its end."""

import asyncio
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IllegalStateError
from faust.types import TP

from producer.__main__ import main as producer
from risk.kafka.connection import Connection
from risk.settings import Secret
from risk.topics import topics_of
from scorer.log.chunks import Place
from scorer.worker.faust_adapter import Consumer, ConsumerThread, ScorerApp, _at_most, make_app
from scorer.worker.group_stores import members_of
from testing.brokers import TestKafka, new_prefix


def sought(error: Exception, fatal: list[BaseException]) -> None:
    """By a consumer of one partition whose client answers a seek by this error."""

    async def go() -> None:
        consumer: Any = Consumer.__new__(Consumer)
        consumer._fetching = asyncio.Lock()
        consumer._seeks = 0
        consumer._ownership = SimpleNamespace(rewind=lambda: {Place("transactions", 0): 5}, fatal=fatal.append)

        async def seek_wait(_: object) -> None:
            raise error

        consumer.seek_wait = seek_wait
        await consumer.perform_seek()

    asyncio.run(go())


def test_a_partition_that_is_taken_away_while_it_is_sought_is_a_rebalance_and_no_end() -> None:
    """Faust takes this error for another rebalance, and waits for that. It ended workers where a second one joined."""
    fatal: list[BaseException] = []
    with pytest.raises(IllegalStateError):
        sought(IllegalStateError("No current assignment for partition"), fatal)
    assert fatal == []


def test_whatever_else_goes_wrong_in_a_seek_ends_the_worker() -> None:
    """Faust would end its recovery without a word, and no partition would come again."""
    fatal: list[BaseException] = []
    error = ValueError("the client is broken")
    sought(error, fatal)
    assert fatal == [error]


class Client:
    """As much of Kafka's client as a stop needs. It is in a rebalance that waits for another member for ever."""

    def __init__(self, *, is_fetch_failing: bool = False) -> None:
        self.sent: list[tuple[int, Any]] = []
        self.waited_for: list[str] = []
        self._is_fetch_failing = is_fetch_failing
        self._client = SimpleNamespace(send=self._send)
        self._coordinator = SimpleNamespace(
            group_id="g", member_id="m", coordinator_id=7, reset_generation=self._reset_generation
        )
        self._coordinator._coordination_task = asyncio.ensure_future(asyncio.Event().wait())

    async def _send(self, node: int, request: Any) -> None:
        self.sent.append((node, request))

    def _reset_generation(self) -> None:
        self._coordinator.member_id = ""

    async def stop(self) -> None:
        """The true one would wait in the first case; in the second, it lets a cancellation of its own out."""
        if not self._coordinator._coordination_task.done():
            self.waited_for.append("the other members")
        if self._coordinator.member_id:
            self.waited_for.append("an answer to the JoinGroup, before the broker reads that the member leaves")
        if self._is_fetch_failing:
            raise asyncio.CancelledError


def stopped(make: Callable[[], Client]) -> Client:
    """A client whose thread was stopped."""

    async def go() -> Client:
        thread: Any = ConsumerThread.__new__(ConsumerThread)
        thread._method_queue, thread._consumer = None, make()
        await thread.on_thread_stop()
        return thread._consumer

    return asyncio.run(go())


def test_who_stops_in_a_rebalance_leaves_the_group_and_waits_for_no_other_member() -> None:
    client = stopped(Client)
    [(node, request)] = client.sent
    assert (node, request._group, request._member_id) == (7, "g", "m")
    assert client.waited_for == []


def test_a_fetch_that_failed_just_before_the_stop_does_not_cut_it_short() -> None:
    """The client lets the cancellation of that fetch out of its `stop`. It ended the thread, and Faust waited for a
    word from it."""
    assert len(stopped(lambda: Client(is_fetch_failing=True)).sent) == 1


def test_a_step_of_a_stop_that_does_not_get_on_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(_at_most(0, "committing", asyncio.Event().wait()))
    assert caplog.messages == ["committing took longer than 0 s and is left undone"]


def test_a_step_of_a_stop_that_fails_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise OSError("no network")

    asyncio.run(_at_most(60, "leaving", fail()))
    assert caplog.messages == ["leaving failed: OSError('no network')"]


def test_nothing_is_committed_while_the_group_is_joined() -> None:
    """The broker would refuse it for its old generation, and the client would come back as another member."""
    place, committed = TP("t", 0), []

    async def called(*_: object) -> None:
        pass

    async def commit(offsets: object) -> None:
        committed.append(offsets)

    async def go() -> list[int]:
        thread: Any = ConsumerThread.__new__(ConsumerThread)
        thread.consumer = SimpleNamespace(threadsafe_partitions_revoked=called, threadsafe_partitions_assigned=called)
        thread.thread_loop, thread.tp_last_committed_at = asyncio.get_running_loop(), {}
        thread._consumer = SimpleNamespace(assignment=lambda: {place}, commit=commit)
        counts = []
        for step in (called, thread.on_partitions_revoked, thread.on_partitions_assigned):
            await step({place})
            await thread._commit({place: 5})
            counts.append(len(committed))
        return counts

    assert asyncio.run(go()) == [1, 1, 2]


def test_a_commit_that_fails_does_not_cut_a_stop_short(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("no network")

    async def go() -> bool:
        consumer: Any = Consumer.__new__(Consumer)
        consumer.app = SimpleNamespace(should_stop=True, client_only=False)
        consumer._loop, consumer.force_commit = asyncio.get_running_loop(), fail
        return await consumer.commit()

    assert not asyncio.run(go())
    assert caplog.messages == ["committing the group's offsets failed: OSError('no network')"]


def test_a_takeover_that_ends_in_a_stop_hands_nothing_out() -> None:
    """The stop waits until nothing is under way, which would be when the backlog is worked off."""
    consumer: Any = Consumer.__new__(Consumer)
    consumer.app = SimpleNamespace(should_stop=True)
    consumer.can_resume_flow, consumer.suspend_flow = asyncio.Event(), asyncio.Event()
    consumer.stop_flow()
    consumer.resume_flow()
    assert not consumer.flow_active
    consumer.app.should_stop = False
    consumer.resume_flow()
    assert consumer.flow_active


def test_a_stop_before_the_client_is_there_meets_no_partitions() -> None:
    """Faust would give up in the middle, and leave the client's thread behind."""
    consumer: Any = Consumer.__new__(Consumer)
    consumer._thread = SimpleNamespace(_consumer=None)
    assert consumer.assignment() == set()


class Owner:
    """Owns what it is assigned, and has nothing to do."""

    def __init__(self) -> None:
        self.owned = asyncio.Event()
        self.buffer = SimpleNamespace(
            is_starved=True, drop=list, next=lambda: None, has_enough=lambda _: False, add=lambda *_: None,
            read_up_to=lambda *_: None,
        )  # fmt: skip
        self.is_taking_over = False
        self._places: set[Place] = set()

    def fatal(self, error: BaseException) -> None:
        raise error

    def rewind(self) -> dict[Place, int]:
        return dict.fromkeys(self._places, 0)

    def next_offset(self, place: Place) -> int | None:
        return 0 if place in self._places else None

    async def assign(self, assigned: Callable[[], Iterable[Place]]) -> None:
        self._places = set(assigned())
        self.owned.set()

    async def change(self) -> None:
        await asyncio.sleep(0)


def worker(address: str, prefix: str, name: str) -> tuple[ScorerApp, Owner]:
    owner: Any = Owner()
    connection = Connection((address,), "PLAINTEXT", "", "", Secret(""), None)
    topics = topics_of(prefix)
    app = make_app(
        group=prefix, client_id=name, topics=topics, connection=connection, ownership=owner, fatal=owner.fatal
    )
    return app, owner


def test_a_thread_that_was_told_to_stop_before_it_ran_does_not_keep_the_process_alive() -> None:
    """Faust does not stop it."""

    async def is_daemon() -> bool:
        app: Any = worker("nowhere:1", "t.", "early")[0]
        thread = app.consumer._thread
        return bool(thread.Worker(thread).daemon)

    assert asyncio.run(is_daemon())


def test_who_meets_a_rebalance_while_it_stops_leaves_the_group(kafka: TestKafka) -> None:
    """Faust closes the client in the wrong thread then. The group was not left, so that its partitions lay idle until
    the session was over."""
    prefix = new_prefix()
    assert producer(["topics", "--partitions", "2"], kafka.environment(prefix)) == 0

    async def go() -> list[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
        await admin.start()
        first, first_owner = worker(kafka.address, prefix, "first")
        second, second_owner = worker(kafka.address, prefix, "second")
        stops, may_end = asyncio.Event(), asyncio.Event()

        async def hold(*_: Any, **__: Any) -> None:
            stops.set()
            await may_end.wait()

        first.on_before_shutdown.connect(hold, weak=False)
        starting = [asyncio.create_task(first.start())]
        await first_owner.owned.wait()
        stopping = asyncio.create_task(first.stop())
        await stops.wait()
        starting.append(asyncio.create_task(second.start()))
        await second_owner.owned.wait()  # in a rebalance that the first took part in
        may_end.set()
        await stopping
        members = await members_of(admin, prefix)
        await second.stop()
        await asyncio.gather(*starting)
        await admin.close()
        return members

    assert asyncio.run(go()) == ["second"]
