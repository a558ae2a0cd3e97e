"""What the reporter knows of a store at one moment. Frozen values: read once, shown by metrics, JSON, terminal and
pages alike.

Times are integer milliseconds UTC, days are counted from 1970, money is in major units. A figure that cannot be said is
None, never 0. `transactions` are scored transactions: each is one row of risk_flags.
"""

from msgspec import Struct

from evaluation.drifting import Drifting
from evaluation.live import Cases, OwnThresholds
from risk.clock import SECOND
from risk.store import GONE_AFTER_SECONDS
from risk.warming_up import LabelSilence, WarmingUp

MISSING = "missing"  # the category or channel of a transaction without one
OTHER = "other"  # all categories and channels beyond the largest fifty together
LARGEST = 50

# Where the bars of the score distribution begin: [0, 0.05), [0.05, 0.1), ..., [0.95, 1].
SCORE_STEPS = 20

WINDOWS = (7, 30)  # days


class Unready(Struct, frozen=True):
    """There is nothing to show yet, or no longer, and why."""

    reason: str
    is_reading: bool = False  # the store is there, and is being read for the first time


class Amounts(Struct, frozen=True):
    """The money of one currency."""

    currency: str
    transactions: int
    known: int  # of those, with an amount
    total: float
    average: float | None  # of the known ones


class Day(Struct, frozen=True):
    """One UTC day of event time."""

    day: int
    transactions: int
    alerts: int
    reviews: int


class Month(Struct, frozen=True):
    """Transactions of one level and currency in one month of event time, UTC."""

    month: str  # 2024-12
    level: str
    currency: str
    transactions: int
    total: float  # of the known amounts


class Place(Struct, frozen=True):
    """How far a partition of an input topic is."""

    topic: str
    partition: int
    next_offset: int
    newest_event: int | None


class LabelCounts(Struct, frozen=True):
    """Labels as they came, every version."""

    fraud: int
    genuine: int
    newest: int | None  # the latest labelled_at

    @property
    def total(self) -> int:
        return self.fraud + self.genuine


class LabelDelay(Struct, frozen=True):
    """From a fraud to the label in force that says so, in milliseconds."""

    frauds: int
    median: int
    ninth_decile: int
    longest: int


class Money(Struct, frozen=True):
    """In one currency; what of it was at stake is known only where a fraud has an amount in its bundle's currency."""

    currency: str
    saved: float  # loss that cases stopped, before the cost of reviews
    lost: float  # loss that they did not
    review: float  # cost of the cases

    @property
    def gain(self) -> float:
        """What is better than flagging nothing, reviews paid."""
        return self.saved - self.review


class DecidedCases(Struct, frozen=True):
    """Some of the cases, by what opened them."""

    cases: int
    with_fraud: int | None  # and so the next: None without any label in the store
    precision: float | None  # None without cases


class Quality(Struct, frozen=True):
    """How right the cases were, over the last so many days whose labels are due.

    A case is all alerts and reviews of a customer on one UTC day: one review. A fraud is caught if it, or an earlier
    transaction of that customer on that day, was an alert or a review. A transaction whose label is due and did not
    come counts as genuine, as in training. Without any label in the store all but the counts of cases is None.
    docs/cost.md.
    """

    days: int  # asked for
    days_due: int  # of those, with flags and with all labels due
    last_day: int | None  # the newest of them
    transactions: int
    customer_days: int
    alerts: int  # cases, and so in the next two: metrics and JSON have called them alerts since version 0.1
    alerts_with_fraud: int | None
    alerts_unlabelled: int | None  # no label on what raised them, and no fraud known of that customer and day
    frauds_caught: int | None
    frauds_missed: int | None
    precision: float | None  # cases with a fraud, of all
    recall: float | None  # frauds caught, of all
    false_positive_rate: float | None  # cases, of the customer-days without a fraud
    money: tuple[Money, ...]  # by currency; empty where it cannot be said
    label_delay: LabelDelay | None  # of the frauds
    with_alert: DecidedCases  # of the cases, those with an alert among what is in them
    reviews_alone: DecidedCases  # the others
    days_learned: int = 0  # of days_due, those that a bundle which scored them was trained or its thresholds chosen on


