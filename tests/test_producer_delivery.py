"""Getting a step to a broker that fails: nothing lost, nothing twice, nothing reordered."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.delivery.already import AlreadyThere, Place, Record
from producer.delivery.delivering import AbandonedError, Delivery, Patience
from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.sending import Message

A, B = ("transactions", 0), ("transactions", 1)
SHORT = Patience(notice=0.001, retry=0.001, goodbye=0.001)


class Log:
    """Partitions in memory, and a broker that fails as it is told: `faults` says of each send how many messages of it
    arrive before it fails; None for a send that succeeds."""

    def __init__(self, faults: Sequence[int | None] = ()) -> None:
        self.partitions: defaultdict[Place, list[Record]] = defaultdict(list)
        self.faults = list(faults)
        self.renewals = 0
        self.broken = self.is_deaf = self.is_gone = False
        self.refusal: BrokerError | None = None  # what every message, or every question, is answered with

    async def check(self) -> int:
        if self.refusal is not None:
            raise self.refusal
        return 2

    async def renew(self) -> None:
        if self.is_gone:
            raise BrokerAwayError("gone")
        self.renewals += 1
        self.broken = False

    async def send(self, place: Place, messages: Sequence[Message]) -> int:
        await (asyncio.Event().wait() if self.is_deaf else asyncio.sleep(0))
        if self.refusal is not None:
            raise self.refusal
        if self.broken:
            raise BrokerAwayError("nothing passes until there is a new producer")
        fault = self.faults.pop(0) if self.faults else None
        arriving = messages if fault is None else messages[:fault]
        self.partitions[place] += [Record(message.key, message.value) for message in arriving]
        if fault is not None:
            self.broken = True
            raise BrokerAwayError("the leader is away")
        return len(self.partitions[place])

    async def records(self, starts: Mapping[Place, int]) -> dict[Place, list[Record]]:
        return {place: self.partitions[place][start:] for place, start in starts.items()}


def messages(*values: str) -> list[Message]:
    return [Message(b"k", value.encode()) for value in values]


def there(log: Log, place: Place) -> list[str]:
    return [(record.value or b"").decode() for record in log.partitions[place]]


def delivered(log: Log, *steps: Mapping[Place, list[Message]], already: AlreadyThere | None = None) -> list[str]:
    """What was said while these steps were delivered."""
    said: list[str] = []

    async def run() -> None:
        ends = {place: len(log.partitions[place]) for place in (A, B)}
        delivery = Delivery(log, ends, already or AlreadyThere(), asyncio.Event(), said.append, SHORT)
        for step in steps:
            await delivery.deliver(step)
            assert all(ends[place] <= len(log.partitions[place]) for place in ends)

    asyncio.run(run())
    return said


def test_a_step_is_there_when_it_is_delivered() -> None:
    log = Log()
    delivered(log, {A: messages("1", "2"), B: messages("3")}, {A: messages("4")})
    assert (there(log, A), there(log, B)) == (["1", "2", "4"], ["3"])


@given(
    steps=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=4),
    faults=st.lists(st.one_of(st.none(), st.integers(0, 6)), max_size=8),
)
def test_whatever_fails_every_message_is_there_once_and_in_order(
    steps: list[tuple[int, int]], faults: list[int | None]
) -> None:
    log = Log(faults)
    numbers = iter(range(1000))
    parcels = [{A: messages(*(str(next(numbers)) for _ in range(a))),
                B: messages(*(str(next(numbers)) for _ in range(b)))} for a, b in steps]  # fmt: skip
    delivered(log, *parcels)
    for place in (A, B):
        assert there(log, place) == [m.value.decode() for step in parcels for m in step[place] if m.value]


def test_messages_of_others_in_between_do_not_mislead() -> None:
    class Shared(Log):
        async def renew(self) -> None:
            self.partitions[A] += [Record(b"x", b"other")]
            await super().renew()

    log = Shared([2])
    log.partitions[A].append(Record(b"x", b"other"))
    delivered(log, {A: messages("1", "2", "3", "4")})
    assert [value for value in there(log, A) if value != "other"] == ["1", "2", "3", "4"]


def test_the_same_message_twice_in_a_row_is_sent_twice() -> None:
    log = Log([1])
    delivered(log, {A: messages("1", "1", "1")})
    assert there(log, A) == ["1", "1", "1"]


def test_what_an_earlier_run_had_sent_is_not_sent_again() -> None:
    log, already = Log(), AlreadyThere()
    log.partitions[A] = [Record(b"k", b"1"), Record(b"k", b"2")]
    already.add(A, log.partitions[A])
    delivered(log, {A: messages("1"), B: messages("9")}, {A: messages("2", "3")}, already=already)
    assert (there(log, A), there(log, B)) == (["1", "2", "3"], ["9"])
    assert already.passed_over == 2


def test_a_renewal_that_fails_is_tried_until_the_broker_is_back_and_said_once() -> None:
    class Away(Log):
        async def renew(self) -> None:
            await super().renew()
            if self.renewals < 4:
                self.broken = True
                raise BrokerAwayError("127.0.0.1:9092: nobody listens there")

    log = Away([1])
    said = delivered(log, {A: messages("1", "2")})
    assert there(log, A) == ["1", "2"]
    assert said == [
        "waiting: 127.0.0.1:9092: nobody listens there. Nothing is lost; sending goes on when it is back",
        "the broker is back; going on",
    ]


def test_an_error_that_waiting_does_not_mend_ends_it() -> None:
    log = Log()
    log.refusal = BrokerError("not allowed to write")
    with pytest.raises(BrokerError, match="not allowed to write"):
        delivered(log, {A: messages("1"), B: messages("2")})


def test_while_nothing_is_acknowledged_the_reason_is_looked_for() -> None:
    log = Log()
    log.is_deaf = True
    log.refusal = BrokerError("not there: transactions; make what is missing with `python -m producer topics`")
    with pytest.raises(BrokerError, match="not there"):
        delivered(log, {A: messages("1")})


def test_where_a_later_run_looks_from_moves_on_with_whole_steps_only() -> None:
    """What arrived of a step that was not delivered whole would be sent again by a run that looked behind it."""
    log = Log()

    async def run() -> dict[Place, int]:
        stopping = asyncio.Event()
        delivery = Delivery(log, {A: 0, B: 0}, AlreadyThere(), stopping, print, SHORT)
        await delivery.deliver({A: messages("1")})
        log.faults = [None, 0]  # to A it goes, to B it does not
        log.is_gone = True
        stopping.set()
        with pytest.raises(AbandonedError):
            await delivery.deliver({A: messages("2"), B: messages("3")})
        assert delivery.ends == {A: 2, B: 0}
        return delivery.settled

    assert asyncio.run(run()) == {A: 1, B: 0}


def test_where_a_later_run_looks_from_stays_before_what_an_earlier_one_had_sent() -> None:
    """The third run must find what the first had sent, if the second was killed before it came so far."""
    log, already = Log(), AlreadyThere()
    log.partitions[A] = [Record(b"k", b"1"), Record(b"k", b"2"), Record(b"k", b"3")]
    already.add(A, log.partitions[A][1:])

    async def run() -> None:
        delivery = Delivery(log, {A: 3}, already, asyncio.Event(), print, SHORT, settled={A: 1})
        assert delivery.settled == {A: 1}
        await delivery.deliver({A: messages("2")})
        assert delivery.settled == {A: 1}
        await delivery.deliver({A: messages("3")})
        assert delivery.settled == {A: 3}
        await delivery.deliver({A: messages("4")})
        assert delivery.settled == {A: 4}

    asyncio.run(run())
    assert there(log, A) == ["1", "2", "3", "4"]


def test_whoever_is_told_to_end_does_not_wait_for_a_broker_for_ever() -> None:
    log = Log()
    log.is_deaf = True

    async def run() -> None:
        stopping = asyncio.Event()
        stopping.set()
        await Delivery(log, {A: 0}, AlreadyThere(), stopping, print, SHORT).deliver({A: messages("1")})

    with pytest.raises(AbandonedError):
        asyncio.run(run())
