"""What is judged: one set of predictions beside what was true."""

from typing import NamedTuple

from risk.codes import Array

NO_MERCHANT = -1


class Judged(NamedTuple):
    """Rows in event-time order, every array of the same length."""

    event_times: Array  # int64, milliseconds UTC
    customers: Array  # int64 codes, equal for equal customers
    merchants: Array  # int64 codes; -1 where there is none
    amounts: Array  # float64, major units; NaN where missing, which counts as 0 in money
    is_fraud: Array  # bool: the truth in a test; what was known then in fit and validation
    kinds: tuple[str, ...] | None  # the fraud kind of each row, "" for none; None where the data has no such column
    scores: Array  # float64, calibrated probabilities
    raw: Array  # float64, the model's own
    days: int  # length of the period in UTC days, for figures per day
