"""A hybrid: a family that sees, beside the features, how strange the detectors find each row.

The detectors are fitted first, without labels, on the fit period alone. What they say is one more column for each, as
their graphs give it: in float32, by ONNX Runtime. The model is fitted on these numbers and not on what the detectors'
libraries say, so that a tree's threshold parts rows that are served as it parted those that it learned from.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto

from risk.codes import Array
from risk.model import OnnxModel
from trainer.families import DETECTORS, HYBRID
from trainer.families.columns import WrittenGraph
from trainer.families.family import Explaining, Family, Parameters, Rows, family_of, fitted
from trainer.onnx_model import INPUT, serialized

ROWS_AT_ONCE = 65_536  # a machine's landmarks and a network's cells are as many numbers a row, in float64


class HybridModel(NamedTuple):
    detectors: Mapping[str, Any]  # by family
    member: Any  # fitted on the features and what the detectors say


class Hybrid:
    """Any family, with rows that `with_detectors` made wider; its parameters are that family's."""

    def __init__(self, member: Family) -> None:
        self._member = member
        self.name = HYBRID + member.name
        self.parameters, self.balances, self.refusals = member.parameters, member.balances, member.refusals
        of_detectors = (library for kind in DETECTORS for library in family_of(kind).libraries)
        self.libraries = tuple(dict.fromkeys((*member.libraries, *of_detectors)))

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> HybridModel:
        assert rows.detectors is not None
        return HybridModel(rows.detectors, self._member.fit(parameters, rows, seed))

    def to_onnx(self, model: HybridModel, width: int) -> onnx.ModelProto:
        """The detectors' graphs side by side, and the model's behind them."""
        graph = WrittenGraph()
        said = [graph.joined(family_of(kind).to_onnx(each, width), kind) for kind, each in model.detectors.items()]
        narrow = [graph.add("Cast", each, to=TensorProto.FLOAT) for each in said]  # as it was before it was joined
        table = graph.add("Concat", INPUT, *narrow, axis=1)
        whole = self._member.to_onnx(model.member, width + len(said))
        return graph.finished(graph.joined(whole, self._member.name, table), width, "NONE")

    def own_scores(self, model: HybridModel, values: Array) -> Array:
        """The member's own, of what the detectors' graphs say; `prove` holds these to the detectors themselves."""
        return self._member.own_scores(model.member, joined(model.detectors, values))


class ExplainedHybrid(Hybrid):
    """A hybrid of a family that computes exact contributions: its own are that family's, of the wider rows."""

    def __init__(self, member: Family, explained: Explaining) -> None:
        super().__init__(member)
        self._explained = explained

    def contributions(self, model: HybridModel, values: Array) -> Array:
        return self._explained.contributions(model.member, joined(model.detectors, values))


def hybrid_of(member: Family) -> Hybrid:
    return ExplainedHybrid(member, member) if isinstance(member, Explaining) else Hybrid(member)


def with_detectors(rows: Rows, parameters: Mapping[str, Parameters], seed: int) -> Rows:
    """Detectors fitted on these rows, and the rows with what they say of them."""
    detectors = {kind: fitted(family_of(kind), parameters[kind], rows, seed) for kind in DETECTORS}
    return rows._replace(values=joined(detectors, rows.values), detectors=detectors)


def joined(detectors: Mapping[str, Any], values: Array) -> Array:
    """Features, then a column for each detector."""
    width = values.shape[1]
    table = np.empty((len(values), width + len(detectors)), np.float32)
    table[:, :width] = values
    for column, (kind, detector) in enumerate(detectors.items(), width):
        model = OnnxModel(serialized(family_of(kind).to_onnx(detector, width)), width, kind)
        for first in range(0, len(values), ROWS_AT_ONCE):
            some = slice(first, first + ROWS_AT_ONCE)
            table[some, column] = model.raw_scores(values[some])
    return table
