"""What is in the topics already, of what is about to be sent: after a failure nobody knows until it is looked up.

Within a partition messages are sent in one order, so what is there is the beginning of what was on its way. Messages of
others may lie between.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from risk.kafka.sending import Message

Place = tuple[str, int]  # topic, partition


class Record(NamedTuple):
    key: bytes | None
    value: bytes | None


class AlreadyThere:
    def __init__(self) -> None:
        self.passed_over = 0
        self._found: dict[Place, deque[Record]] = {}

    def add(self, place: Place, records: Iterable[Record]) -> None:
        self._found.setdefault(place, deque()).extend(records)

    def has_more(self, place: Place) -> bool:
        """Whether something is there that nobody has asked for yet."""
        return bool(self._found.get(place))

    def without(self, place: Place, messages: list[Message]) -> list[Message]:
        """The messages from the first that is not there."""
        found = self._found.get(place)
        if found is None:
            return messages
        for number, message in enumerate(messages):
            if not _is_in(found, message):
                del self._found[place]
                self.passed_over += number
                return messages[number:]
        self.passed_over += len(messages)
        return []


def _is_in(found: deque[Record], message: Message) -> bool:
    """Takes it out, and whatever lies before it."""
    wanted = (message.key, message.value)
    while found:
        if found.popleft() == wanted:
            return True
    return False
