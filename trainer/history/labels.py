"""What is known of a transaction, of all that was found out about it: one verdict, and since when it stands."""

from typing import NamedTuple

from risk.clock import DAY
from risk.store import LabelledFlag, LabelVersion


class Known(NamedTuple):
    """`is_fraud` is None where nothing is known yet, and `labelled_at` where nobody said it."""

    flag: LabelledFlag
    is_fraud: bool | None
    labelled_at: int | None


def known_of(flag: LabelledFlag, last_due_day: int) -> Known:
    """Where nobody has reported a fraud until the labels were due, there was none: as in training and in live
    figures."""
    label = in_force(flag.labels)
    if label is not None:
        return Known(flag, label.is_fraud, label.labelled_at)
    return Known(flag, False if flag.event_time // DAY <= last_due_day else None, None)


def in_force(labels: tuple[LabelVersion, ...]) -> LabelVersion | None:
    """The newest verdict, with the time since when it stands: who says the same once more does not make it newer."""
    found: LabelVersion | None = None
    for label in labels:
        if found is None or label.is_fraud != found.is_fraud:
            found = label
    return found


def was_corrected(labels: tuple[LabelVersion, ...]) -> bool:
    return len({label.is_fraud for label in labels}) > 1
