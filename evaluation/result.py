"""What an evaluation comes to: written as metrics.json and into a bundle, read by report, summary and promotion.

Money is in the data's currency, times are milliseconds UTC. None: it cannot be said; it is never 0. A new field needs a
default, so that what an older version wrote can be read.
"""

from typing import Any

from msgspec import Struct

from evaluation.data_quality import DataQuality


class Figure(Struct, frozen=True):
    """A figure and its 95 % interval."""

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str | None = None  # what was drawn for the interval: where two were tried, the one with the wider interval


class AreaFigures(Struct, frozen=True):
    """Two figures of a ranking, or their shares of what is possible."""

    roc_auc: Figure
    average_precision: Figure


class Metrics(Struct, frozen=True):
    """Of single transactions; precision to accuracy at the model's own threshold."""

    average_precision: Figure
    roc_auc: Figure
    brier: Figure
    precision: Figure
    recall: Figure
    f1: Figure
    accuracy: Figure
    card_precision: Figure


class OnValidation(Struct, frozen=True):
    """The same figures of single transactions on validation, where calibration and threshold were chosen."""

    average_precision: float | None
    roc_auc: float | None
    brier: float | None
    precision: float | None
    recall: float | None


class Cells(Struct, frozen=True):
    """Transactions at the model's own threshold."""

    caught: int
    false_alarms: int
    missed: int
    passed: int


class Money(Struct, frozen=True):
    """One threshold over one period, by cases. An alert is a case here, as metrics.json calls it."""

    alerts: int
    alerts_per_day: float
    frauds_caught: int
    frauds_missed: int
    precision: float | None  # cases on a day on which that customer had a fraud, of all; None without cases
    recall: float | None  # frauds caught, of all; None without frauds
    good_customers_flagged: int  # cases on a day on which that customer had no fraud
    saved: float  # loss that was stopped, before the cost of reviews
    lost: float  # loss that was not
    review: float
    cost: float  # lost + review
    value_recall: float | None = None  # of what could be lost, the share that was stopped; None where there was nothing


class NetMoney(Money, frozen=True, kw_only=True):
    gain: float  # saved - review: what is better than flagging nothing, net of review costs


class Level(Money, frozen=True, kw_only=True):
    """What the champion's threshold of a level did in the test."""

    level: str
    threshold: float


class SweepRow(NetMoney, frozen=True, kw_only=True):
    """What another threshold would have done in the test."""

    threshold: float
    is_chosen: bool


class MarkedThreshold(NetMoney, frozen=True, kw_only=True):
    """A threshold worth knowing on the curve of profit and loss."""

    name: str
    threshold: float


class GainRow(Struct, frozen=True):
    """A slice of the test's transactions, sorted from the highest score down, and all down to its end."""

    down_to: float  # share of all transactions
    transactions: int
    frauds: int
    lowest_score: float
    frauds_so_far: float  # share of all frauds, in this slice and those above
    value_so_far: float | None  # share of the frauds' amount; None where no amount is known
    lift: float  # share of fraud in this slice / share of fraud in all
    lift_so_far: float


class MoneyFigures(Struct, frozen=True):
    """As Money, with intervals."""

    alerts: int
    alerts_per_day: Figure
    frauds_caught: int
    frauds_missed: int
    precision: Figure
    recall: Figure
    good_customers_flagged: int
    saved: float
    lost: float
    review: float
    cost: Figure
    gain: Figure
    value_recall: Figure | None = None


class KindRecall(Struct, frozen=True):
    """How many frauds of one kind were caught."""

    kind: str
    frauds: int
    caught: int
    recall: Figure
    amount: float
    customers: int | None = None  # who had them; None of an evaluation that did not count them


class ModelEvaluation(Struct, frozen=True):
    """A model or a baseline in the test."""

    name: str
    is_baseline: bool
    threshold: float
    medium: float
    metrics: Metrics
    card_precision_possible: float | None
    share_of_best: AreaFigures | None  # where the true probabilities are known
    confusion: Cells
    money: MoneyFigures
    kinds: tuple[KindRecall, ...]
    importances: tuple[tuple[str, float], ...]  # permutation, the largest first; none of baselines
    milliseconds_per_1000_rows: float | None
    on_validation: OnValidation | None = None


