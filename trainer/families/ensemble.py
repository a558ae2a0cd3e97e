"""An ensemble: the weighted mean of what several families say, as one ONNX graph."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx

from risk.codes import Array
from risk.errors import OptionError
from risk.settings import number
from trainer.families import BALANCES, ENSEMBLE, FAMILIES
from trainer.families.columns import WrittenGraph
from trainer.families.family import Family, Parameter, Parameters, Rows, family_of, fitted

WEIGHTS, MEMBERS = "weights", "members"
LEAST_WEIGHT, MOST_WEIGHT = 1e-6, 1e6
STEPS = 20  # of a choice of weights, at most


class Ensemble:
    """Its parameters are the weight of each member, and the members' own parameters. The fitted model is each member's
    weight and model."""

    name = ENSEMBLE
    parameters: tuple[Parameter, ...] = ()
    balances: tuple[str, ...] = BALANCES  # each member says for itself which it can
    libraries: tuple[str, ...] = ()  # those of its members, which are trained beside it
    refusals: tuple[type[Exception], ...] = ()

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> dict[str, tuple[float, Any]]:
        return {
            kind: (weight, fitted(family_of(kind), parameters[MEMBERS][kind], rows, seed))
            for kind, weight in parameters[WEIGHTS].items()
        }

    def to_onnx(self, model: dict[str, tuple[float, Any]], width: int) -> onnx.ModelProto:
        """The members' graphs side by side, and the mean in float64: sums and products alone, each row by itself."""
        graph = WrittenGraph()
        shares = []
        for kind, (weight, estimator) in model.items():
            alone = graph.joined(family_of(kind).to_onnx(estimator, width), kind)
            shares.append(graph.add("Mul", alone, np.array([[weight]])))
        mean, *others = shares
        for share in others:
            mean = graph.add("Add", mean, share)
        return graph.finished(mean, width, "NONE")

    def own_scores(self, model: dict[str, tuple[float, Any]], values: Array) -> Array:
        scores = [weight * family_of(kind).own_scores(member, values) for kind, (weight, member) in model.items()]
        return np.asarray(sum(scores))


FAMILY: Family = Ensemble()


def read_members(text: str) -> dict[str, float | None]:
    """What --ensemble says: `catboost=0.6,lightgbm=0.4`, or names alone, whose weights validation chooses."""
    asked: dict[str, float | None] = {}
    for part in text.split(","):
        kind, is_weighted, weight = part.strip().partition("=")
        if kind not in FAMILIES or kind in asked:
            raise _refusal(text, f"each of {', '.join(FAMILIES)} at most once")
        asked[kind] = _weight(text, weight) if is_weighted else None
    if len(asked) < 2:
        raise _refusal(text, "two members or more")
    if are_chosen(asked) and set(asked.values()) != {None}:
        raise _refusal(text, "a weight for each member, or for none")
    return asked


def _weight(text: str, weight: str) -> float:
    try:
        value = number(weight)
    except ValueError:
        value = math.nan
    if not LEAST_WEIGHT <= value <= MOST_WEIGHT:
        raise _refusal(text, f"weights from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}")
    return value


def _refusal(text: str, expected: str) -> OptionError:
    return OptionError(f"--ensemble: got {text!r}, expected {expected}, such as catboost=0.6,lightgbm=0.4 or "
                       "catboost,lightgbm")  # fmt: skip


def are_chosen(asked: Mapping[str, float | None]) -> bool:
    """Whether validation chooses the weights."""
    return None in asked.values()


def is_settled(parameters: Parameters) -> bool:
    """Whether its members' parameters are known, so that it can be fitted by itself."""
    return MEMBERS in parameters


def settled(weights: Mapping[str, float], members: Mapping[str, Parameters]) -> dict[str, Any]:
    """Weights that add up to 1, in their order; who has none is no member."""
    total = sum(weights.values())
    shares = {kind: weight / total for kind, weight in weights.items() if weight > 0}
    return {WEIGHTS: shares, MEMBERS: {kind: dict(members[kind]) for kind in shares}}


def shares_in_words(parameters: Parameters) -> str:
    """What each member counts for; the members' own parameters stand beside them."""
    return ", ".join(f"{share:.3g} of {kind}" for kind, share in parameters[WEIGHTS].items())


def weights_of(
    asked: Mapping[str, float | None], raws: Mapping[str, Array], value_of: Callable[[Array], float]
) -> dict[str, float]:
    """Those asked for, or else chosen by their worth: step by step the member that does the mean most good, each as
    often as it likes; of all steps the best (Caruana and others, ICML 2004). Of equal ones the first."""
    given = {kind: weight for kind, weight in asked.items() if weight is not None}
    if given:
        return given
    counts = dict.fromkeys(raws, 0)
    total = np.zeros(len(next(iter(raws.values()))))
    best, best_counts = -np.inf, dict(counts)
    for _ in range(STEPS):
        values = {kind: value_of(total + raw) for kind, raw in raws.items()}
        kind = max(values, key=lambda each: values[each])
        counts[kind] += 1
        total += raws[kind]
        if values[kind] > best:
            best, best_counts = values[kind], dict(counts)
    return {kind: float(count) for kind, count in best_counts.items()}
