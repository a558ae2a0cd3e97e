"""The closer: a day is closed when nothing of it can still come, and from the labels known at its cutoff."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from risk.clock import DAY, HOUR
from risk.errors import BrokerError
from risk.events import Label
from risk.kafka.sending import Message
from risk.ledger_day import LedgerTerms
from risk.ledger_log import ClosedDay, DayReader
from risk.store import Owner, open_store
from risk.topics import topics_of
from scorer.ledger.closed_days import LedgerDays
from scorer.ledger.closer import ClosingTerms, LedgerCloser, last_due, last_past
from scorer.log.chunks import Place
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread
from testing.stores import NOTHING_SENT, flag

TERMS = ClosingTerms(LedgerTerms(7, HOUR), DAY, HOUR)
FIRST = 20_000


def at(days: float) -> int:
    return int((FIRST + days) * DAY)


class Log:
    """Two partitions of transactions and of labels: what is stored of them, and where they end."""

    def __init__(self, path: Path) -> None:
        self.topics = topics_of("")
        self.thread = StoreThread(path, name="test")
        self.days = LedgerDays(LedgerTerms(7, HOUR))
        self.store = open_store(path)
        self.owners: dict[Place, Owner] = {}
        self.lengths: dict[Place, int] = {}
        self.published: list[Message] = []
        self.wall = at(1_000) / 1000
        self.when_asked: Callable[[], None] = lambda: None  # something happens while the broker is asked
        self.is_another = False  # the topics were deleted and made again
        self.reader = DayReader()
        for topic in (self.topics.transactions, self.topics.labels):
            for partition in (0, 1):
                place = Place(topic, partition)
                self.owners[place] = self.store.take_over(topic, partition, first_offset=0).owner
                self.lengths[place] = 0
        self.closer = LedgerCloser(
            topics=self.topics,
            partitions=2,
            terms=TERMS,
            days=self.days,
            store=self.thread,
            bounds=self,
            confirm=self.confirm,
            publish=self.publish,
            metrics=Metrics(CollectorRegistry()),
            owner=lambda: self.owners[Place(self.topics.transactions, 0)],
            wall=lambda: self.wall,
        )

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        happens, self.when_asked = self.when_asked, lambda: None
        happens()
        return {place: self.lengths[place] for place in places}

    async def confirm(self, topic: str, partition: int) -> None:
        assert (topic, partition) == (self.topics.ledger, 0)
        if self.is_another:
            raise BrokerError("got another topic")

    async def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.published.append(message)
            day = self.reader.read(len(self.published), message.value)
            if day is not None:
                self.days.add(day)

    def scored(self, partition: int, *days: float, merchant: str | None = "mill") -> None:
        """Transactions at these times are in the log and in the store."""
        place = Place(self.topics.transactions, partition)
        first = self.lengths[place]
        rows = [flag(first + n, at(day), partition=partition, merchant=merchant) for n, day in enumerate(days)]
        self.lengths[place] += len(days)
        position = self.store.position(*place)
        assert position is not None
        self.store.commit_flags(
            self.owners[place],
            expected=first,
            next_offset=first + len(days),
            newest_event_time=max([at(day) for day in days] + [position.newest_event_time or 0]),
            outputs=NOTHING_SENT,
            rows=rows,
        )

    def unread(self, partition: int, topic: str | None = None) -> None:
        """One more record is in the log that nobody has worked on."""
        self.lengths[Place(topic or self.topics.transactions, partition)] += 1

    def waits(self, partition: int, day: float) -> None:
        """The record after those stored is at this time, and its owner waits with it."""
        place = Place(self.topics.transactions, partition)
        position = self.store.position(*place)
        assert position is not None
        self.store.publish_heads([(self.owners[place], position.next_offset, at(day))])

    def labelled(self, transaction: str, day: float, *, is_fraud: bool = True) -> None:
        place = Place(self.topics.labels, 0)
        offset = self.lengths[place]
        label = Label(transaction, "ann", is_fraud, at(day), "test")
        self.lengths[place] += 1
        self.store.commit_labels(
            self.owners[place], expected=offset, next_offset=offset + 1, rejected_offset=0, labels=[(offset, label)]
        )

    def learned(self, partition: int, count: int) -> None:
        """So many of the labels that wait are worked on; whatever they say, there is nothing to keep of them."""
        place = Place(self.topics.labels, partition)
        position = self.store.position(*place)
        assert position is not None
        first = position.next_offset
        self.store.commit_labels(
            self.owners[place], expected=first, next_offset=first + count, rejected_offset=0, labels=[]
        )

    def close(self) -> list[int]:
        """The days that the closer closes now, counted from the first."""
        return [day - FIRST for day in asyncio.run(self.closer.close_due())]

    def read_back(self) -> list[ClosedDay]:
        reader = DayReader()
        days = [reader.read(offset, message.value) for offset, message in enumerate(self.published)]
        return [day for day in days if day is not None]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path / "risk.db")
    yield made
    made.thread.close()
    made.store.close()


def test_a_day_is_due_half_a_day_after_its_label_cutoff() -> None:
    """With a delay of 7 days, labels of day 0 count until day 6 begins."""
    assert last_due(at(6.5) - 1, TERMS) == FIRST - 1
    assert last_due(at(6.5), TERMS) == FIRST


def test_a_partition_is_past_a_day_when_nothing_so_late_is_taken_any_more() -> None:
    assert last_past(at(2), TERMS) == FIRST - 1
    assert last_past(at(2) + 1, TERMS) == FIRST


def test_nothing_is_closed_before_its_time(log: Log) -> None:
    log.scored(0, 0.5, 6.4)
    log.scored(1, 0.5, 6.4)
    assert log.close() == []
    log.scored(0, 6.5)
    assert log.close() == [0]


def test_a_partition_that_is_behind_holds_the_day_up(log: Log) -> None:
    """Whatever is still to come out of it may belong to the day."""
    log.scored(0, 0.5, 7.5)
    log.scored(1, 0.6)
    log.unread(1)
    assert log.close() == []


def test_a_partition_that_is_read_to_its_end_holds_nothing_up(log: Log) -> None:
    log.scored(0, 0.5, 7.5)
    log.scored(1, 0.6)
    assert log.close() == [0, 1]


def test_an_empty_partition_holds_nothing_up(log: Log) -> None:
    log.scored(0, 0.5, 6.5)
    assert log.close() == [0]


def test_a_partition_whose_next_record_waits_beyond_the_day_holds_nothing_up(log: Log) -> None:
    log.scored(0, 0.5, 6.5)
    log.scored(1, 0.6)
    log.unread(1)
    log.waits(1, 7.1)
    assert log.close() == [0]


def test_a_record_that_waits_tells_how_late_it_is(log: Log) -> None:
    """Where all wait for the day, no scored transaction says that its time has come."""
    log.scored(0, 0.5, 5.9)
    log.scored(1, 0.6)
    for partition in (0, 1):
        log.unread(partition)
        log.waits(partition, 7.1)
    assert log.close() == [0]


def test_a_head_of_an_owner_that_moved_on_says_nothing(log: Log) -> None:
    log.scored(0, 0.5, 5.9)
    log.unread(0)
    log.waits(0, 7.1)
    log.store.take_over(log.topics.transactions, 0, first_offset=0)
    assert log.close() == []


def test_labels_that_are_not_read_hold_the_day_up(log: Log) -> None:
    log.scored(0, 0.5, 6.5)
    log.unread(1, log.topics.labels)
    assert log.close() == []


def test_labels_that_come_after_a_day_is_due_do_not_hold_it_up(log: Log) -> None:
    """What belongs to it was acknowledged before. A stream of labels that never ends would hold it up for ever."""
    log.scored(0, 0.5, 6.5)
    log.unread(1, log.topics.labels)
    assert log.close() == []
    log.unread(1, log.topics.labels)
    log.learned(1, 1)
    assert log.close() == [0]


def test_a_message_from_another_century_does_not_close_the_days_until_then(log: Log) -> None:
    """Where a broker takes it: its record says that it was sent then. It tells nothing of how far time has come."""
    log.wall = at(6.5) / 1000 - 3600
    log.scored(0, 0.5, 60_000)
    assert log.close() == []
    log.scored(1, 6.5)
    assert log.close() == [0]
    log.scored(1, 7.5)
    assert log.close() == []
    log.wall += 86_400
    assert log.close() == [1]


def test_a_later_day_waits_for_the_labels_that_were_there_when_it_was_due(log: Log) -> None:
    log.scored(0, 0.5, 6.5)
    log.unread(1, log.topics.labels)
    assert log.close() == []
    log.scored(0, 7.5)
    log.unread(1, log.topics.labels)
    log.learned(1, 1)
    assert log.close() == [0]
    assert log.close() == []
    log.unread(1, log.topics.labels)
    log.learned(1, 1)
    assert log.close() == [1]


def test_a_day_that_somebody_else_closed_is_not_waited_for_any_more(log: Log) -> None:
    """Its labels may never be read here: the next day asks anew."""
    log.scored(0, 0.5, 6.5)
    log.unread(1, log.topics.labels)
    assert log.close() == []
    log.days.know(LedgerTerms(7, HOUR), FIRST, FIRST)
    log.learned(1, 1)
    log.unread(1, log.topics.labels)
    log.scored(0, 7.5)
    assert log.close() == []
    log.learned(1, 1)
    assert log.close() == [1]


def test_a_partition_that_nobody_ever_took_holds_the_day_up(log: Log) -> None:
    log.closer._partitions = 3
    log.scored(0, 0.5, 6.5)
    assert log.close() == []


def test_the_first_that_waits_learns_that_there_is_nothing_yet(log: Log) -> None:
    """At the beginning of a history the day that is needed lies before the first transaction."""
    for partition in (0, 1):
        log.unread(partition)
        log.waits(partition, 0.2 + partition)
    assert log.close() == [-7, -6]
    assert [day.transactions for day in log.read_back()] == [0, 0]


def test_days_are_closed_in_order_and_once(log: Log) -> None:
    log.scored(0, 0.5, 3.5, 9.6)
    assert log.close() == [0, 1, 2, 3]
    assert log.close() == []
    log.scored(0, 10.6)
    assert log.close() == [4]


def test_a_worker_that_lost_its_partition_publishes_nothing(log: Log) -> None:
    log.scored(0, 0.5, 6.5)
    stale = log.owners[Place(log.topics.transactions, 0)]
    log.store.take_over(*stale[:2], first_offset=0)
    assert log.close() == []
    assert log.published == []


def test_no_day_is_published_to_topics_that_were_made_again(log: Log) -> None:
    """They would be days of the log before."""
    log.scored(0, 0.5, 6.5)
    log.is_another = True
    with pytest.raises(BrokerError, match="another topic"):
        log.close()
    assert log.published == []


def test_a_day_counts_what_was_known_at_its_cutoff(log: Log) -> None:
    """A label from the night before the cutoff counts, one from after it does not; without a merchant nothing does."""
    log.scored(0, 0.5, 0.6, 6.5)
    log.scored(1, 0.7, merchant=None)
    log.labelled("t0", 5.9)
    log.labelled("t1", 6.1)
    assert log.close() == [0]
    [day] = log.read_back()
    assert day.transactions == 3
    assert (sum(day.closed.transactions), sum(day.closed.frauds)) == (2, 1)


def test_the_first_day_is_decided_when_all_are_past(log: Log) -> None:
    """A partition that catches up while the closer looks may bring an earlier first day."""
    log.scored(0, 1.5, 8.6)
    log.unread(1)
    log.lengths[Place(log.topics.transactions, 1)] = 0
    log.when_asked = lambda: log.scored(1, 0.6)
    assert log.close() == [0, 1, 2]
