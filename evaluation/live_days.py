"""Which days of a challenger beside the bundle in use count: on which both were to score, and which can be judged."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from risk.clock import DAY
from risk.store import VersionStart

COUNTED, NOT_DUE, LEARNED = "counted", "labels are not due", "one of the two learned from it or was tested on it"


class Traffic(NamedTuple):
    """All that was scored of a day, whoever scored it."""

    transactions: int
    given: int = 0  # of these, decided by the challenger, for its share of the customers

    def others(self, both: int) -> int:
        """Neither scored by both, nor decided by the challenger. Of the newest day, who counts while workers write may
        know pairs before it has counted their transactions."""
        return max(0, self.transactions - self.given - both)


class Calendar(NamedTuple):
    """Which days can be judged."""

    label_delay_days: int
    labelled_until: int | None  # up to this moment of event time labels have come in; None where none ever came
    learned: Sequence[range] = ()  # days that one of the two learned from or was tested on

    def standing(self, day: int) -> str:
        until = self.labelled_until
        if until is None or (day + 1 + self.label_delay_days) * DAY > until + 1:
            return NOT_DUE
        return LEARNED if any(day in days for days in self.learned) else COUNTED


def labelled_until(newest_event: int | None, newest_label: int | None, label_delay_days: int) -> int | None:
    """Labels are taken to have come in up to the newest transaction; where none came for longer than the label delay,
    up to the newest of them alone."""
    if newest_event is None or newest_label is None:
        return None
    return newest_event if newest_event - newest_label <= label_delay_days * DAY else newest_label


def days_of_both(
    bundles: Sequence[VersionStart],
    challengers: Sequence[VersionStart],
    newest: Mapping[int, int],
    in_use: str,
    challenger: str,
) -> set[int]:
    """On which the one was in use and the other was to score, whatever came of it. `newest`: the event time up to which
    a partition is scored."""
    found: set[int] = set()
    for partition, last in newest.items():
        for since, until in spans_of(bundles, partition, in_use, last):
            for other_since, other_until in spans_of(challengers, partition, challenger, last):
                found.update(range(max(since, other_since) // DAY, min(until, other_until) // DAY + 1))
    return found


def spans_of(starts: Sequence[VersionStart], partition: int, version: str, last: int) -> Iterator[tuple[int, int]]:
    """From when to when, in event time, this version is the one that a partition's starts name."""
    own = [start for start in starts if start.partition == partition]
    for start, following in zip_longest(own, own[1:]):
        if start.version == version:
            yield start.event_time, last if following is None else following.event_time - 1
