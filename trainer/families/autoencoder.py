"""An autoencoder: a detector, fitted without labels. A small network learns to give back the rows that it is given
through fewer numbers than they have; what it gives back badly is strange."""

from typing import Any, NamedTuple

import numpy as np
import onnx
from sklearn.neural_network import MLPRegressor

from risk.codes import Array
from trainer.families import NONE
from trainer.families.columns import Columns, WrittenGraph, columns_of
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.families.network import ROWS_AT_ONCE, WEIGHT_DIGITS, fitted_network
from trainer.reproducible import rounded


class Fitted(NamedTuple):
    columns: Columns
    network: MLPRegressor
    usual_error: float  # of a row in the middle, which the scores are measured by


class Autoencoder:
    name = "autoencoder"
    # Tried as LightGBM's are, on small worlds: `python -m bench.defaults --model autoencoder --rows-of-cards 30000
    # --rows-of-trustlens 20000`. In the mean on `cards`, 8, 16 and 32 cells gave 0.113, 0.123 and 0.109, and 10 passes
    # 0.145; on `trustlens` all of these were near 0.037.
    parameters: tuple[Parameter, ...] = (
        Parameter("hidden", 16, 1, 1024, Searched(4, 32, is_logarithmic=True)),
        Parameter("alpha", 0.0001, 0, HUGE, Searched(1e-5, 1e-1, is_logarithmic=True)),
        Parameter("learning_rate_init", 0.001, TINY, 10, Searched(3e-4, 1e-2, is_logarithmic=True)),
        Parameter("batch_size", 256, 1, HUGE),
        Parameter("max_iter", 20, 1, 10_000, Searched(10, 40)),  # passes over the rows
    )
    balances: tuple[str, ...] = (NONE,)
    libraries: tuple[str, ...] = ("scikit-learn",)
    refusals: tuple[type[Exception], ...] = (ValueError,)

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> Fitted:
        columns = columns_of(rows.values, rows.categories)

        def learn(network: MLPRegressor, table: Array, _: Array) -> None:
            network.partial_fit(table, table if table.shape[1] > 1 else table.ravel())

        network = fitted_network(MLPRegressor, parameters, columns, rows.values, learn, seed)
        errors = [
            _errors(columns, network, rows.values[first : first + ROWS_AT_ONCE])
            for first in range(0, len(rows.values), ROWS_AT_ONCE)
        ]
        usual = rounded(np.median(np.concatenate(errors), keepdims=True), WEIGHT_DIGITS)
        return Fitted(columns, network, float(usual[0]))

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        """A row's error as a share of itself and a usual one: sums, products and a quotient in float64, and so no
        logarithm, whose bits could depend on the place of a row."""
        columns, network, usual_error = model
        graph = WrittenGraph()
        table = graph.table(columns)
        ((first, second), (before, after)) = network.coefs_, network.intercepts_
        hidden = graph.add("Relu", graph.add("Add", graph.add("MatMul", table, first), before))
        missed = graph.add("Sub", graph.add("Add", graph.add("MatMul", hidden, second), after), table)
        error = graph.add("MatMul", graph.add("Mul", missed, missed), np.ones((second.shape[1], 1)))
        both = graph.add("Add", error, np.array([[usual_error]]))
        return graph.finished(graph.add("Div", error, both), width, "NONE")

    def own_scores(self, model: Any, values: Array) -> Array:
        error = _errors(model.columns, model.network, values)
        return np.asarray(error / (error + model.usual_error))


FAMILY: Family = Autoencoder()


def _errors(columns: Columns, network: MLPRegressor, values: Array) -> Array:
    """For each row the sum of its squares."""
    table = columns.transform(values)
    return np.asarray(((network.predict(table).reshape(table.shape) - table) ** 2).sum(axis=1))
