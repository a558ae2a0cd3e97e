"""Models and baselines side by side, on one set of rows: their figures, with intervals from the same draws."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from evaluation.bootstrap import (
    CONFIDENCE,
    DrawsByUnit,
    Formula,
    Sampled,
    Units,
    draw_all,
    drawn_figure,
    figure,
    units_of,
)
from evaluation.card_precision import PLACES, CardPrecision, card_precision
from evaluation.contributions import ContributionSample, contributions_of
from evaluation.course import course_of
from evaluation.facts import missing, on_validation, period_facts, plain
from evaluation.gain import gain_rows
from evaluation.money import (
    NO_SCORE,
    Accounting,
    Policy,
    Scored,
    customer_days,
    levels,
    marked,
    money_figures,
    money_formulas,
    of_probability,
    policy,
    rivals,
    scored,
    sweep,
)
from evaluation.ranking import Confusion, Predictions, Ranking, areas, brier, confusion, ratio, shares_of_groups
from evaluation.refit import refit_of
from evaluation.result import (
    AreaFigures,
    Cells,
    Costs,
    Evaluation,
    Figure,
    KindRecall,
    Metrics,
    ModelEvaluation,
    PairedComparison,
    PolicyEvaluation,
)
from evaluation.segments import Grouping, rows_of_kinds, segments_of
from risk.codes import Array
from risk.errors import EngineError


class ModelPredictions(NamedTuple):
    """A model or a baseline that was fitted, with its predictions."""

    name: str
    validation: Predictions
    test: Predictions
    threshold: float  # high; chosen on its own validation
    medium: float
    importances: tuple[tuple[str, float], ...]  # permutation, top 12; () for baselines
    milliseconds_per_1000_rows: float | None
    contributions: ContributionSample | None = None  # of a champion whose family can say them
    validation_work: Predictions | None = None  # validation with what has no label, where there is any
    test_work: Predictions | None = None  # the test with what has no label, of the champion


class Context(NamedTuple):
    """What is known of the test beside its predictions."""

    groupings: Sequence[Grouping] = ()
    unlabelled: Array = np.empty(0, np.int64)  # times of transactions of the period that have no label
    is_random: bool = False  # rows were drawn, whatever their times
    is_refit: bool = False  # the champion was fitted again: its validation is that of its first fit


NO_CONTEXT = Context()


def compare(
    models: Sequence[ModelPredictions],
    baselines: Sequence[ModelPredictions],
    champion: str,
    truth: Array | None,
    costs: Costs,
    *,
    seed: int,
    resamples: int,
    context: Context = NO_CONTEXT,
    first_fit: ModelPredictions | None = None,
) -> Evaluation:
    """`truth`: the true probability of each test row, where the data comes with it. `first_fit`: the champion as it was
    before it was fitted again."""
    everyone = (*models, *baselines, *(() if first_fit is None else (first_fit,)))
    first = _place_of(models, champion)
    winner = models[first]
    test = winner.test
    _check_same_rows([(each.name, each.test) for each in everyone])
    if truth is not None and len(truth) != len(test.scores):
        raise EngineError(f"truth: got {len(truth)} true probabilities, expected one for each of {len(test.scores)} "
                          "test rows; hand over those of the test rows only")  # fmt: skip

    own = [ModelFigures(each, costs) for each in everyone]
    main = own[first]
    work = winner.validation_work or winner.validation
    others = rivals(winner.validation, work, test, main.policy.money.alerts, costs, seed)
    samples = [each.sampled() for each in own]
    samples += [Sampled(other.columns, money_formulas(costs, test.days), None) for other in others]
    if truth is not None:
        samples.append(Sampled({}, {}, Ranking(truth, test.is_fraud)))
    units = units_of(test)
    draws = {each.name: draw_all(samples, each, seed=seed, resamples=resamples) for each in units}

    def drawn(place: int) -> DrawsByUnit:
        return {unit: answers[place] for unit, answers in draws.items()}

    best = None if truth is None else BestPossible(truth, test, drawn(len(samples) - 1))
    are_baselines = [False] * len(models) + [True] * len(baselines) + [False] * (first_fit is not None)
    evaluated = [
        each.evaluated(drawn(place), best, units, is_baseline=is_baseline)
        for place, (each, is_baseline) in enumerate(zip(own, are_baselines, strict=True))
    ]
    if context.is_refit:  # no rows are left that it has not seen: validation is its first fit's
        evaluated[first] = replace(evaluated[first], on_validation=None)
    again = None if first_fit is None else refit_of(winner.test, evaluated[first], first_fit.test, evaluated.pop())
    # Scores of another fit would look like a drift.
    of_test = first_fit.test.scores if first_fit else None if context.is_refit else test.scores
    return Evaluation(
        champion=champion,
        costs=costs,
        flags_nothing=_why_nothing(winner, costs),
        confidence=CONFIDENCE,
        resamples=resamples,
        seed=seed,
        test=period_facts(test),
        validation=period_facts(winner.validation),
        models=tuple(evaluated),
        best_possible=best.areas if best else None,
        policies=(
            _evaluated_policy(main.policy, drawn(first), None),
            *(
                _evaluated_policy(other, drawn(len(own) + place), (main.policy, drawn(first)))
                for place, other in enumerate(others)
            ),
        ),
        levels=levels(main.scored.accounting, winner.threshold, winner.medium),
        missing=missing(test, tuple(draws), main.cards, has_importances=bool(winner.importances)),
        sweep=sweep(main.scored.accounting, winner.threshold),
        segments=tuple(segments_of(test, winner.threshold, grouping) for grouping in context.groupings),
        course=course_of(test, winner.validation, of_test, winner.threshold, main.policy.columns, context.unlabelled),
        is_random=context.is_random,
        is_refit=context.is_refit,
        contributions=contributions_of(winner.contributions),
        refit=again,
        gains=gain_rows(test),
        marked=marked(main.scored.accounting, winner.threshold, winner.medium),
        cases_per_day_of_all=None if winner.test_work is None else _cases_per_day(winner.test_work, winner.threshold),
    )


def _cases_per_day(work: Predictions, threshold: float) -> float:
    by_day = customer_days(work)
    return int((by_day.peaks >= threshold).sum()) / work.days


def paired(
    named: tuple[str, Predictions],
    other: tuple[str, Predictions],
    costs: Costs,
    cases_per_day: float,
    *,
    seed: int,
    resamples: int,
    work: tuple[Predictions, Predictions] | None = None,
) -> PairedComparison:
    """Two models at equal work: each raises the most cases that are no more than `cases_per_day` in the period. Their
    own thresholds play no part, so that only who ranks the frauds higher can win. `work`: the same days with what has
    no label, where there is any: a case takes as long without one."""
    sides = [(name, scored(predictions, costs)) for name, predictions in (named, other)]
    _check_same_rows([(name, side.predictions) for name, side in sides])
    test = sides[0][1].predictions
    counted = [side for _, side in sides] if work is None else [scored(each, costs) for each in work]
    policies = [
        policy(name, "", side, threshold_at(every, cases_per_day))
        for (name, side), every in zip(sides, counted, strict=True)
    ]
    samples = [
        Sampled(each.columns, money_formulas(costs, test.days), Ranking(side.predictions.scores, test.is_fraud))
        for each, (_, side) in zip(policies, sides, strict=True)
    ]
    reached = [areas(side.predictions.scores, test.is_fraud).average_precision for _, side in sides]
    draws = {units.name: draw_all(samples, units, seed=seed, resamples=resamples) for units in units_of(test)}

    def difference(first: float | None, second: float | None, name: str) -> Figure:
        value = None if first is None or second is None else first - second
        return figure(value, {unit: one[name] - two[name] for unit, (one, two) in draws.items()})

    money, other_money = (each.money for each in policies)
    return PairedComparison(
        name=named[0],
        other=other[0],
        cases_per_day=cases_per_day,
        money=money,
        other_money=other_money,
        frauds_caught=difference(money.recall, other_money.recall, "alert_recall"),
        saved=difference(money.saved, other_money.saved, "saved"),
        average_precision=difference(reached[0], reached[1], "average_precision"),
    )


def threshold_at(side: Scored, cases_per_day: float) -> float:
    """That of the most cases that are no more than these. The rounding of the product must not take a case away."""
    return side.accounting.threshold_for_alerts(cases_per_day * side.predictions.days + 1e-9)


def caught_at(side: Scored, cases_per_day: float) -> Array:
    """Of the frauds, those that a model catches with so many cases."""
    return np.asarray(side.by_day.running_max[side.predictions.is_fraud] >= threshold_at(side, cases_per_day))


class BestPossible:
    """What the true probabilities reach on these very rows."""

    def __init__(self, truth: Array, test: Predictions, draws: DrawsByUnit) -> None:
        self._draws = draws
        found = Ranking(truth, test.is_fraud).areas(np.ones(len(truth), np.int64))
        self.areas = AreaFigures(**{name: drawn_figure(value, draws, name) for name, value in found._asdict().items()})

    def shares(self, areas: Mapping[str, float], draws: DrawsByUnit) -> AreaFigures:
        """Of a model: 0 is chance and 1 is the best possible. Chance is 0.5 for the ROC-AUC."""
        shares = {}
        for name, chance in (("roc_auc", 0.5), ("average_precision", 0.0)):
            limit: float | None = getattr(self.areas, name).value
            value = ratio(areas[name] - chance, np.nan if limit is None else limit - chance)
            drawn = {
                unit: {name: ratio(answer[name] - chance, self._draws[unit][name] - chance)}
                for unit, answer in draws.items()
            }
            shares[name] = drawn_figure(value, drawn, name)
        return AreaFigures(**shares)


class ModelFigures:
    """One model on the test rows: what is computed once, then its figures."""

    def __init__(self, model: ModelPredictions, costs: Costs) -> None:
        test = model.test
        self.model, self._costs = model, costs
        self.scored: Scored = scored(test, costs)
        self.policy: Policy = of_probability(model.name, self.scored, model.threshold)
        self._confusion = confusion(test.scores, test.is_fraud, model.threshold)
        self._brier = brier(test.scores, test.is_fraud)
        self._ranking = Ranking(test.scores, test.is_fraud)
        self._areas = self._ranking.areas(np.ones(len(test.scores), np.int64))
        self.cards: CardPrecision = card_precision(test)
        self._kinds = rows_of_kinds(test)

    def sampled(self) -> Sampled:
        test, flagged = self.model.test, self.model.test.scores >= self.model.threshold
        columns: dict[str, Array] = {
            **self.policy.columns,
            "rows": np.ones(len(flagged), bool),
            "flagged": flagged,
            "flagged_frauds": flagged & test.is_fraud,
            "distance": (test.scores - test.is_fraud) ** 2,
            "listed": self.cards.listed,
            "hits": self.cards.hits,
        }
        formulas: dict[str, Formula] = {**money_formulas(self._costs, test.days), **_CONFUSION_FORMULAS}
        formulas["brier"] = lambda sums: ratio(sums["distance"], sums["rows"])
        filled = float(ratio(self.cards.listed.sum(), PLACES * self.cards.days))
        formulas["card_precision"] = lambda sums: filled * ratio(sums["hits"], sums["listed"])
        return Sampled(columns, formulas, self._ranking)

    def evaluated(
        self, draws: DrawsByUnit, best: BestPossible | None, units: Sequence[Units], *, is_baseline: bool
    ) -> ModelEvaluation:
        cells, model = self._confusion, self.model
        values = {
            "average_precision": self._areas.average_precision,
            "roc_auc": self._areas.roc_auc,
            "brier": self._brier,
            "precision": cells.precision,
            "recall": cells.recall,
            "f1": cells.f1,
            "accuracy": cells.accuracy,
            "card_precision": np.nan if self.cards.says_nothing else self.cards.value,
        }
        return ModelEvaluation(
            name=model.name,
            is_baseline=is_baseline,
            threshold=model.threshold,
            medium=model.medium,
            metrics=Metrics(**{name: drawn_figure(value, draws, name) for name, value in values.items()}),
            card_precision_possible=None if self.cards.says_nothing else plain(self.cards.possible),
            share_of_best=best.shares(self._areas._asdict(), draws) if best else None,
            confusion=Cells(**cells._asdict()),
            money=money_figures(self.policy.money, draws),
            kinds=self._recall_by_kind(units),
            importances=tuple((name, float(value)) for name, value in model.importances),
            milliseconds_per_1000_rows=model.milliseconds_per_1000_rows,
            on_validation=on_validation(model.validation, model.threshold),
        )

    def _recall_by_kind(self, units: Sequence[Units]) -> tuple[KindRecall, ...]:
        """With intervals that a kind has, too, of which all frauds were caught or none: no draw could give it one."""
        if not self._kinds:
            return ()
        rows = np.flatnonzero(self.model.test.is_fraud)
        kinds = np.argmax([mask[rows] for mask in self._kinds.values()], axis=0)
        caught, amounts = self.policy.columns["caught"][rows], np.nan_to_num(self.model.test.amounts[rows])
        by_unit = [(each.name, shares_of_groups(kinds, len(self._kinds), caught, each.of_row[rows])) for each in units]
        found = []
        for place, name in enumerate(self._kinds):
            mine = kinds == place
            unit, shares = max(by_unit, key=lambda one: one[1].high[place] - one[1].low[place])
            value, low, high = (float(each[place]) for each in (shares.value, shares.low, shares.high))
            recall = Figure(value, low, high, unit)
            found.append(
                KindRecall(
                    kind=name,
                    frauds=int(mine.sum()),
                    caught=int(caught[mine].sum()),
                    recall=recall,
                    amount=float(amounts[mine].sum()),
                    customers=len(np.unique(self.model.test.customers[rows[mine]])),
                )
            )
        return tuple(found)


def _of_cells(name: str) -> Formula:
    return lambda sums: getattr(_cells(sums), name)


def _cells(sums: Mapping[str, Array]) -> Confusion:
    caught, flagged, frauds = sums["flagged_frauds"], sums["flagged"], sums["frauds"]
    return Confusion(caught, flagged - caught, frauds - caught, sums["rows"] - flagged - frauds + caught)


_CONFUSION_FORMULAS: dict[str, Formula] = {name: _of_cells(name) for name in ("accuracy", "precision", "recall", "f1")}


def _evaluated_policy(
    each: Policy, draws: DrawsByUnit, champion: tuple[Policy, DrawsByUnit] | None
) -> PolicyEvaluation:
    """With how much more the champion gains than this policy, from the same draws."""
    better_by = None
    if champion is not None:
        winner, winner_draws = champion
        differences = {unit: {"gain": winner_draws[unit]["gain"] - draws[unit]["gain"]} for unit in draws}
        better_by = drawn_figure(winner.money.gain - each.money.gain, differences, "gain")
    return PolicyEvaluation(each.name, each.meaning, each.threshold, money_figures(each.money, draws), better_by)


def _why_nothing(winner: ModelPredictions, costs: Costs) -> str | None:
    """Why the champion flags nothing, if so: "cap", where without it there would be alerts; otherwise "cost"."""
    if winner.threshold < NO_SCORE:
        return None
    accounting = Accounting(winner.validation, review_cost=costs.review_cost, loss_rate=costs.loss_rate)
    return "cap" if accounting.at(accounting.best_threshold(None)).alerts else "cost"


def _place_of(models: Sequence[ModelPredictions], champion: str) -> int:
    names = [each.name for each in models]
    if champion in names:
        return names.index(champion)
    raise EngineError(f"champion: got {champion!r}, expected one of the models ({', '.join(names)}); name one of them")


def _check_same_rows(everyone: Sequence[tuple[str, Predictions]]) -> None:
    """Figures side by side mean nothing on different rows, and shared draws would not fit."""
    (first_name, first), *others = everyone
    for name, test in others:
        for field in ("event_times", "customers", "is_fraud"):
            if not np.array_equal(getattr(test, field), getattr(first, field)):
                raise EngineError(f"{name}: got other test rows ({field}) than {first_name}, expected the same rows in "
                                  "the same order; judge all on one test")  # fmt: skip
