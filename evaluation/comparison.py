"""One contender on the test rows: a model or a baseline, its figures, and their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from evaluation.bootstrap import CONFIDENCE, Draws, Figure, Formula, Sampled, draw_all, figure, units_of
from evaluation.card_precision import PLACES, CardPrecision, card_precision
from evaluation.money import (
    NO_SCORE,
    Accounting,
    Costs,
    Money,
    Policy,
    Scored,
    levels,
    of_probability,
    rivals,
    scored,
    sweep,
)
from evaluation.ranking import NO_MERCHANT, Confusion, Predictions, Ranking, brier, confusion, ratio
from risk.codes import Array
from risk.errors import EngineError


class ModelPredictions(NamedTuple):
    """A model or a baseline that was trained, with its predictions."""

    name: str
    validation: Predictions
    test: Predictions
    threshold: float  # high; chosen on its own validation
    medium: float
    importances: tuple[tuple[str, float], ...]  # permutation, top 12; () for baselines
    milliseconds_per_1000_rows: float | None


class ModelFigures:
    """One contender on the test rows: what is computed once, then its figures."""

    def __init__(self, contender: ModelPredictions, costs: Costs) -> None:
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


def judge(
    contenders: Sequence[ModelPredictions],
    baselines: Sequence[ModelPredictions],
    champion: str,
    truth: Array | None,
    *,
    review_cost: float,
    loss_rate: float,
    alerts_per_day: float | None,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """JSON-able. A figure is {value, low, high, unit}: the 95 % interval, and whether customers or merchants gave it.

    `truth`: the true probability of each test row, where the data comes with it.
    """
    everyone = (*contenders, *baselines)
    first = _place_of(contenders, champion)
    winner = contenders[first]
    test, costs = winner.test, Costs(review_cost, loss_rate, alerts_per_day)
    _check_same_rows(everyone, truth)

    own = [ModelFigures(each, costs) for each in everyone]
    main = own[first]
    others = rivals(winner.validation, test, main.policy.money.alerts, costs, seed)
    samples = [each.sampled() for each in own] + [policy_sample(other, costs, test.days) for other in others]
    if truth is not None:
        samples.append(Sampled({}, {}, Ranking(truth, test.is_fraud)))
    draws = {
        units.name: draw_all(samples, units, seed=seed, resamples=resamples)
        for units in units_of(test)
    }  # fmt: skip

    def drawn(place: int) -> dict[str, Draws]:
        return {unit: answers[place] for unit, answers in draws.items()}

    best = _best_possible(truth, test, drawn(len(samples) - 1)) if truth is not None else None
    described = [
        each.described(drawn(place), best, is_baseline=place >= len(contenders)) for place, each in enumerate(own)
    ]
    champion_draws = drawn(first)
    policies = [_described_policy(main.policy, champion_draws, None)] + [
        _described_policy(other, drawn(len(own) + place), (main.policy, champion_draws))
        for place, other in enumerate(others)
    ]
    return {
        "champion": champion,
        "costs": costs._asdict(),
        "flags_nothing": _why_nothing(winner, costs),
        "confidence": CONFIDENCE,
        "resamples": resamples,
        "seed": seed,
        "test": _period(test),
        "validation": _period(winner.validation),
        "models": described,
        "best_possible": {name: areas for name, (areas, _) in best.items()} if best else None,
        "policies": policies,
        "levels": levels(main.scored.accounting, winner.threshold, winner.medium),
        "sweep": sweep(main.scored.accounting, winner.threshold),
        "missing": _missing(winner, tuple(draws)),
    }


def _described_policy(
    each: Policy, draws: dict[str, Draws], champion: tuple[Policy, dict[str, Draws]] | None
) -> dict[str, Any]:
    """`better_by`: how much more the champion gains than this policy, from the same draws."""
    better_by = None
    if champion is not None:
        winner, winner_draws = champion
        differences = {unit: {"gain": winner_draws[unit]["gain"] - draws[unit]["gain"]} for unit in draws}
        better_by = drawn_figure(winner.money.gain - each.money.gain, differences, "gain")
    return {
        "name": each.name,
        "meaning": each.meaning,
        "threshold": each.threshold,
        "money": money_figures(each.money, draws),
        "champion_better_by": better_by,
    }


def _why_nothing(winner: ModelPredictions, costs: Costs) -> str | None:
    """Why the champion flags nothing, if so: "cap", where without it there would be alerts; otherwise "cost"."""
    if winner.threshold < NO_SCORE:
        return None
    accounting = Accounting(winner.validation, review_cost=costs.review_cost, loss_rate=costs.loss_rate)
    return "cap" if accounting.at(accounting.best_threshold(None)).alerts else "cost"


def _best_possible(truth: Array, test: Predictions, draws: dict[str, Draws]) -> Best:
    areas = Ranking(truth, test.is_fraud).areas(np.ones(len(truth), np.int64))
    return {
        name: (drawn_figure(value, draws, name), {unit: answer[name] for unit, answer in draws.items()})
        for name, value in areas._asdict().items()
    }


def _period(predictions: Predictions) -> dict[str, Any]:
    frauds, known = int(predictions.is_fraud.sum()), predictions.merchants[predictions.merchants != NO_MERCHANT]
    amounts = np.nan_to_num(predictions.amounts)
    return {
        "transactions": len(predictions.scores),
        "days": predictions.days,
        "first": int(predictions.event_times.min()) if len(predictions.event_times) else None,
        "last": int(predictions.event_times.max()) if len(predictions.event_times) else None,
        "customers": len(np.unique(predictions.customers)),
        "merchants": len(np.unique(known)) or None,
        "frauds": frauds,
        "fraud_share": plain(ratio(frauds, len(predictions.scores))),
        "amount": float(amounts.sum()),
        "fraud_amount": float(amounts[predictions.is_fraud].sum()),
        "amounts_missing": int(np.isnan(predictions.amounts).sum()),
    }


def _missing(winner: ModelPredictions, units: tuple[str, ...]) -> list[str]:
    """What the reader may look for in vain, and why."""
    said, test = [], winner.test
    if not test.is_fraud.any():
        said.append("The test period has no fraud: recall, F1, ROC-AUC, average precision and every figure of money "
                    "saved cannot be said. Test over a longer or another period.")  # fmt: skip
    if test.kinds is None:
        said.append("The data does not say which kind each fraud was, so there is no recall by kind.")
    if "merchants" not in units:
        said.append("The test has too few merchants to draw from them; all intervals draw customers.")
    if not winner.importances:
        said.append("The importance of the champion's features was not measured.")
    return said


def _place_of(contenders: Sequence[ModelPredictions], champion: str) -> int:
    names = [each.name for each in contenders]
    if champion in names:
        return names.index(champion)
    raise EngineError(
        f"champion: got {champion!r}, expected one of the contenders ({', '.join(names)}); name one of them"
    )


def _check_same_rows(everyone: Sequence[ModelPredictions], truth: Array | None) -> None:
    """Figures side by side mean nothing on different rows, and shared draws would not fit."""
    first = everyone[0].test
    for each in everyone:
        for field in ("event_times", "customers", "is_fraud"):
            if not np.array_equal(getattr(each.test, field), getattr(first, field)):
                raise EngineError(f"{each.name}: got other test rows ({field}) than {everyone[0].name}, expected the "
                                  "same rows in the same order; judge all on one test")  # fmt: skip
    if truth is not None and len(truth) != len(first.scores):
        raise EngineError(f"truth: got {len(truth)} true probabilities, expected one for each of {len(first.scores)} "
                          "test rows; hand over those of the test rows only")  # fmt: skip


UNNAMED = "(no kind given)"


def rows_of_kinds(predictions: Predictions) -> dict[str, Array]:
    """For each kind, its frauds as a mask over the rows, the most frequent first. Empty where the data has no kinds."""
    if predictions.kinds is None or not predictions.is_fraud.any():
        return {}
    names = np.array([kind or UNNAMED for kind in predictions.kinds])
    words, counts = np.unique(names[predictions.is_fraud], return_counts=True)
    order = np.lexsort((words, -counts))
    return {str(word): predictions.is_fraud & (names == word) for word in words[order]}
