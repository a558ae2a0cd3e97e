"""A one-class support vector machine: a detector, fitted without labels. It parts the space where rows are from where
there are none, by how near a row is to a few of them (Nyström's approximation)."""

import warnings
from typing import Any

import numpy as np
import onnx
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.metrics.pairwise import rbf_kernel

from risk.codes import Array
from trainer.families import NONE
from trainer.families.columns import WrittenGraph, columns_of
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.reproducible import rounded

WEIGHT_DIGITS, PRODUCT_DIGITS = 6, 9  # what lies beyond depends on the processor
# Added to each landmark's nearness to itself: of two that are nearly one row, the inverse root would be last bits only.
RIDGE = 1e-3
# Log odds are 0 on the border, and this where a row is near to none. Only the order counts: the calibration makes
# probabilities of it.
STEEPNESS = 8.0
EXPONENTIALS_AT_ONCE = 8  # of float64, by the widest vectors there are


class OneClassSVM:
    name = "one-class-svm"
    # Tried as LightGBM's are, on small worlds: `python -m bench.defaults --model one-class-svm --rows-of-cards 30000
    # --rows-of-trustlens 20000`. In the mean on `cards`, gammas of 0.1, 0.3 and 1 gave 0.113, 0.116 and 0.121, on
    # `trustlens` 0.034, 0.035 and 0.037; 256 components gave what 128 did.
    parameters: tuple[Parameter, ...] = (
        Parameter("n_components", 128, 1, 4096, Searched(32, 256, is_logarithmic=True)),  # rows that others are near to
        Parameter("gamma", 0.3, TINY, HUGE, Searched(0.03, 3.0, is_logarithmic=True)),  # over the number of columns
        Parameter("nu", 0.05, TINY, 1, Searched(0.01, 0.3, is_logarithmic=True)),
        Parameter("max_iter", 5, 1, 10_000),  # passes over the rows
        Parameter("max_samples", 100_000, 1, HUGE),  # rows it sees at most: each is as many numbers as components
    )
    balances: tuple[str, ...] = (NONE,)
    libraries: tuple[str, ...] = ("scikit-learn",)
    refusals: tuple[type[Exception], ...] = (ValueError,)

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> Any:
        values = rows.values[:: -(-len(rows.values) // parameters["max_samples"])]
        columns = columns_of(values, rows.categories)
        table = columns.transform(values)
        nearness = Nystroem(
            n_components=min(parameters["n_components"], len(table)),
            gamma=parameters["gamma"] / table.shape[1],
            random_state=seed,
        ).fit(table)
        nearness.normalization_ = _inverse_root(rbf_kernel(nearness.components_, gamma=nearness.gamma))
        near = nearness.transform(table)
        border = SGDOneClassSVM(
            nu=parameters["nu"], max_iter=parameters["max_iter"], tol=None, average=True, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # so many passes were asked for
            border.fit(near)
        border.coef_, border.offset_ = rounded(border.coef_, WEIGHT_DIGITS), rounded(border.offset_, WEIGHT_DIGITS)
        return columns, nearness, border

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        """With the weights of the border taken back to the landmarks, in float64."""
        columns, nearness, border = model
        gamma = nearness.gamma
        weights = rounded(-_scale(border) * (nearness.normalization_.T @ border.coef_), PRODUCT_DIGITS)
        # Exponentials are taken several at once, and what is left over of a batch has other last bits. So that nothing
        # is, landmarks of no weight fill them up.
        missing = -len(weights) % EXPONENTIALS_AT_ONCE
        landmarks = np.pad(nearness.components_, ((0, missing), (0, 0)))
        weights = np.pad(weights, (0, missing))
        squares = rounded(-gamma * (landmarks**2).sum(axis=1), PRODUCT_DIGITS)
        graph = WrittenGraph()
        table = graph.table(columns)
        own = graph.add("MatMul", graph.add("Mul", table, table), np.full((landmarks.shape[1], 1), -gamma))
        shared = graph.add("MatMul", table, 2 * gamma * landmarks.T)
        distances = graph.add("Add", graph.add("Add", shared, own), squares)
        odds = graph.add("MatMul", graph.add("Exp", distances), weights[:, None])
        return graph.finished(graph.add("Add", odds, _scale(border) * border.offset_), width)

    def own_scores(self, model: Any, values: Array) -> Array:
        columns, nearness, border = model
        odds = -_scale(border) * border.decision_function(nearness.transform(columns.transform(values)))
        return np.asarray(1 / (1 + np.exp(-odds)))


FAMILY: Family = OneClassSVM()


def _scale(border: SGDOneClassSVM) -> float:
    offset = abs(float(border.offset_[0]))
    return STEEPNESS / offset if offset > 0 else STEEPNESS


def _inverse_root(kernel: Array) -> Array:
    """Of a symmetric matrix, rounded, for what is fitted on it would carry last bits on."""
    values, vectors = np.linalg.eigh(kernel + RIDGE * np.eye(len(kernel)))
    return rounded(vectors / np.sqrt(values) @ vectors.T, WEIGHT_DIGITS)
