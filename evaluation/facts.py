"""What there is to be judged, what was promised on validation, and what the reader may look for in vain."""

import numpy as np

from evaluation.card_precision import FEWEST_CUSTOMERS, CardPrecision
from evaluation.ranking import NO_MERCHANT, Predictions, areas, brier, confusion, ratio
from evaluation.result import OnValidation, PeriodFacts


def plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def period_facts(predictions: Predictions) -> PeriodFacts:
    frauds, known = int(predictions.is_fraud.sum()), predictions.merchants[predictions.merchants != NO_MERCHANT]
    amounts, times = np.nan_to_num(predictions.amounts), predictions.event_times
    return PeriodFacts(
        transactions=len(predictions.scores),
        days=predictions.days,
        first=int(times.min()) if len(times) else None,
        last=int(times.max()) if len(times) else None,
        customers=len(np.unique(predictions.customers)),
        merchants=len(np.unique(known)) or None,
        frauds=frauds,
        fraud_share=plain(ratio(frauds, len(predictions.scores))),
        amount=float(amounts.sum()),
        fraud_amount=float(amounts[predictions.is_fraud].sum()),
        amounts_missing=int(np.isnan(predictions.amounts).sum()),
    )


def missing(
    test: Predictions, units: tuple[str, ...], cards: CardPrecision, *, has_importances: bool
) -> tuple[str, ...]:
    """What the reader may look for in vain, and why."""
    said = []
    if not test.is_fraud.any():
        said.append("The test period has no fraud: recall, F1, ROC-AUC, average precision and every figure of money "
                    "saved cannot be said. Test over a longer or another period.")  # fmt: skip
    if test.kinds is None:
        said.append("The data does not say which kind each fraud was, so there is no recall by kind.")
    if "merchants" not in units:
        said.append("The test has too few merchants to draw from them; all intervals draw customers.")
    if cards.says_nothing:
        said.append(f"CP@{cards.places} is left out: on an average day of the test there are "
                    f"{cards.customers_per_day:,.0f} customers, and a list of {cards.places} of them says little. From "
                    f"{FEWEST_CUSTOMERS * cards.places} on it is there.")  # fmt: skip
    if not has_importances:
        said.append("The importance of the champion's features was not measured.")
    return tuple(said)


def on_validation(validation: Predictions, threshold: float) -> OnValidation:
    scores, is_fraud = validation.scores, validation.is_fraud
    found, cells = areas(scores, is_fraud), confusion(scores, is_fraud, threshold)
    return OnValidation(
        average_precision=plain(found.average_precision),
        roc_auc=plain(found.roc_auc),
        brier=plain(brier(scores, is_fraud)),
        precision=plain(cells.precision),
        recall=plain(cells.recall),
    )
