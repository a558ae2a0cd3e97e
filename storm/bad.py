"""Messages that cannot be scored, of every kind, each with the reason that it has to be rejected for."""

import random
from collections.abc import Callable, Iterable, Sequence

import msgspec

from risk.clock import DAY, HOUR, to_datetime
from risk.codec import encode_transaction
from risk.diagnosis import MAX_BYTES, MAX_DEPTH
from risk.events import RejectReason, Transaction
from risk.kafka.partitions import partition_of
from risk.kafka.sending import Message
from risk.topics import Topics
from storm.history import History, Item, item_of

FAR_AHEAD = 4_000_000_000_000  # in the year 2096
LONG_AGO = 3 * DAY
# A message of this kind is as long as hundreds of others.
ONE_LARGE_IN = 50

Wrong = Callable[[dict[str, object], Transaction], bytes]


def _with(**changed: object) -> Wrong:
    return lambda value, _: msgspec.json.encode({**value, **changed})


def _happened(when: Callable[[Transaction], int]) -> Wrong:
    return lambda value, like: msgspec.json.encode({**value, "event_time": to_datetime(when(like))})


def _deep(value: dict[str, object], _: Transaction) -> bytes:
    return b"[" * (MAX_DEPTH + 1) + msgspec.json.encode(value) + b"]" * (MAX_DEPTH + 1)


def _replaced(old: bytes, new: bytes) -> Wrong:
    return lambda value, _: msgspec.json.encode({**value, "amount": 1}).replace(old, new)


_WRONG: dict[RejectReason, Wrong] = {
    RejectReason.NOT_UTF8: _replaced(b'"amount":1', b'"channel":"\xff"'),
    RejectReason.NOT_JSON: _replaced(b'"amount":1', b'"amount"=1'),
    RejectReason.TOO_DEEP: _deep,
    RejectReason.NOT_AN_OBJECT: lambda value, _: msgspec.json.encode([value]),
    RejectReason.MISSING_FIELD: _with(currency=""),
    RejectReason.WRONG_TYPE: _with(amount="many"),
    RejectReason.BAD_TEXT: _with(merchant_id="M\x001"),
    RejectReason.BAD_TIME: _with(event_time="yesterday"),
    RejectReason.TIME_OUT_OF_RANGE: _with(event_time="1970-01-01T00:00:00Z"),
    RejectReason.NOT_FINITE: _replaced(b'"amount":1', b'"amount":1e999'),
    RejectReason.REFUND: _with(amount=-1.5),
    RejectReason.AMOUNT_TOO_LARGE: _with(amount=1e15),
    RejectReason.UNKNOWN_CURRENCY: _with(currency="XXQ"),
    RejectReason.AHEAD_OF_CLOCK: _happened(lambda _: FAR_AHEAD),
    RejectReason.TOO_LATE: _happened(lambda like: like.event_time - LONG_AGO),
    RejectReason.WRONG_KEY: lambda value, _: msgspec.json.encode(value),
}


class BadMessages:
    """Strews bad messages among good ones."""

    def __init__(self, topics: Topics, partitions: int, dice: random.Random) -> None:
        self._topics, self._partitions, self._dice = topics, partitions, dice
        self._number = 0

    def among(self, history: History, count: int) -> list[Item]:
        """The history with so many bad messages in it, and some of the good ones a second time."""
        after = sorted(self._dice.choices(range(len(history.events)), k=count))
        items: list[Item] = []
        newest: dict[int, Transaction] = {}  # by partition
        for place, event in enumerate(history.events):
            item = item_of(event, self._topics, self._partitions)
            items.append(item)
            if isinstance(event, Transaction):
                newest[item.partition] = event
            while after and after[0] == place:
                del after[0]
                items.append(self._bad(self._dice.choice(list(newest.values()))) if newest else self._noise())
                if self._dice.random() < 0.1:
                    items.append(item._replace(day=None))
        return items

    def _bad(self, like: Transaction) -> Item:
        """Something that is wrong with a transaction like this one."""
        if self._dice.random() < 0.2:
            return self._noise()
        if self._dice.random() < 1 / ONE_LARGE_IN:
            return self._item(like.customer_id, b"[" + b" " * MAX_BYTES + b"]", RejectReason.TOO_LARGE)
        self._number += 1
        good = msgspec.structs.replace(like, transaction_id=f"bad-{self._number}")
        reason = self._dice.choice(list(_WRONG))
        if reason is RejectReason.WRONG_KEY:
            key = self._dice.choice(["somebody else", like.customer_id + " ", None])
            return self._item(key, encode_transaction(good), reason)
        value = msgspec.json.decode(encode_transaction(good))
        return self._item(like.customer_id, _WRONG[reason](value, like), reason)

    def _noise(self) -> Item:
        """Bytes that mean nothing, for either topic."""
        dice = self._dice
        kinds = (None, b"", b"null", b"\xff\xfe", b"{" * dice.randrange(1, 400), dice.randbytes(dice.randrange(1, 200)))
        topic, value = dice.choice([self._topics.transactions, self._topics.labels]), dice.choice(kinds)
        # The client sends no message that has neither key nor value.
        key = dice.choice(["x", "noise", *([] if value is None else [None])])
        return self._item(key, value, None)._replace(topic=topic)

    def _item(self, key: str | None, value: bytes | None, reason: RejectReason | None) -> Item:
        raw = None if key is None else key.encode()
        partition = self._dice.randrange(self._partitions) if raw is None else partition_of(raw, self._partitions)
        return Item(self._topics.transactions, partition, Message(raw, value), is_bad=True, reason=reason)


def from_a_slow_clock(
    items: Sequence[Item], events: Iterable[Transaction], topics: Topics, partitions: int
) -> list[Item]:
    """The items, and these transactions behind them, from a sender whose clock is two hours behind: rejected now, and
    good when somebody whose clock is right sends them again."""
    return [
        *items,
        *(
            item_of(event, topics, partitions)._replace(
                is_bad=True, reason=RejectReason.AHEAD_OF_CLOCK, timestamp=event.event_time - 2 * HOUR
            )
            for event in events
        ),
    ]
