"""Which bundle is put in use: not one that ranks worse than what anybody could do without it."""

from collections.abc import Mapping
from typing import Any

from trainer.training.contest import AMOUNT_ALONE


def why_not(figures: Mapping[str, Any]) -> str | None:
    """What speaks against the champion in the test; None where nothing does, or where nothing can be said."""
    reached = _average_precision(figures, figures["champion"])
    if reached is None:
        return None
    chance, amount = figures["test"]["fraud_share"], _average_precision(figures, AMOUNT_ALONE)
    better = []
    if chance >= reached:
        better.append(f"chance (the share of fraud) reached {chance:.4f}")
    if amount is not None and amount > reached:
        better.append(f"{AMOUNT_ALONE} reached {amount:.4f}")
    return f"its average precision in the test is {reached:.4f}, and {' and '.join(better)}" if better else None


def _average_precision(figures: Mapping[str, Any], name: str) -> float | None:
    found = [model["metrics"]["average_precision"]["value"] for model in figures["models"] if model["name"] == name]
    return found[0] if found else None
