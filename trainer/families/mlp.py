"""A small neural network: one hidden layer on standardised numbers and a column for each category."""

from typing import Any

import numpy as np
import onnx
from sklearn.neural_network import MLPClassifier

from risk.codes import Array
from trainer.families import BALANCES
from trainer.families.columns import Columns, WrittenGraph, columns_of
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.families.network import fitted_network


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

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> tuple[Columns, MLPClassifier]:
        columns, labels = columns_of(rows.values, rows.categories), rows.labels

        def learn(network: MLPClassifier, table: Array, some: Array) -> None:
            weights = None if rows.weights is None else rows.weights[some]
            network.partial_fit(table, labels[some], sample_weight=weights, classes=(0, 1))

        return columns, fitted_network(MLPClassifier, parameters, columns, rows.values, learn, seed)

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        """In float64 up to the log odds: the bits of its products were the same in batches of 1 to 4,096 rows."""
        columns, network = model
        graph = WrittenGraph()
        table = graph.table(columns)
        ((first, second), (before, after)) = network.coefs_, network.intercepts_
        hidden = graph.add("Relu", graph.add("Add", graph.add("MatMul", table, first), before))
        return graph.finished(graph.add("Add", graph.add("MatMul", hidden, second), after), width)

    def own_scores(self, model: Any, values: Array) -> Array:
        columns, network = model
        return np.asarray(network.predict_proba(columns.transform(values))[:, 1])


FAMILY: Family = MLP()
