"""Columns that give the label away: who had them at the moment of the transaction would need no model."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from risk.dataset.column_map import LabelColumn
from risk.dataset.names import kind_of
from risk.dataset.values import MISSING_NUMBERS, as_labels, as_texts, is_text
from trainer.inspection.facts import column_of

LIMIT_AUC = 0.98
LIMIT_SHARE = 0.95
FEWEST_FRAUDS = 5  # below, a column may part so few from the rest by chance
MOST_VALUES = 1_000


def giveaways(sample: pa.Table, label: LabelColumn, columns: Iterable[str]) -> dict[str, str]:
    """Those of the columns that give the label away, and how."""
    labels = as_labels(column_of(sample, label.column), {}, label.fraud, label.genuine)
    found = {name: gives_away(column_of(sample, name), labels) for name in columns}
    return {name: how for name, how in found.items() if how is not None}


def gives_away(array: pa.Array, is_fraud: np.ndarray) -> str | None:
    """A sentence on how, or None. Labels are 1 and 0; others are left out."""
    known = is_fraud >= 0
    frauds = int((is_fraud == 1).sum())
    if frauds < FEWEST_FRAUDS or frauds == int(known.sum()):
        return None
    array, fraud = array.filter(pa.array(known)), is_fraud[known] == 1
    missing = _is_missing(array)
    told = _by_value(["there", "missing"], missing.astype(np.int64), fraud)
    if told is not None:
        return f"being {told}"
    if _is_numeric(array, missing):
        numbers = _numbers(array)
        area = auc(np.where(np.isnan(numbers), -np.inf, numbers), fraud)
        if max(area, 1 - area) >= LIMIT_AUC:
            return f"alone reaches a ROC-AUC of {max(area, 1 - area):.3f}"
    coded = array.dictionary_encode(null_encoding="encode")
    if len(coded.dictionary) <= MOST_VALUES:
        names = [repr(text or "") for text in as_texts(coded.dictionary)]
        told = _by_value(names, coded.indices.to_numpy(), fraud)
        return None if told is None else f"the value {told}"
    return None


def auc(scores: np.ndarray, fraud: np.ndarray) -> float:
    """The chance that a fraud has a larger score than a genuine transaction; ties count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    positives, negatives = int(fraud.sum()), int((~fraud).sum())
    return float((mean_rank[place][fraud].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _by_value(names: list[str], codes: np.ndarray, fraud: np.ndarray) -> str | None:
    """The values that mean fraud, if together they hold nearly all frauds and nearly nothing else."""
    counts = np.bincount(codes, minlength=len(names))
    frauds = np.bincount(codes, weights=fraud, minlength=len(names))
    pure = (counts > 0) & (frauds >= LIMIT_SHARE * counts)
    held, rows = float(frauds[pure].sum()), int(counts[pure].sum())
    # Many values of one row each part anything from anything: that is an id, not a giveaway.
    if not rows or held < LIMIT_SHARE * fraud.sum() or rows < 3 * int(pure.sum()):
        return None
    shown = " or ".join([names[place] for place in np.flatnonzero(pure)[:5].tolist()])
    return f"{shown} holds {held / fraud.sum():.0%} of the frauds, and {held / rows:.0%} of its rows are fraud"


def _is_missing(array: pa.Array) -> np.ndarray:
    null = array.is_null().to_numpy(zero_copy_only=False)
    if not is_text(array):
        return np.asarray(null)
    return np.asarray(null | pc.equal(array.fill_null(""), "").to_numpy(zero_copy_only=False))


def _is_numeric(array: pa.Array, missing: np.ndarray) -> bool:
    kind = kind_of(array.filter(pa.array(~missing)))
    return kind is not None and kind.value == "number"


def _numbers(array: pa.Array) -> np.ndarray:
    if is_text(array):
        words = pc.utf8_trim_whitespace(array)
        missing = pc.is_in(pc.utf8_lower(words), value_set=pa.array([*MISSING_NUMBERS, "nan"]))
        array = pc.if_else(missing, None, words)
    return np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