class Calibration(Struct, frozen=True):
    """Over the last 30 days whose labels are due: frauds that the scores promise, and those that there were."""

    days: int
    expected: float | None  # by the mean score of the samples; None of less than a thousand
    frauds: int | None  # None without any label


class ShadowWindow(Struct, frozen=True):
    """Over so many days up to the newest event, of the transactions that both scored; and over so many up to the newest
    whose labels are due, but for those that one of the two learned from or was tested on."""

    days: int  # asked for
    transactions: int
    others: int  # on days on which both were to score, that were given up or scored beside another bundle
    given: int  # likewise, that the challenger decided itself, for its share of the customers
    same_level: float | None  # share
    cases: Cases
    days_due: int
    days_learned: int  # left out
    last_day: int | None  # the newest that is judged
    judged: OwnThresholds | None  # None where no labels are due; `alerts` are cases


class Shadow(Struct, frozen=True):
    """The challenger beside the bundle in use, each at its own threshold."""

    challenger: str | None = None  # None: nothing is in the shadow
    in_use: str | None = None  # None: there is no transaction yet that both scored
    currency: str | None = None  # None: the manifest of the bundle in use cannot be read
    windows: tuple[ShadowWindow, ...] = ()  # one for each of WINDOWS
    percent: float | None = None  # of the customers, for whom the challenger decides; None where it has no share
    share_since: int | None = None  # from when on
    share_ended: int = 0  # partitions in which it has decided, and does not any more


class LastRetraining(Struct, frozen=True):
    """The newest one, by the clock of who does it."""

    number: int
    begun_at: int
    alive_at: int  # when it said last that it goes on
    outcome: str | None  # None: it is under way, or was killed and nobody has found out yet
    version: str | None
    why: str | None
    worked_at: int  # when the newest began that did its work; before there was one, when the first began
    every_ms: int | None  # how often one is to begin; None where nobody said so

    @property
    def is_failed(self) -> bool:
        return self.outcome in ("failed", "killed")

    def is_silent(self, now_ms: int) -> bool:
        """It has not ended, and does not say that it goes on. The clock is that of the machine, which has one store."""
        return self.outcome is None and now_ms - self.alive_at > GONE_AFTER_SECONDS * SECOND


class Kpis(Struct, frozen=True):
    transactions: int
    by_level: dict[str, int]  # low, medium, high, always all three
    high_rate: float | None  # high, of all
    by_decision: dict[str, int]  # none, review, alert, always all three; without rules, what is high is an alert
    alert_rate: float | None  # alerts, of all
    by_category: dict[str, int]  # the largest first
    high_by_category: dict[str, int]  # the same names in the same order, and so in the next
    alerts_by_category: dict[str, int]
    by_channel: dict[str, int]
    high_by_channel: dict[str, int]
    alerts_by_channel: dict[str, int]
    by_bundle: dict[str, int]
    amounts: tuple[Amounts, ...]  # by currency, in the order of their codes
    customers: int
    customers_estimated: bool  # above a million, within about 2 %
    scores: tuple[int, ...]  # a count for each bar
    alerts_last_hour: int  # up to the newest event
    alerts_last_day: int
    reviews_last_hour: int
    reviews_last_day: int
    days: tuple[Day, ...]  # the newest 38 up to the newest event, empty ones too, oldest first
    months: tuple[Month, ...]  # the newest sixty, newest first
    newest_event: int | None
    newest_write: int  # when the store's file was last written, by the clock
    places: tuple[Place, ...]
    labels: LabelCounts
    warming_up: WarmingUp | None  # scores see less of the past than their bundle's longest window looks at
    label_silence: LabelSilence | None  # no label came for longer than the label delay
    quality: tuple[Quality, ...]  # one for each of WINDOWS
    drift: Drifting
    calibration: Calibration
    shadow: Shadow
    retraining: LastRetraining | None  # None: nothing was retrained yet
    unknown_bundles: tuple[str, ...]  # named by flags, but without a manifest that can be read: their days are not due
