"""Figures as a reader sees them, and the sentences that report and summary share."""

import math
from collections.abc import Callable

from evaluation.result import Evaluation, Figure, InUse
from risk.catalogue import HISTORY_FEATURES, LEDGER_FEATURES
from trainer.calibrate import few_frauds
from trainer.families import ENSEMBLE

NOTHING = "–"  # noqa: RUF001  what cannot be said
MINUS = "\N{MINUS SIGN}"

Format = Callable[[float], str]


def share(value: float) -> str:
    return f"{100 * value:.1f} %"


def decimal(value: float) -> str:
    return f"{value:.3f}"


def fine(value: float) -> str:
    """For what is small when it is good."""
    return f"{value:.5f}"


def count(value: float) -> str:
    return f"{value:,.0f}".replace("-", MINUS)


def milliseconds(value: float) -> str:
    return f"{value:.2f}"


def per_day(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def lift(value: float) -> str:
    return f"{value:.1f} ×" if value < 10 else f"{value:.0f} ×"  # noqa: RUF001  the sign that is meant


def threshold(value: float) -> str:
    """Four places, or two digits where that would be nothing; never an exponent."""
    if value >= 10:
        return f"{value:,.2f}"
    if value >= 0.001 or value <= 0:
        return f"{value:.4f}"
    return f"{value:.{1 - math.floor(math.log10(value))}f}"


def probability_threshold(value: float) -> str:
    return threshold(value) if value <= 1 else "none"


def signed(value: float) -> str:
    return ("+" if value > 0 else "") + count(value)


def setting(value: object) -> str:
    """A hyper-parameter: what a search drew has more digits than anybody reads."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def money(currency: str) -> Format:
    def formatted(value: float) -> str:
        whole = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
        return f"{currency} {whole}".strip().replace("-", MINUS)

    return formatted


FLAGS_NOTHING = {
    "cap": "on the validation period the threshold of least cost raised more cases than the cap allows, and so did "
    "every other",
    "cost": "on the validation period no case was worth its review",
}

FOLDS_AFTER_CHOICE = (
    "What validation chose, the hyper-parameters of a search or the weights of an ensemble, was chosen once, on the "
    "validation period of the whole training, and not again for each fold. That period lies before some of these tests "
    "and within others, so the figures here flatter a little."
)


def why_not_exact(champion: str) -> str:
    """Why a report does not say what each feature adds to single scores."""
    if champion == ENSEMBLE:
        return ("The score of an ensemble is the mean of what several models say, and such a mean cannot be divided "
                "exactly into what each feature adds to it.")  # fmt: skip
    return "For this kind of model it cannot be computed exactly what each feature adds to a score."


MONEY_TAKES_FOR_GRANTED = (
    "Whatever is flagged counts as stopped before the money is gone, and so does what its case stops later that day. A "
    "team that looks at its cases hours later saves less. What it costs to disturb a good customer is not in it."
)
LATE_LABELS = (
    "A fraud that was not yet reported when the file was written counts as genuine: of the last days before that fewer "
    "are known, and a case that is right may count as wrong."
)

DRAWN_AT_RANDOM = (
    "the test was drawn at random from the same days and customers that the models learned from. Live, a model meets "
    "days that it has not seen, so expect less than these figures."
)


def in_use_sentences(in_use: InUse, currency: str) -> list[str]:
    """Sentences: the champion beside the bundle that was in use, at equal work."""
    if in_use.comparison is None:
        return [f"{in_use.version}, which was in use, could not be compared: {in_use.not_compared}."]
    both, more = in_use.comparison, in_use.comparison.frauds_caught
    ours, theirs = (_percent(money.recall) for money in (both.money, both.other_money))
    said = [
        f"Beside {in_use.version}, which was in use, each with at most {per_day(both.cases_per_day)} cases a day in "
        f"the test: it catches {ours} of the frauds and not {theirs}, a difference of {with_interval(more, _points)} "
        f"points; it stops {currency} {with_interval(both.saved, signed)} more of losses, and its average precision is "
        f"higher by {with_interval(both.average_precision, _signed_decimal)}."
    ]
    margin = f"the margin of {_percent(in_use.margin)} of the frauds"
    if more.value is not None and more.value >= 0:
        said.append("So it caught no fewer of them.")
    elif more.value is not None:
        said.append(f"So it is worse by {'no more than' if in_use.is_as_good else 'perhaps more than'} {margin}.")
    return [*said, *([f"Not quite fair: {in_use.caution}."] if in_use.caution else [])]


def _percent(value: float | None) -> str:
    return NOTHING if value is None else share(value)


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", MINUS)


def _signed_decimal(value: float) -> str:
    return f"{value:+.3f}".replace("-", MINUS)


def with_interval(figure: Figure, form: Format) -> str:
    if figure.value is None:
        return NOTHING
    if figure.low is None or figure.high is None:
        return form(figure.value)
    return f"{form(figure.value)} ({form(figure.low)} to {form(figure.high)})"


TOO_GOOD_AUC = 0.99
OF_THE_PAST = frozenset(feature.name for feature in (*HISTORY_FEATURES, *LEDGER_FEATURES))
ONE_CARRIES, IS_GOOD = 0.9, 0.5  # of the average precision, which must be worth carrying


def few_frauds_of(evaluation: Evaluation) -> list[str]:
    """Where chance alone may have made the figures, by period. Of data of another source only the test is its own."""
    periods = [("fit", evaluation.fit_frauds or 0), ("validation", evaluation.validation.frauds),
               ("test", evaluation.test.frauds)]  # fmt: skip
    return [text for name, frauds in periods for text in [few_frauds(name, frauds)] if text is not None]


def caution(evaluation: Evaluation) -> str | None:
    """What to check before the figures are believed: real fraud is never told apart so well, or by one thing alone."""
    champion = evaluation.winner
    area, precision = champion.metrics.roc_auc.value, champion.metrics.average_precision.value
    name, lost = max(champion.importances, key=lambda pair: pair[1], default=(None, 0.0))
    check = f"Check that {name or 'every attribute'} is known at the moment of the transaction, not only afterwards"
    if name in OF_THE_PAST:
        check = (
            f"{name} is computed from earlier transactions: check that their times, customers and merchants are those"
            " of the moment, and were not changed once the frauds were known"
        )
    if area is not None and area >= TOO_GOOD_AUC:
        most = f", most of it from {name}" if name else ""
        return f"too good to be true: a ROC-AUC of {area:.3f}{most}. {check}."
    if name and precision is not None and precision >= IS_GOOD and lost >= ONE_CARRIES * precision:
        share_lost = f"{lost / precision:.0%} of the average precision are lost"
        return f"{name} carries nearly everything: without it {share_lost}. {check}."
    return None
