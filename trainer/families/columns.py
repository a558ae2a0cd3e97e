"""Standardised numbers and a column for each category, fitted and as ONNX: what families on products of matrices see.
And the graph that such families are written as."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, compose, defs, helper, numpy_helper
from sklearn.preprocessing import StandardScaler

from risk.codes import Array
from risk.errors import EngineError
from trainer.onnx_model import INPUT, OPSET, TREES_DOMAIN, TREES_OPSET, graph_of
from trainer.reproducible import rounded

SCALE_DIGITS = 9  # what lies beyond depends on the processor


class Columns(NamedTuple):
    """What is made of prepared rows: standardised numbers, then for each category a column of 0 and 1 for each code
    that was there when it was learned."""

    numbers: list[int]
    means: Array
    scales: Array
    categories: dict[int, Array]  # the codes of a column

    def transform(self, values: Array) -> Array:
        """In float64."""
        numbers = (values[:, self.numbers].astype(np.float64) - self.means) / self.scales
        codes = ((values[:, [column]] == seen).astype(np.float64) for column, seen in self.categories.items())
        return np.concatenate([numbers, *codes], axis=1)


def columns_of(values: Array, categories: Sequence[int]) -> Columns:
    """Means and scales are rounded before anything is fitted on what they make."""
    numbers = [column for column in range(values.shape[1]) if column not in set(categories)]
    means = scales = np.empty(0)
    if numbers:
        scaler = StandardScaler().fit(values[:, numbers].astype(np.float64))
        means, scales = (rounded(each, SCALE_DIGITS) for each in (scaler.mean_, scaler.scale_))
    return Columns(numbers, means, scales, {column: np.unique(values[:, column]) for column in categories})


class WrittenGraph:
    """Nodes in the order of their making; arrays among what one takes become constants."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *takes: str | Array, domain: str = "", **attributes: Any) -> str:
        """The name of what it gives."""
        name = f"{operator}{len(self._nodes)}"
        names = [each if isinstance(each, str) else self._constant(each) for each in takes]
        self._nodes.append(helper.make_node(operator, names, [name], name=name, domain=domain, **attributes))
        return name

    def table(self, columns: Columns) -> str:
        """What `columns` make of the features, in float64."""
        return self.add("Concat", *self._numbers(columns), *self._categories(columns), axis=1)

    def _numbers(self, columns: Columns) -> list[str]:
        """Nothing where every column is a category."""
        if not columns.numbers:
            return []
        wide = self.add("Cast", self.add("Gather", INPUT, np.array(columns.numbers), axis=1), to=TensorProto.DOUBLE)
        return [self.add("Div", self.add("Sub", wide, columns.means), columns.scales)]

    def _categories(self, columns: Columns) -> list[str]:
        """A column of 0 and 1 for each code of each category; for a code that was not seen all are 0."""
        found = []
        for column, seen in columns.categories.items():
            code = self.add("Cast", self.add("Gather", INPUT, np.array([column]), axis=1), to=TensorProto.INT64)
            cats = [int(each) for each in seen]
            each = self.add("OneHotEncoder", code, domain=TREES_DOMAIN, cats_int64s=cats, zeros=1)
            flat = self.add("Reshape", each, np.array([-1, len(cats)]))
            found.append(self.add("Cast", flat, to=TensorProto.DOUBLE))
        return found

    def joined(self, model: onnx.ModelProto, name: str, takes: str = INPUT) -> str:
        """Another model's graph, on the same features or others: its probabilities of fraud, a column in float64."""
        _check_operators(name, model)
        member = compose.add_prefix(model, f"{name}/").graph
        self._nodes.append(helper.make_node("Identity", [takes], [member.input[0].name], name=f"{name}/features"))
        self._nodes += member.node
        self._constants += member.initializer
        fraud = self.add("Gather", member.output[-1].name, np.array([1]), axis=1)
        return self.add("Cast", fraud, to=TensorProto.DOUBLE)

    def finished(self, scores: str, width: int, post_transform: str = "LOGISTIC") -> onnx.ModelProto:
        """A column of log odds to probabilities, or with NONE one of probabilities: by the operator of regressions, as
        one that changes nothing. It goes row by row; the general logistic in float64 does not."""
        narrow = self.add("Cast", scores, to=TensorProto.FLOAT)
        first = 0.0 if post_transform == "LOGISTIC" else 1.0
        self._nodes.append(
            helper.make_node(
                "LinearClassifier", [narrow], ["label", "probabilities"], name="logistic", domain=TREES_DOMAIN,
                classlabels_ints=[0, 1], coefficients=[-1.0, 1.0], intercepts=[first, 0.0],
                multi_class=0, post_transform=post_transform,
            )
        )  # fmt: skip
        return graph_of(self._nodes, width, self._constants)

    def _constant(self, values: Array) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _check_operators(name: str, model: onnx.ModelProto) -> None:
    """In one graph all operators are of one version: EngineError where that is another than the model's."""
    ours = {"": OPSET, TREES_DOMAIN: TREES_OPSET}
    own = {opset.domain: opset.version for opset in model.opset_import}
    for node in model.graph.node:
        versions = [defs.get_schema(node.op_type, of[node.domain], node.domain).since_version for of in (own, ours)]
        if versions[0] != versions[1]:
            raise EngineError(
                f"{name}: got {node.op_type} of {name} in version {versions[0]}, expected {versions[1]}: in one graph "
                "with others it could score otherwise than alone. Leave this model out."
            )
