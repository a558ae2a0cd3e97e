"""A small neural network: one hidden layer on standardised numbers and a column for each category."""

import warnings
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from risk.codes import Array
from trainer.families import BALANCES
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.onnx_model import INPUT, TREES_DOMAIN, graph_of
from trainer.reproducible import rounded

# Means and scales, before anything is fitted on what they make, and weights, after it. What lies beyond depends on the
# processor: after 600 steps weights differed by 1e-15.
SCALE_DIGITS, WEIGHT_DIGITS = 9, 6


class MLP:
    name = "mlp"
    # Chosen as LightGBM's are, on smaller worlds: `python -m bench.defaults --model mlp --rows-of-cards 60000
    # --rows-of-trustlens 40000`. In the mean on `cards`, 8, 32 and 64 cells gave 0.438, 0.499 and 0.485; 10, 20 and 40
    # passes 0.494, 0.499 and 0.479; penalties of 0.0001 to 1 between 0.497 and 0.503.
    parameters: tuple[Parameter, ...] = (
        Parameter("hidden", 32, 1, 1024, Searched(8, 64, is_logarithmic=True)),
        Parameter("alpha", 0.01, 0, HUGE, Searched(1e-4, 1.0, is_logarithmic=True)),
        Parameter("learning_rate_init", 0.001, TINY, 10, Searched(3e-4, 1e-2, is_logarithmic=True)),
        Parameter("batch_size", 256, 1, HUGE),
        Parameter("max_iter", 20, 1, 10_000, Searched(10, 40)),  # passes over the rows
    )
    balances: tuple[str, ...] = BALANCES
    libraries: tuple[str, ...] = ("scikit-learn",)
    refusals: tuple[type[Exception], ...] = (ValueError,)

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> Any:
        values = rows.values.astype(np.float64)
        numbers = [column for column in range(values.shape[1]) if column not in set(rows.categories)]
        columns = ColumnTransformer(
            [
                ("numbers", StandardScaler(), numbers),
                ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(rows.categories)),
            ],
            sparse_threshold=0.0,
        ).fit(values)
        if numbers:
            scaler = columns.named_transformers_["numbers"]
            scaler.mean_, scaler.scale_ = (rounded(each, SCALE_DIGITS) for each in (scaler.mean_, scaler.scale_))
        others = {name: value for name, value in parameters.items() if name != "hidden"}
        network = MLPClassifier(
            hidden_layer_sizes=(parameters["hidden"],),
            **{**others, "batch_size": min(others["batch_size"], len(values))},
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # so many passes were asked for
            network.fit(columns.transform(values), rows.labels, sample_weight=rows.weights)
        for arrays in (network.coefs_, network.intercepts_):
            arrays[:] = [rounded(array, WEIGHT_DIGITS) for array in arrays]
        return make_pipeline(columns, network)

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        """In float64 up to the log odds: the bits of its products were the same in batches of 1 to 4,096 rows. Their
        logistic is taken row by row, by the operator of logistic regressions."""
        columns, network = model
        graph = _Graph()
        table = graph.add("Concat", *graph.numbers(columns), *graph.categories(columns), axis=1)
        ((first, second), (before, after)) = network.coefs_, network.intercepts_
        hidden = graph.add("Relu", graph.add("Add", graph.add("MatMul", table, first), before))
        return graph.finished(graph.add("Add", graph.add("MatMul", hidden, second), after), width)

    def own_scores(self, model: Any, values: Array) -> Array:
        return np.asarray(model.predict_proba(values.astype(np.float64))[:, 1])


FAMILY: Family = MLP()


class _Graph:
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

    def numbers(self, columns: ColumnTransformer) -> list[str]:
        """Standardised, in float64; nothing where every column is a category."""
        scaler, places = columns.named_transformers_["numbers"], columns.transformers_[0][2]
        if not places:
            return []
        wide = self.add("Cast", self.add("Gather", INPUT, np.array(places), axis=1), to=TensorProto.DOUBLE)
        return [self.add("Div", self.add("Sub", wide, scaler.mean_), scaler.scale_)]

    def categories(self, columns: ColumnTransformer) -> list[str]:
        """A column of 0 and 1 for each code of each category; for a code that was not seen all are 0."""
        encoder, places = columns.named_transformers_["categories"], columns.transformers_[1][2]
        found = []
        for place, codes in zip(places, encoder.categories_ if places else (), strict=True):
            code = self.add("Cast", self.add("Gather", INPUT, np.array([place]), axis=1), to=TensorProto.INT64)
            cats = [int(code) for code in codes]
            each = self.add("OneHotEncoder", code, domain=TREES_DOMAIN, cats_int64s=cats, zeros=1)
            flat = self.add("Reshape", each, np.array([-1, len(cats)]))
            found.append(self.add("Cast", flat, to=TensorProto.DOUBLE))
        return found

    def finished(self, odds: str, width: int) -> onnx.ModelProto:
        """Log odds to probabilities, as a regression on them that changes nothing."""
        narrow = self.add("Cast", odds, to=TensorProto.FLOAT)
        self._nodes.append(
            helper.make_node(
                "LinearClassifier", [narrow], ["label", "probabilities"], name="logistic", domain=TREES_DOMAIN,
                classlabels_ints=[0, 1], coefficients=[-1.0, 1.0], intercepts=[0.0, 0.0],
                multi_class=0, post_transform="LOGISTIC",
            )
        )  # fmt: skip
        return graph_of(self._nodes, width, self._constants)

    def _constant(self, values: Array) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name
