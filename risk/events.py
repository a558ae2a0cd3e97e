"""What happened: small frozen values. Times are integer milliseconds UTC, amounts integer minor units.

How they look as JSON (RFC 3339 times, decimal amounts) is the codec's business.
"""

from enum import StrEnum

from msgspec import Struct, field


class Level(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


LEVELS = tuple(Level)  # as they are numbered where they come in columns
# What is known of a transaction, where labels come in columns.
FRAUD, GENUINE, UNKNOWN = 1, 0, -1


class Decision(StrEnum):
    """What becomes of a transaction, by model and rules together."""

    NONE = "none"
    REVIEW = "review"
    ALERT = "alert"


DECISIONS = tuple(Decision)  # by their strictness, and as they are numbered where they come in columns
# What scores high is an alert, as it is where there are no rules, and nothing else of the model's levels decides.
OF_LEVEL: dict[str, Decision] = {Level.LOW: Decision.NONE, Level.MEDIUM: Decision.NONE, Level.HIGH: Decision.ALERT}


class Action(StrEnum):
    """What a rule wants. `allow` is stronger than all others."""

    ALERT = "alert"
    REVIEW = "review"
    ALLOW = "allow"


class Mode(StrEnum):
    """A rule in the shadow fires and is recorded, and decides nothing."""

    ON = "on"
    SHADOW = "shadow"


class RejectReason(StrEnum):
    """The closed list of why a message is not scored."""

    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    BAD_TEXT = "bad_text"
    BAD_TIME = "bad_time"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    NOT_FINITE = "not_finite"
    REFUND = "refund"
    AMOUNT_TOO_LARGE = "amount_too_large"
    UNKNOWN_CURRENCY = "unknown_currency"
    WRONG_KEY = "wrong_key"
    AHEAD_OF_CLOCK = "ahead_of_clock"
    TOO_LATE = "too_late"


class Transaction(Struct, frozen=True):
    """A card or account was charged. The label never travels with it."""

    transaction_id: str
    event_time: int
    customer_id: str
    currency: str
    merchant_id: str | None = None
    merchant_category: str | None = None
    amount: int | None = None
    channel: str | None = None
    device_id: str | None = None
    country: str | None = None
    attributes: dict[str, float | str] = field(default_factory=dict)


class Label(Struct, frozen=True):
    """Somebody found out whether a transaction was a fraud."""

    transaction_id: str
    customer_id: str
    is_fraud: bool
    labelled_at: int
    source: str


class Rejected(Struct, frozen=True):
    """A message was not scored. Its bytes are kept elsewhere, untouched; this says why."""

    reason: RejectReason
    detail: str


class Reason(Struct, frozen=True):
    """One feature's part in a score."""

    feature: str
    value: float | str | None
    reference: float | str | None
    contribution: float
    sentence: str


class Seen(Struct, frozen=True):
    """A comparison of a rule that fired, with what was compared. `value` and `other`: what stood on its left and on its
    right, None where that was missing; of a constant on the right None, for the text shows it; of a list why the value
    stands in it."""

    comparison: str
    holds: bool
    value: float | str | None
    other: float | str | None


class FiredRule(Struct, frozen=True):
    """A rule whose condition held, and why."""

    rule: str
    action: Action
    mode: Mode
    sentence: str
    comparisons: tuple[Seen, ...]
