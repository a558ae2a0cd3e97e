"""What one place holds, compared with what is due there, by source offset and to the byte.

What is due comes in the order of the source; what is there is read alongside, in nearly the same order. A copy that
comes after its offset was judged changes the judgement where it must, so the counts do not depend on the order.
"""

from array import array
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item", bound=Hashable)

# Of each place so many differences are kept to be shown.
SHOWN = 5


@dataclass
class Tally:
    """What is due is equal, missing or different. What is there and not due is extra; the same again, repeated."""

    due: int = 0
    equal: int = 0
    missing: int = 0
    different: int = 0
    extra: int = 0
    repeated: int = 0

    def add(self, other: "Tally") -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    @property
    def is_clean(self) -> bool:
        """A repeated message is no difference: who knows it by its id has it once."""
        return not (self.missing or self.different or self.extra)


class Difference(NamedTuple):
    """One that is shown: by field, what was due and what is there; None where there is none."""

    name: str
    source: int | None
    due: Mapping[str, object] | None
    there: Mapping[str, object] | None


class _Standing(IntEnum):
    OUTSIDE = 0  # not asked for
    NOTHING_DUE = 1
    EQUAL = 2
    MISSING = 3
    DIFFERENT = 4


_STANDING_BITS = 3
_STANDING = (1 << _STANDING_BITS) - 1
_NEWER_BITS = 16
_NEWER_SHIFT = 64 - _NEWER_BITS
_NEWER = ((1 << _NEWER_BITS) - 1) << _NEWER_SHIFT
_FINGERPRINT = (1 << (_NEWER_SHIFT - _STANDING_BITS)) - 1


class Comparison(Generic[Item]):
    """One place, such as a partition of risk-flags, from a source offset on."""

    def __init__(
        self,
        name: str,
        begin: int,
        explain: Callable[[Item], Mapping[str, object]],
        as_older: Callable[[Item], Item] = lambda item: item,
    ) -> None:
        """`explain` takes an item apart for people. `as_older`: an item in the shape that an older version gave it;
        what is there in that shape is what is due."""
        self.name = name
        self.tally = Tally()
        self._begin = begin
        self._explain = explain
        self._as_older = as_older
        self._waiting: dict[int, list[Item]] = {}
        # For each judged offset how it stands, and a fingerprint of what was due: eight bytes instead of the message.
        self._marks = array("Q")
        self._differences: dict[int, Difference] = {}
        self._strangers: list[Difference] = []

    @property
    def differences(self) -> list[Difference]:
        return [*self._differences.values(), *self._strangers]

    def waiting(self, source: int) -> list[Item]:
        """What is there for an offset that was not judged yet."""
        return self._waiting.get(source, [])

    def found(self, source: int, item: Item) -> None:
        """This is there, for a source offset that is not before the first."""
        if source - self._begin < len(self._marks):
            self._found_late(source, item)
        else:
            self._waiting.setdefault(source, []).append(item)

    def found_stranger(self, item: Item) -> None:
        """This is there, and no source offset has to do with it."""
        self.tally.extra += 1
        if len(self._strangers) < SHOWN:
            self._strangers.append(Difference(self.name, None, None, self._explain(item)))

    def judge(self, due: Item | None, *, counts: bool) -> None:
        """The next source offset: what is due for it, if anything. `counts`: whether it is asked for."""
        source = self._begin + len(self._marks)
        copies = self._waiting.pop(source, [])
        if not counts:
            self._marks.append(_Standing.OUTSIDE)
            return
        standing = self._standing(source, due, copies)
        self._marks.append(self._mark(standing, due))

    def _standing(self, source: int, due: Item | None, copies: list[Item]) -> _Standing:
        tally = self.tally
        if due is None:
            for copy in copies:
                self._extra(source, copy)
            return _Standing.NOTHING_DUE
        tally.due += 1
        older = self._as_older(due)
        others = [copy for copy in copies if copy not in (due, older)]
        equal = len(copies) - len(others)
        if equal:
            tally.equal += 1
            tally.repeated += equal - 1
            standing = _Standing.EQUAL
        elif others:
            tally.different += 1
            there = others.pop(0)
            self._note(source, older if self._as_older(there) == there else due, there)
            standing = _Standing.DIFFERENT
        else:
            tally.missing += 1
            self._note(source, due, None)
            return _Standing.MISSING
        for copy in others:
            self._extra(source, copy)
        return standing

    def _found_late(self, source: int, item: Item) -> None:
        mark = self._marks[source - self._begin]
        standing = _Standing(mark & _STANDING)
        is_due = standing > _Standing.NOTHING_DUE and self._mark(standing, item) in (mark, mark & ~_NEWER)
        if standing is _Standing.EQUAL and is_due:
            self.tally.repeated += 1
        elif standing is _Standing.MISSING or is_due:
            self._correct(source, standing, item, is_due=is_due)
        elif standing is not _Standing.OUTSIDE:
            self._extra(source, item)

    def _correct(self, source: int, standing: _Standing, item: Item, *, is_due: bool) -> None:
        """What was missing is there, or what is due is there beside what is not: as if it had come in time."""
        now = _Standing.EQUAL if is_due else _Standing.DIFFERENT
        tally, noted = self.tally, self._differences.pop(source, None)
        if standing is _Standing.MISSING:
            tally.missing -= 1
        else:
            tally.different -= 1
            tally.extra += 1
        if is_due:
            tally.equal += 1
        else:
            tally.different += 1
        if noted is not None and standing is _Standing.DIFFERENT:
            self._differences[source] = noted._replace(due=None)
        elif noted is not None and not is_due:
            self._differences[source] = noted._replace(there=self._explain(item))
        self._marks[source - self._begin] += now - standing

    def _extra(self, source: int, item: Item) -> None:
        self.tally.extra += 1
        self._note(source, None, item)

    def _note(self, source: int, due: Item | None, there: Item | None) -> None:
        if len(self._differences) < SHOWN and source not in self._differences:
            explained = [None if item is None else self._explain(item) for item in (due, there)]
            self._differences[source] = Difference(self.name, source, *explained)

    def _mark(self, standing: _Standing, due: Item | None) -> int:
        """Python's hash of bytes is keyed anew in each process, so that nobody can make another message with the same.
        What an older version did not have is in a part of its own, which is 0 in the older shape."""
        older = due if due is None else self._as_older(due)
        newer = 0 if older == due else hash(due) << _NEWER_SHIFT & _NEWER
        return (hash(older) & _FINGERPRINT) << _STANDING_BITS | newer | standing
