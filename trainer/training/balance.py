"""More weight for the few frauds, if asked for. Only what is fitted is changed, never what chooses or judges."""

import numpy as np

from risk.codes import Array
from trainer.families import CLASS_WEIGHT, SMOTE, UNDERSAMPLE
from trainer.families.family import Rows

# Frauds for each genuine transaction afterwards. As many of both would throw most of the history away, or drown it.
WANTED_RATIO = 0.1


def balanced(balance: str, rows: Rows, seed: int) -> Rows:
    """None are left out or made where there are enough frauds already."""
    if balance == CLASS_WEIGHT:
        return rows._replace(weights=_weights(rows.is_fraud))
    if balance not in (UNDERSAMPLE, SMOTE) or has_enough(rows.is_fraud):
        return rows
    return _undersampled(rows, seed) if balance == UNDERSAMPLE else _with_made_frauds(rows, seed)


def has_enough(is_fraud: Array) -> bool:
    frauds = int(is_fraud.sum())
    return frauds >= WANTED_RATIO * (len(is_fraud) - frauds)


def _weights(is_fraud: Array) -> Array:
    """Frauds together count as much as all genuine rows, and all together as many as they are."""
    frauds = int(is_fraud.sum())
    return np.where(is_fraud, len(is_fraud) / (2 * frauds), len(is_fraud) / (2 * (len(is_fraud) - frauds)))


def _undersampled(rows: Rows, seed: int) -> Rows:
    from imblearn.under_sampling import RandomUnderSampler  # takes a second to load, and few ask for it

    sampler = RandomUnderSampler(sampling_strategy=WANTED_RATIO, random_state=seed)
    sampler.fit_resample(np.arange(len(rows.values))[:, None], rows.is_fraud)
    kept = np.sort(sampler.sample_indices_)
    return rows._replace(values=rows.values[kept], is_fraud=rows.is_fraud[kept])


def _with_made_frauds(rows: Rows, seed: int) -> Rows:
    """Frauds between neighbouring frauds; near is measured in standard deviations, and codes are not averaged."""
    from imblearn.over_sampling import SMOTE as Plain  # noqa: N811 - it is called after itself
    from imblearn.over_sampling import SMOTENC

    values, categories = rows.values, list(rows.categories)
    scale = values.std(axis=0)
    scale[scale == 0] = 1
    scale[categories] = 1
    chosen = {"sampling_strategy": WANTED_RATIO, "random_state": seed}
    sampler = SMOTENC(categories, **chosen) if categories else Plain(**chosen)
    made, labels = sampler.fit_resample(values / scale, rows.is_fraud)
    more = made[len(values) :] * scale
    # The real rows stay as they are, to the bit.
    both = np.concatenate([values, more.astype(np.float32)])
    return rows._replace(values=both, is_fraud=labels.astype(bool))
