"""All figures of a report, as plain values: models and baselines side by side, on one set of test rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from risk.codes import Array
from risk.errors import EngineError
from trainer.evidence.bootstrap import CONFIDENCE, Draws, Sampled, draw_all, units_of
from trainer.evidence.contender import (
    Best,
    Contender,
    Contested,
    drawn_figure,
    money_figures,
    plain,
    policy_sample,
)
from trainer.evidence.judged import NO_MERCHANT, Judged
from trainer.evidence.metrics import Ranking, ratio
from trainer.evidence.money import NO_SCORE, Accounting
from trainer.evidence.policies import Costs, Policy, rivals
from trainer.evidence.sweep import levels, sweep
from trainer.train import DEFAULT_RESAMPLES


def judge(
    contenders: Sequence[Contender],
    baselines: Sequence[Contender],
    champion: str,
    truth: Array | None,
    *,
    review_cost: float,
    loss_rate: float,
    alerts_per_day: float | None,
    seed: int,
    resamples: int = DEFAULT_RESAMPLES,
) -> dict[str, Any]:
    """JSON-able. A figure is {value, low, high, unit}: the 95 % interval, and whether customers or merchants gave it.

    `truth`: the true probability of each test row, where the data comes with it.
    """
    everyone = (*contenders, *baselines)
    first = _place_of(contenders, champion)
    winner = contenders[first]
    test, costs = winner.test, Costs(review_cost, loss_rate, alerts_per_day)
    _check_same_rows(everyone, truth)

    own = [Contested(each, costs) for each in everyone]
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


def _why_nothing(winner: Contender, costs: Costs) -> str | None:
    """Why the champion flags nothing, if so: "cap", where without it there would be alerts; otherwise "cost"."""
    if winner.threshold < NO_SCORE:
        return None
    accounting = Accounting(winner.validation, review_cost=costs.review_cost, loss_rate=costs.loss_rate)
    return "cap" if accounting.at(accounting.best_threshold(None)).alerts else "cost"


def _best_possible(truth: Array, test: Judged, draws: dict[str, Draws]) -> Best:
    areas = Ranking(truth, test.is_fraud).areas(np.ones(len(truth), np.int64))
    return {
        name: (drawn_figure(value, draws, name), {unit: answer[name] for unit, answer in draws.items()})
        for name, value in areas._asdict().items()
    }


def _period(judged: Judged) -> dict[str, Any]:
    frauds, known = int(judged.is_fraud.sum()), judged.merchants[judged.merchants != NO_MERCHANT]
    amounts = np.nan_to_num(judged.amounts)
    return {
        "transactions": len(judged.scores),
        "days": judged.days,
        "first": int(judged.event_times.min()) if len(judged.event_times) else None,
        "last": int(judged.event_times.max()) if len(judged.event_times) else None,
        "customers": len(np.unique(judged.customers)),
        "merchants": len(np.unique(known)) or None,
        "frauds": frauds,
        "fraud_share": plain(ratio(frauds, len(judged.scores))),
        "amount": float(amounts.sum()),
        "fraud_amount": float(amounts[judged.is_fraud].sum()),
        "amounts_missing": int(np.isnan(judged.amounts).sum()),
    }


def _missing(winner: Contender, units: tuple[str, ...]) -> list[str]:
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


def _place_of(contenders: Sequence[Contender], champion: str) -> int:
    names = [each.name for each in contenders]
    if champion in names:
        return names.index(champion)
    raise EngineError(
        f"champion: got {champion!r}, expected one of the contenders ({', '.join(names)}); name one of them"
    )


def _check_same_rows(everyone: Sequence[Contender], truth: Array | None) -> None:
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
