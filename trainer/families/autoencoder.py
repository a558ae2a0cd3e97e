"""An autoencoder: a detector, fitted without labels. A small network learns to give back the rows that it is given
through fewer numbers than they have; what it gives back badly is strange."""

import warnings
from typing import Any

import numpy as np
import onnx
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline

from risk.codes import Array
from trainer.families import NONE
from trainer.families.columns import Graph, columns_of
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.reproducible import rounded

WEIGHT_DIGITS = 6  # as the network's of trainer/families/mlp.py


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

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> Any:
        values = rows.values.astype(np.float64)
        columns = columns_of(values, rows.categories)
        others = {name: value for name, value in parameters.items() if name != "hidden"}
        network = MLPRegressor(
            hidden_layer_sizes=(parameters["hidden"],),
            **{**others, "batch_size": min(others["batch_size"], len(values))},
            random_state=seed,
        )
        table = columns.transform(values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # so many passes were asked for
            network.fit(table, table if table.shape[1] > 1 else table.ravel())
        for arrays in (network.coefs_, network.intercepts_):
            arrays[:] = [rounded(array, WEIGHT_DIGITS) for array in arrays]
        model = make_pipeline(columns, network)
        # The error of a usual row, which the scores are measured by.
        [model.usual_error_] = rounded(np.median(_errors(model, values), keepdims=True), WEIGHT_DIGITS)
        return model

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        """A row's error as a share of itself and a usual one: sums, products and a quotient in float64, and so no
        logarithm, whose bits could depend on the place of a row."""
        columns, network = model
        graph = Graph()
        table = graph.table(columns)
        ((first, second), (before, after)) = network.coefs_, network.intercepts_
        hidden = graph.add("Relu", graph.add("Add", graph.add("MatMul", table, first), before))
        missed = graph.add("Sub", graph.add("Add", graph.add("MatMul", hidden, second), after), table)
        error = graph.add("MatMul", graph.add("Mul", missed, missed), np.ones((second.shape[1], 1)))
        both = graph.add("Add", error, np.array([[model.usual_error_]]))
        return graph.finished(graph.add("Div", error, both), width, "NONE")

    def own_scores(self, model: Any, values: Array) -> Array:
        error = _errors(model, values.astype(np.float64))
        return np.asarray(error / (error + model.usual_error_))


FAMILY: Family = Autoencoder()


def _errors(model: Any, values: Array) -> Array:
    """For each row the sum of its squares."""
    columns, network = model
    table = columns.transform(values)
    return np.asarray(((network.predict(table).reshape(table.shape) - table) ** 2).sum(axis=1))