class PolicyEvaluation(Struct, frozen=True):
    """The champion's threshold, or what could be done without it."""

    name: str
    meaning: str
    threshold: float | None
    money: MoneyFigures
    champion_better_by: Figure | None  # None: of the champion itself


class PeriodFacts(Struct, frozen=True):
    """What there is to be judged."""

    transactions: int
    days: int
    first: int | None
    last: int | None
    customers: int
    merchants: int | None
    frauds: int
    fraud_share: float | None
    amount: float
    fraud_amount: float
    amounts_missing: int


class Costs(Struct, frozen=True):
    """What thresholds are chosen for."""

    review_cost: float
    loss_rate: float
    alerts_per_day: float | None  # the most that the team can work; None: no cap


class PairedComparison(Struct, frozen=True):
    """Two models on the same rows, each at the threshold that gives it as many cases as the other; the differences
    are the first less the second, with intervals from the same draws."""

    name: str
    other: str
    cases_per_day: float  # the most that each was allowed
    money: NetMoney
    other_money: NetMoney
    frauds_caught: Figure  # the difference as a share of all frauds: 0.02 is two of a hundred
    saved: Figure  # the difference in loss prevented; reviews cost both the same
    average_precision: Figure


class InUse(Struct, frozen=True):
    """The champion beside the bundle that was in use when it was trained, on the rows of the test."""

    version: str
    margin: float  # the share of all frauds by which the champion may catch fewer
    comparison: PairedComparison | None
    not_compared: str | None = None  # why there is none
    caution: str | None = None  # why it is not quite fair

    @property
    def is_as_good(self) -> bool:
        """It caught no fewer frauds at equal work, or not so many fewer that the interval reaches beyond the margin."""
        more = None if self.comparison is None else self.comparison.frauds_caught
        if more is None or more.value is None:
            return False
        return more.value >= 0 or (more.value if more.low is None else more.low) >= -self.margin


class Proof(Struct, frozen=True):
    """That the served model is the trained one: what was compared, and came out right."""

    rows: int
    largest_difference: float
    batch_sizes: tuple[int, ...]
    batch_rows: int


class Fold(Struct, frozen=True):
    """One of several tests of the champion, trained anew. `note` says why there are no figures."""

    name: str
    transactions: int | None
    frauds: int | None
    average_precision: float | None
    roc_auc: float | None
    note: str | None
    learned_from: str | None = None  # the days; None where rows were drawn


class Refit(Struct, frozen=True):
    """The champion was fitted again before it was served, and stands among the models so. Its calibration and
    thresholds were chosen for its first fit: what that did in the test, and whether they still fit."""

    first_fit: ModelEvaluation
    expected_frauds: float  # as many as the served scores promise in the test: their sum
    first_expected_frauds: float
    drifted: tuple[str, ...]  # sentences


class TrialRound(Struct, frozen=True):
    """A setting fitted on the latest days of the fit period, and judged on validation."""

    days: int | None  # None where rows were drawn at random
    transactions: int
    average_precision: float


class Trial(Struct, frozen=True):
    """A setting that a search tried. The first of each model is what was asked for."""

    model: str
    parameters: dict[str, Any]  # those that a search draws
    rounds: tuple[TrialRound, ...]  # that it was in, the fewest days first
    is_chosen: bool


class Ratios(Struct, frozen=True):
    """A group's figures, divided by those of the largest group."""

    alert_rate: float | None
    precision: float | None
    recall: float | None
    false_positive_rate: float | None


class Segment(Struct, frozen=True):
    """Some of the test's transactions at the champion's threshold. A share of too few is missing."""

    name: str
    transactions: int
    frauds: int
    alerts: int
    alert_rate: Figure
    precision: Figure  # of transactions
    recall: Figure
    false_positive_rate: Figure
    note: str  # what there is too little of
    ratios: Ratios | None = None  # of groups of a sensitive attribute


