"""A network with one hidden layer: how it is fitted, whatever it learns."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from risk.codes import Array
from trainer.families.columns import Columns
from trainer.reproducible import rounded

# What lies beyond depends on the processor: after 600 steps weights differed by 1e-15.
WEIGHT_DIGITS = 6
ROWS_AT_ONCE = 32_768  # with a column for each category, a table of all rows could be gigabytes

Network = TypeVar("Network")


def fitted_network(
    made: Callable[..., Network],
    parameters: Mapping[str, Any],
    columns: Columns,
    values: Array,
    learn: Callable[[Network, Array, Array], object],
    seed: int,
) -> Network:
    """Goes over the rows in a new order each time, as the library's `fit` does, and ends by its rule; but that would
    want one table of all rows. `learn` gets the next rows as the network sees them, and their places."""
    batch = min(parameters["batch_size"], len(values))
    network: Any = made(
        hidden_layer_sizes=(parameters["hidden"],),
        alpha=parameters["alpha"],
        learning_rate_init=parameters["learning_rate_init"],
        batch_size=batch,
        shuffle=False,
        random_state=seed,
    )
    dice, at_once = np.random.default_rng(seed), batch * max(1, ROWS_AT_ONCE // batch)
    best, poor = math.inf, 0
    for _ in range(parameters["max_iter"]):
        order, lost = dice.permutation(len(values)), 0.0
        for first in range(0, len(order), at_once):
            some = order[first : first + at_once]
            network.batch_size = min(batch, len(some))  # it would warn where fewer are left over
            learn(network, columns.transform(values[some]), some)
            lost += network.loss_ * len(some) / len(order)
        poor = poor + 1 if lost > best - network.tol else 0
        best = min(best, lost)
        if poor > network.n_iter_no_change:
            break
    for arrays in (network.coefs_, network.intercepts_):
        arrays[:] = [rounded(array, WEIGHT_DIGITS) for array in arrays]
    return network  # type: ignore[no-any-return]
