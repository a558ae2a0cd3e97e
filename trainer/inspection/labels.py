"""Which values of a label column mean fraud: known words in several languages, and pairs of them."""

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from risk.dataset.column_map import LabelColumn
from risk.dataset.names import present_texts
from risk.dataset.values import Bad, as_labels, as_texts, is_text

MOST_SPELLINGS = 20
ENOUGH = 0.6  # of the values must be understood under a name that says label; the others are dirt, which inspect counts

_FRAUD = frozenset(
    {"1", "1.0", "true", "yes", "y", "t", "ja", "j", "oui", "o", "si", "sí", "s", "sim", "sì", "tak", "wahr", "vrai",
     "vero", "verdadero", "fraud", "fraudulent", "fraude", "fraudulento", "betrug", "betrügerisch", "frode", "scam",
     "bad", "chargeback", "positive"}
)  # fmt: skip
_GENUINE = frozenset(
    {"0", "0.0", "-1", "-1.0", "false", "no", "n", "f", "nein", "non", "não", "nao", "nie", "nee", "falsch", "faux",
     "falso", "legit", "legitimate", "genuine", "normal", "good", "ok", "valid", "clean", "negative", "echt",
     "not fraud", "not_fraud", "non-fraud", "non_fraud", "nonfraud", "no fraud", "kein betrug", "légitime", "legítimo",
     "legitimo"}
)  # fmt: skip


class LabelLook(NamedTuple):
    """How the values of a column can be read as labels."""

    source: LabelColumn
    share: float  # of the values that are understood
    share_of_frauds: float  # among these

    @property
    def is_usual(self) -> bool:
        """1, 0, true, false, yes, no: understood without a list."""
        return not self.source.fraud


def look_at_label(name: str, array: pa.Array) -> LabelLook | None:
    """None where the values are not understood."""
    counted = _counted(array, MOST_SPELLINGS)
    meanings = {text: _meaning(text, counted) for text in counted}
    fraud = tuple(sorted(text for text, means in meanings.items() if means is True))
    genuine = tuple(sorted(text for text, means in meanings.items() if means is False))
    others = [text for text, means in meanings.items() if means is None]
    if not (fraud or genuine) or sum(map(_is_number, others)) * 2 > len(others):
        return None  # 0, 1, 2, 3 are a count or a kind
    dirt: Bad = {}
    as_labels(pa.array([*fraud, *genuine]), dirt)
    if dirt and not (fraud and genuine):
        return None
    frauds, understood = (sum(counted[text] for text in texts) for texts in (fraud, (*fraud, *genuine)))
    source = LabelColumn(name, fraud, genuine) if dirt else LabelColumn(name)
    return LabelLook(source, understood / sum(counted.values()), frauds / understood)


def values_and_counts(array: pa.Array) -> tuple[str, list[str]]:
    """For people: the most frequent values with their counts, and the first of them as they are."""
    counted = _counted(array, None)
    shown = ", ".join(f"{text!r} ({count:,})" for text, count in list(counted.items())[:4])
    return (f"{shown} and {len(counted) - 4:,} more" if len(counted) > 4 else shown), list(counted)[:2]


def _counted(array: pa.Array, most: int | None) -> dict[str, int]:
    """Each value with its count, the most frequent first; none if they are too many."""
    present = present_texts(array) if is_text(array) else array.drop_null()
    if most is not None and pc.count_distinct(present).as_py() > most:
        return {}
    counts: Counter[str] = Counter()
    coded = present.value_counts()
    for text, count in zip(as_texts(coded.field(0)), coded.field(1).to_pylist(), strict=True):
        counts[(text or "").strip()] += count
    return dict(counts.most_common())


def _meaning(text: str, beside: Collection[str]) -> bool | None:
    """True is fraud. A lone f is false beside t; elsewhere it might be the first letter of fraud."""
    word = text.lower()
    if word == "f" and "t" not in {other.lower() for other in beside}:
        return None
    return True if word in _FRAUD else False if word in _GENUINE else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
