"""--from and --until: what is counted. What lies before is history, what lies after is not read."""

from typing import NamedTuple

import numpy as np

from risk.clock import DAY, date_ms, to_text
from risk.dataset import Dataset
from risk.errors import DatasetError, OptionError


class TimeRange(NamedTuple):
    """Midnights UTC; `until` is not part of it; None is open."""

    since: int | None
    until: int | None

    def holds(self, times: np.ndarray) -> np.ndarray:
        inside = np.ones(len(times), bool)
        if self.since is not None:
            inside &= times >= self.since
        if self.until is not None:
            inside &= times < self.until
        return inside

    def is_over(self, time: int) -> bool:
        return self.until is not None and time >= self.until

    def within(self, ends: tuple[int, int]) -> tuple[int, int]:
        """The first and the last time of data from one end to the other that may be in it."""
        first, last = ends
        return (
            first if self.since is None else max(first, self.since),
            last if self.until is None else min(last, self.until - 1),
        )


ALWAYS = TimeRange(None, None)


def asked_period(since: str | None, until: str | None) -> TimeRange:
    period = TimeRange(_date("--from", since), _date("--until", until))
    if period.since is not None and period.until is not None and period.since >= period.until:
        raise OptionError(
            f"--from {since} --until {until}: got a period without a day, expected --from before --until; the day of "
            "--until is not part of it"
        )
    return period


def check_period(dataset: Dataset, period: TimeRange) -> tuple[int, int]:
    """The data's first and last time; refused if no day of the data is in the period."""
    if dataset.ends is None:
        raise DatasetError(
            f"{dataset.path}: got no row with an event time, expected transactions. `python -m trainer inspect "
            f"{dataset.path}` tells what is there."
        )
    first, last = dataset.ends
    if (period.since is not None and period.since > last) or period.is_over(first):
        option, value = ("--until", period.until) if period.is_over(first) else ("--from", period.since)
        raise OptionError(
            f"{option}: got {day_of_time(value or 0)}, expected a day that leaves something of the data, which goes "
            f"from {day_of_time(first)} to {day_of_time(last)}"
        )
    return first, last


def day_of_time(time: int) -> str:
    return to_text(time // DAY * DAY)[:10]


def _date(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return date_ms(text)
    except ValueError:
        raise OptionError(f"{option}: got {text!r}, expected a day such as 2024-12-01") from None
