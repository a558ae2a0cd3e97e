"""Numbers as text: one way of writing them, so that a file and a stream name the same category; and as people say
them."""

from risk.clock import DAY, HOUR, MINUTE, SECOND

# From here on repr writes an exponent, which a whole number does not need below.
_FIRST_WITH_EXPONENT = 1e16


def number_text(value: float) -> str:
    """The shortest text that reads back as the same float64; whole numbers without a point: "1234567", "0.1"."""
    if value.is_integer() and abs(value) < _FIRST_WITH_EXPONENT:
        return str(int(value))
    return repr(value)


def counted(count: int, one: str, many: str) -> str:
    """1 row has, 2,000 rows have."""
    return f"{count:,} {one if count == 1 else many}"


def duration_in_words(ms: int) -> str:
    """In the largest unit that says it exactly: 7 days, 1 hour, 90 seconds."""
    for size, unit in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second")):
        if ms % size == 0:
            return counted(ms // size, unit, f"{unit}s")
    return counted(ms, "millisecond", "milliseconds")
