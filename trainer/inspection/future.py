"""Columns that know the future: what they hold is known only after the transaction, so no live score can have it."""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa

from risk.dataset.values import Bad, as_amounts, is_text
from trainer.inspection.facts import column_of
from trainer.inspection.giveaway import LIMIT_AUC, auc
from trainer.inspection.words import TRANSACTION, words_in_order, words_of

_AFTER = frozenset(
    {"settled", "settlement", "chargeback", "chargebacks", "refunded", "dispute", "disputed", "reversed", "reversal",
     "resolution"}
)  # fmt: skip
# What they say of is over by the time of the transaction: previous_chargebacks, chargebacks_last_90d.
_EARLIER = frozenset({"since", "last", "prior", "previous", "before", "count"})
_WINDOW = frozenset({"d", "day", "days", "h", "hour", "hours", "m", "min", "minute", "minutes"})
_FLAGGED = re.compile(r"(is|was)?flagged(fraud)?(at|date|time)?")  # of the transaction: is_flagged_ip is the address's
_BALANCE, _NEW, _OLD = frozenset({"balance", "saldo", "kontostand", "solde"}), "new", frozenset({"old", "before"})
MOST_NUMBERS = 20  # of them, every two are compared
LEAST_SHARE = 0.1  # of the rows in which two columns differ by the amount, and more than chance would have it
LEAST_VALUES = 50  # different ones of a balance, in these rows
LEAST_FRAUD_ROWS = 5


def named_after(name: str) -> bool:
    """newbalanceOrig, balance_after, isFlaggedFraud, chargeback_date."""
    words = words_of(name)
    in_order = [word for word in words_in_order(name) if word not in TRANSACTION]
    if any("newbalance" in word for word in words) or (_NEW in words and words & _BALANCE):
        return True
    # days_after_signup is after something else.
    if (
        in_order[-1:] == ["after"]
        or (in_order[:1] == ["after"] and words & _BALANCE)
        or _FLAGGED.fullmatch("".join(in_order))
    ):
        return True
    has_window = any(first.isdigit() and second in _WINDOW for first, second in pairwise(in_order))
    return bool(words & _AFTER) and not words & _EARLIER and not has_window


def known_afterwards(
    sample: pa.Table, columns: Iterable[str], amount: str | None, decimals: Mapping[str, str]
) -> dict[str, str]:
    """Of these columns, those that know what came after the transaction, and by what that shows."""
    names = list(columns)
    found = {name: "its name says that it is known only after the transaction" for name in names if named_after(name)}
    if amount is None:
        return found
    numbers = _numbers(sample, names, decimals)
    (amounts,) = _numbers(sample, [amount], decimals).values() or (None,)
    if amounts is None:
        return found
    for first, second in ((a, b) for a in numbers for b in numbers if a != b):
        moved = _moved(numbers[first], numbers[second], amounts)
        if moved < LEAST_SHARE or {first, second} & found.keys():
            continue
        # Of a balance before and one after, either may be named so.
        late = [name for name in (first, second) if not words_of(name) & _OLD and "old" not in name.lower()]
        for name in late:
            found[name] = (
                f"{first} less {second} is the amount in {moved:.0%} of the rows: one of them is a balance"
                " after the transaction"
            )
    return found


def _moved(first: np.ndarray, second: np.ndarray, amounts: np.ndarray) -> float:
    """The share of rows in which one less the other is the amount, if they can be balances at all.

    The amount again less a column of zeros is it as well, and a total less its fee, which is smaller than the amount.
    """
    moved = np.isclose(first - second, amounts, rtol=0, atol=0.005) & (amounts > 0)
    for values in (first, second):
        moved &= (values != 0) & ~np.isclose(values, amounts, rtol=0, atol=0.005)
    if any(len(np.unique(values[moved])) < LEAST_VALUES for values in (first, second)):
        return 0.0
    is_part = np.abs(second[moved]) < amounts[moved]
    return 0.0 if is_part.mean() > 1 - LEAST_SHARE else float(moved.mean())


def parting_differences(
    sample: pa.Table, columns: Iterable[str], is_fraud: np.ndarray, decimals: Mapping[str, str]
) -> list[str]:
    """Two columns whose difference alone parts frauds from the rest: emptied accounts, say."""
    known = is_fraud >= 0
    fraud = is_fraud[known] == 1
    if fraud.sum() < LEAST_FRAUD_ROWS or fraud.all():
        return []
    numbers = {name: values[known] for name, values in _numbers(sample, columns, decimals).items()}
    names = list(numbers)
    said = []
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            for how, score in (
                ("the difference of", numbers[first] - numbers[second]),
                ("how near to each other are", -np.abs(numbers[first] - numbers[second])),
            ):
                area = auc(np.nan_to_num(score, nan=-np.inf), fraud)
                if max(area, 1 - area) >= LIMIT_AUC:
                    said.append(
                        f"{how} {first} and {second} alone reaches a ROC-AUC of {max(area, 1 - area):.3f}: check that"
                        " both are known at the moment of the transaction"
                    )
                    break
    return said


def _numbers(sample: pa.Table, columns: Iterable[str], decimals: Mapping[str, str]) -> dict[str, np.ndarray]:
    """NaN where there is none; at most so many columns."""
    found: dict[str, np.ndarray] = {}
    for name in columns:
        array = column_of(sample, name).slice(0, 100_000)
        type_ = array.type
        is_number = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
        if not (is_number or is_text(array)):
            continue
        bad: Bad = {}
        head = as_amounts(array.slice(0, 200), bad, decimals.get(name, "."))
        if len(bad) * 10 > len(head) or len(found) >= MOST_NUMBERS:
            continue
        values = as_amounts(array, {}, decimals.get(name, "."))
        found[name] = np.array([np.nan if value is None else value for value in values], np.float64)
    return found
