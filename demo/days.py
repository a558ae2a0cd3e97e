"""The days of the demo: what is learned from, what it is tried on, what the workers learn, and what is watched."""

from datetime import date, timedelta
from typing import NamedTuple

from risk.clock import DAY, day_of, day_of_date, to_date
from worlds.cards import END

HISTORY_DAYS = 120
TEST_DAYS = 21
LABEL_DELAY_DAYS = 7
LIVE_DAYS = 14
# The challenger learns again, with what is known two weeks later, and is tried on fewer days.
CHALLENGER_TEST_DAYS = 7
# The longest window is 30 days and ends, for a merchant, a label delay ago: no feature of the live days can tell what
# lies before these, so they come out as in a backtest of the whole file.
PAST_DAYS = 30 + LABEL_DELAY_DAYS + 1


class Days(NamedTuple):
    """Each is the first day of its part, which goes on until the next; between training and test is a gap, for labels
    need time to come."""

    first: date
    gap: date
    test: date
    live: date
    end: date

    @property
    def challenger_test(self) -> date:
        return self.live - timedelta(CHALLENGER_TEST_DAYS)

    @property
    def challenger_gap(self) -> date:
        return self.challenger_test - timedelta(LABEL_DELAY_DAYS)

    @property
    def past(self) -> date:
        """From here on history is sent, so that the workers know the customers when the live days begin."""
        return self.live - timedelta(PAST_DAYS)

    @property
    def live_ms(self) -> int:
        return day_of_date(self.live) * DAY

    @property
    def past_ms(self) -> int:
        return day_of_date(self.past) * DAY


def demo_days() -> Days:
    end = to_date(day_of(END))
    live = end - timedelta(LIVE_DAYS)
    test = live - timedelta(TEST_DAYS)
    return Days(end - timedelta(HISTORY_DAYS), test - timedelta(LABEL_DELAY_DAYS), test, live, end)


def short(day: date) -> str:
    return f"{day.day} {day:%b}"


def span(first: date, until: date) -> str:
    """The days from the first on, the last excluded."""
    return f"{short(first)} to {short(until - timedelta(1))}"
