"""The bad messages of the storm are of every kind there is, and the good ones among them stay as they are."""

import random
from collections import Counter
from pathlib import Path

from risk.codec import decode_label, decode_transaction
from risk.events import Rejected, RejectReason
from risk.topics import topics_of
from storm.bad import BadMessages
from storm.ground import PARTITIONS, SMALL, World
from storm.history import item_of

TOPICS = topics_of("")
# What only a partition's past, the key or the time of sending can tell.
NOT_IN_THE_MESSAGE = {RejectReason.WRONG_KEY, RejectReason.AHEAD_OF_CLOCK, RejectReason.TOO_LATE}


def test_every_reason_occurs_and_the_message_alone_shows_most_of_them(tmp_path: Path) -> None:
    history = World(tmp_path, SMALL).history
    items = BadMessages(TOPICS, PARTITIONS, random.Random(1)).among(history, SMALL.bad_messages)
    bad = [item for item in items if item.is_bad]
    assert len(bad) == SMALL.bad_messages
    assert {item.reason for item in bad} == {None, *RejectReason}
    for item in bad:
        read = decode_transaction if item.topic == TOPICS.transactions else decode_label
        answer = read(item.message.value)
        if item.reason not in NOT_IN_THE_MESSAGE:
            assert isinstance(answer, Rejected), item
            assert item.reason in (None, answer.reason), item


def test_every_good_message_is_among_them_in_its_order(tmp_path: Path) -> None:
    history = World(tmp_path, SMALL).history
    items = BadMessages(TOPICS, PARTITIONS, random.Random(2)).among(history, 300)
    good = [item.message for item in items if not item.is_bad]
    due = [item_of(event, TOPICS, PARTITIONS).message for event in history.events]
    again = Counter(good) - Counter(due)
    assert list(dict.fromkeys(good)) == due
    assert 0 < again.total() < 100
