"""Small matrices made by hand, for tests of training."""

from collections.abc import Sequence

import numpy as np

from risk.catalogue import FeatureSet
from trainer.matrix import NO_WORD, Matrix, Words

FEATURES = FeatureSet(frozenset({"channel"}))  # amount, hour, night, weekend, and one category
CHANNELS = ("online", "terminal", "phone")


def made_matrix(
    event_times: Sequence[int] | np.ndarray,
    is_fraud: Sequence[int] | np.ndarray,
    labelled_at: Sequence[int] | np.ndarray,
    *,
    amounts: Sequence[float] | np.ndarray | None = None,
    channels: Sequence[int] | np.ndarray | None = None,
    customers: Sequence[int] | np.ndarray | None = None,
    feature_set: FeatureSet = FEATURES,
) -> Matrix:
    """The four direct features, and those of other fields: all but the amount 0."""
    count = len(event_times)
    values = np.zeros((count, len(feature_set.numbers)))
    if amounts is not None:
        values[:, 0] = amounts
    codes = np.zeros(count) if channels is None else channels
    return Matrix(
        feature_set=feature_set,
        values=values,
        categories={"channel": Words(CHANNELS, np.asarray(codes, np.int32))},
        event_times=np.asarray(event_times, np.int64),
        customers=np.arange(count) if customers is None else np.asarray(customers, np.int64),
        merchants=np.full(count, NO_WORD, np.int64),
        is_fraud=np.asarray(is_fraud, np.int8),
        labelled_at=np.asarray(labelled_at, np.int64),
        kinds=None,
        ids=(),
    )
