"""More weight for the few frauds, if asked for. Only what is fitted is changed, never what chooses or judges."""

from collections.abc import Sequence

import numpy as np

from risk.codes import Array

NONE, CLASS_WEIGHT, UNDERSAMPLE, SMOTE = "none", "class-weight", "undersample", "smote"
BALANCES = (NONE, CLASS_WEIGHT, UNDERSAMPLE, SMOTE)

# Frauds for each genuine transaction afterwards. As many of both would throw most of the history away, or drown it.
WANTED_RATIO = 0.1


def balanced(balance: str, values: Array, is_fraud: Array, categories: Sequence[int], seed: int) -> tuple[Array, Array]:
    """The rows to fit on. Weights are the model's business, and data with enough frauds stays as it is."""
    if balance in (NONE, CLASS_WEIGHT) or has_enough(is_fraud):
        return values, is_fraud
    if balance == UNDERSAMPLE:
        return _undersampled(values, is_fraud, seed)
    return _with_made_frauds(values, is_fraud, categories, seed)


def has_enough(is_fraud: Array) -> bool:
    frauds = int(is_fraud.sum())
    return frauds >= WANTED_RATIO * (len(is_fraud) - frauds)


def _undersampled(values: Array, is_fraud: Array, seed: int) -> tuple[Array, Array]:
    from imblearn.under_sampling import RandomUnderSampler  # takes a second to load, and few ask for it

    sampler = RandomUnderSampler(sampling_strategy=WANTED_RATIO, random_state=seed)
    sampler.fit_resample(np.arange(len(values))[:, None], is_fraud)
    rows = np.sort(sampler.sample_indices_)
    return values[rows], is_fraud[rows]


def _with_made_frauds(values: Array, is_fraud: Array, categories: Sequence[int], seed: int) -> tuple[Array, Array]:
    """Frauds between neighbouring frauds; near is measured in standard deviations, and codes are not averaged."""
    from imblearn.over_sampling import SMOTE as Plain  # noqa: N811 - it is called after itself
    from imblearn.over_sampling import SMOTENC

    scale = values.std(axis=0)
    scale[scale == 0] = 1
    scale[list(categories)] = 1
    chosen = {"sampling_strategy": WANTED_RATIO, "random_state": seed}
    sampler = SMOTENC(list(categories), **chosen) if categories else Plain(**chosen)
    made, labels = sampler.fit_resample(values / scale, is_fraud)
    more = made[len(values) :] * scale
    # The real rows stay as they are, to the bit.
    return np.concatenate([values, more.astype(np.float32)]), labels.astype(bool)
