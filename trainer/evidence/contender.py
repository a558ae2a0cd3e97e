"""One contender on the test rows: a model or a baseline, its figures, and their intervals."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from risk.codes import Array
from trainer.evidence.bootstrap import Draws, Figure, Formula, Sampled, figure
from trainer.evidence.card_precision import PLACES, CardPrecision, card_precision
from trainer.evidence.judged import Judged
from trainer.evidence.kinds import rows_of_kinds
from trainer.evidence.metrics import Confusion, Ranking, brier, confusion, ratio
from trainer.evidence.money import Money
from trainer.evidence.policies import Costs, Policy, Scored, of_probability, scored


class Contender(NamedTuple):
    """A model or a baseline that was trained, with its predictions."""

    name: str
    validation: Judged
    test: Judged
    threshold: float  # high; chosen on its own validation
    medium: float
    importances: tuple[tuple[str, float], ...]  # permutation, top 12; () for baselines
    milliseconds_per_1000_rows: float | None


class Contested:
    """One contender on the test rows: what is computed once, then its figures."""

    def __init__(self, contender: Contender, costs: Costs) -> None:
        test = contender.test
        self.contender, self._costs = contender, costs
        self.scored: Scored = scored(test, costs)
        self.policy: Policy = of_probability(contender.name, self.scored, contender.threshold)
        self._confusion = confusion(test.scores, test.is_fraud, contender.threshold)
        self._brier = brier(test.scores, test.is_fraud)
        self._ranking = Ranking(test.scores, test.is_fraud)
        self._areas = self._ranking.areas(np.ones(len(test.scores), np.int64))
        self._cards: CardPrecision = card_precision(test)
        self._kinds = rows_of_kinds(test)

    def sampled(self) -> Sampled:
        test, flagged = self.contender.test, self.contender.test.scores >= self.contender.threshold
        columns: dict[str, Array] = {
            **self.policy.columns,
            "rows": np.ones(len(flagged), bool),
            "flagged": flagged,
            "flagged_frauds": flagged & test.is_fraud,
            "distance": (test.scores - test.is_fraud) ** 2,
            "listed": self._cards.listed,
            "hits": self._cards.hits,
        }
        formulas: dict[str, Formula] = {**money_formulas(self._costs, test.days), **_CONFUSION_FORMULAS}
        formulas["brier"] = lambda sums: ratio(sums["distance"], sums["rows"])
        filled = float(ratio(self._cards.listed.sum(), PLACES * self._cards.days))
        formulas["card_precision"] = lambda sums: filled * ratio(sums["hits"], sums["listed"])
        for place, mask in enumerate(self._kinds.values()):
            columns[f"kind {place}"] = mask
            columns[f"caught {place}"] = mask * self.policy.columns["caught"]
            formulas[f"kind {place}"] = _recall_of_kind(place)
        return Sampled(columns, formulas, self._ranking)

    def described(self, draws: dict[str, Draws], best: "Best | None", *, is_baseline: bool) -> dict[str, Any]:
        cells: Confusion = self._confusion
        values = {
            "average_precision": self._areas.average_precision,
            "roc_auc": self._areas.roc_auc,
            "brier": self._brier,
            "precision": cells.precision,
            "recall": cells.recall,
            "f1": cells.f1,
            "accuracy": cells.accuracy,
            "card_precision": self._cards.value,
        }
        contender = self.contender
        return {
            "name": contender.name,
            "is_baseline": is_baseline,
            "threshold": contender.threshold,
            "medium": contender.medium,
            "metrics": {name: drawn_figure(value, draws, name) for name, value in values.items()},
            "card_precision_possible": plain(self._cards.possible),
            "share_of_best": shares(self._areas._asdict(), draws, best) if best else None,
            "confusion": cells._asdict(),
            "money": money_figures(self.policy.money, draws),
            "kinds": [self._kind(place, name, mask, draws) for place, (name, mask) in enumerate(self._kinds.items())],
            "importances": [[name, float(value)] for name, value in contender.importances],
            "milliseconds_per_1000_rows": contender.milliseconds_per_1000_rows,
        }

    def _kind(self, place: int, name: str, mask: Array, draws: dict[str, Draws]) -> dict[str, Any]:
        frauds, caught = int(mask.sum()), int((mask * self.policy.columns["caught"]).sum())
        recall = drawn_figure(caught / frauds, draws, f"kind {place}")
        amounts = np.nan_to_num(self.contender.test.amounts[mask])
        return {"kind": name, "frauds": frauds, "caught": caught, "recall": recall, "amount": float(amounts.sum())}


Best = Mapping[str, tuple[dict[str, Any], dict[str, Array]]]


def _recall_of_kind(place: int) -> Formula:
    return lambda sums: ratio(sums[f"caught {place}"], sums[f"kind {place}"])


def _of_cells(name: str) -> Formula:
    return lambda sums: getattr(_cells(sums), name)


def _cells(sums: Mapping[str, Array]) -> Confusion:
    caught, flagged, frauds = sums["flagged_frauds"], sums["flagged"], sums["frauds"]
    return Confusion(caught, flagged - caught, frauds - caught, sums["rows"] - flagged - frauds + caught)


_CONFUSION_FORMULAS: dict[str, Formula] = {name: _of_cells(name) for name in ("accuracy", "precision", "recall", "f1")}


def money_formulas(costs: Costs, days: int) -> dict[str, Formula]:
    cost = costs.review_cost
    return {
        "alerts_per_day": lambda sums: sums["alerts"] / days,
        "alert_precision": lambda sums: ratio(sums["alerts"] - sums["good_alerts"], sums["alerts"]),
        "alert_recall": lambda sums: ratio(sums["caught"], sums["frauds"]),
        "good_customers_flagged": lambda sums: sums["good_alerts"],
        "saved": lambda sums: sums["saved"],
        "gain": lambda sums: sums["saved"] - cost * sums["alerts"],
        "cost": lambda sums: sums["lost"] + cost * sums["alerts"],
    }


def policy_sample(other: Policy, costs: Costs, days: int) -> Sampled:
    return Sampled(other.columns, money_formulas(costs, days), None)


def money_figures(money: Money, draws: dict[str, Draws]) -> dict[str, Any]:
    return {
        **money._asdict(),
        "gain": drawn_figure(money.gain, draws, "gain"),
        "alerts_per_day": drawn_figure(money.alerts_per_day, draws, "alerts_per_day"),
        "precision": drawn_figure(money.precision, draws, "alert_precision"),
        "recall": drawn_figure(money.recall, draws, "alert_recall"),
        "cost": drawn_figure(money.cost, draws, "cost"),
    }


def shares(areas: Mapping[str, float], draws: dict[str, Draws], best: Best) -> dict[str, Any]:
    """0 is chance and 1 is what the true probabilities reach on these very rows. Chance is 0.5 for the ROC-AUC."""
    shares = {}
    for name, chance in (("roc_auc", 0.5), ("average_precision", 0.0)):
        limit, limit_draws = best[name]
        value = ratio(areas[name] - chance, np.nan if limit["value"] is None else limit["value"] - chance)
        drawn = {
            unit: {name: ratio(answer[name] - chance, limit_draws[unit] - chance)} for unit, answer in draws.items()
        }
        shares[name] = drawn_figure(value, drawn, name)
    return shares


def drawn_figure(value: float | None, draws: Mapping[str, Mapping[str, Array]], name: str) -> dict[str, Any]:
    made: Figure = figure(value, {unit: answer[name] for unit, answer in draws.items()})
    return made._asdict()


def plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