class Segments(Struct, frozen=True):
    """The test's transactions by one attribute."""

    name: str
    segments: tuple[Segment, ...]
    is_sensitive: bool = False
    is_learned_from: bool = True


class Stretch(Struct, frozen=True):
    """A day or a week of the test, at the champion's threshold."""

    first: str  # date
    days: int
    transactions: int  # with a label
    unlabelled: int  # which no figure looks at
    frauds: int
    alerts: int  # transactions flagged
    cases: int
    right_cases: int
    frauds_caught: int
    fraud_loss: float  # what the frauds could cost
    saved: float
    drift: float | None = None  # of the score: population stability index against validation; None of too few
    drift_by_chance: float | None = None  # what it stays below in 19 of 20 periods in which nothing changes


class Course(Struct, frozen=True):
    """The test in the order of time."""

    days: tuple[Stretch, ...]
    weeks: tuple[Stretch, ...]
    drift: float | None  # of the whole test
    drift_by_chance: float | None = None


class Effect(Struct, frozen=True):
    """What values of a feature add to the log odds, on average."""

    values: str
    rows: int
    mean: float


class Contribution(Struct, frozen=True):
    """One feature of the champion, on the sample."""

    name: str
    meaning: str
    mean_absolute: float  # in log odds
    effects: tuple[Effect, ...]  # of the strongest


class Contributions(Struct, frozen=True):
    """Exact contributions to the champion's log odds, on a sample of test rows; the strongest features first."""

    rows: int
    frauds: int
    features: tuple[Contribution, ...]


class Evaluation(Struct, frozen=True, omit_defaults=True):
    """Models and baselines side by side, on one set of rows."""

    champion: str
    costs: Costs
    flags_nothing: str | None  # why the champion flags nothing: "cap" or "cost"
    confidence: float
    resamples: int
    seed: int
    test: PeriodFacts
    validation: PeriodFacts
    models: tuple[ModelEvaluation, ...]
    best_possible: AreaFigures | None  # what the true probabilities reach
    policies: tuple[PolicyEvaluation, ...]
    levels: tuple[Level, ...]
    missing: tuple[str, ...]  # sentences: what a reader may look for in vain
    sweep: tuple[SweepRow, ...] = ()
    proof: Proof | None = None
    external: "Evaluation | None" = None  # the same models on data of another source
    refit: Refit | None = None
    in_use: InUse | None = None  # none where nothing was in use
    folds: tuple[Fold, ...] | None = None  # of a report that was made again
    folds_follow_a_search: bool | None = None  # or another choice on validation, which no fold makes again
    is_random: bool = False  # the rows of the test were drawn, whatever their times
    is_refit: bool = False  # the champion was fitted again after validation chose
    quality: DataQuality | None = None
    contributions: Contributions | None = None  # None where the champion's family has no exact ones
    segments: tuple[Segments, ...] = ()
    course: Course | None = None
    gains: tuple[GainRow, ...] = ()  # of the champion; none in a test without fraud
    marked: tuple[MarkedThreshold, ...] = ()
    trials: tuple[Trial, ...] = ()  # of a search
    cases_per_day_of_all: float | None = None  # with what has no label and is not judged; None where all has one
    fit_frauds: int | None = None  # known in the fit period; None of data of another source, and of older bundles

    def model(self, name: str) -> ModelEvaluation | None:
        return next((each for each in self.models if each.name == name), None)

    @property
    def with_first_fit(self) -> tuple[ModelEvaluation, ...]:
        """For tables: the champion's first fit right behind what is served."""
        models = list(self.models)
        if self.refit is not None:
            models.insert(models.index(self.winner) + 1, self.refit.first_fit)
        return tuple(models)

    @property
    def winner(self) -> ModelEvaluation:
        """The champion's own figures."""
        return next(each for each in self.models if each.name == self.champion)
