"""What one column looks like, as far as it matters for guessing what it means."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from risk.catalogue import Kind
from risk.dataset.column_map import DECIMAL_MARKS
from risk.dataset.names import is_row_number, kind_of, present_texts
from risk.dataset.values import Bad, as_amounts, as_texts, is_text
from risk.money import EXPONENTS
from trainer.inspection.labels import LabelLook, look_at_label
from trainer.inspection.times import TimeLook, look_at_clock, look_at_time
from trainer.inspection.words import (
    CUSTOMER,
    ID,
    INDEX,
    MERCHANT,
    PROPERTY,
    TIME,
    TRANSACTION,
    sensitive_by_name,
    squeezed,
    words_of,
)

LOOKED_AT = 50_000
HANDFUL = 100
LEAST_SHARE_OF_IDS = 0.9  # different values of a column that is named as the transaction's id
MONEY_SHARE = 0.95
LABEL_SHARE = 0.95  # of a column whose name says nothing
FEWEST_IDS = 20
MOST_NAME_CHARACTERS = 60


class Look(Struct, frozen=True):
    """One column of the sample."""

    words: frozenset[str]
    squeezed: str  # the name in small letters
    time: TimeLook | None
    clock: str | None  # the format of times of day
    label: LabelLook | None
    number_share: float
    decimal: str  # the mark before the decimals of its numbers
    share_negative: float
    has_cents: bool  # at most two decimals everywhere, some somewhere
    is_currency: bool
    is_whole: bool
    is_category: bool
    is_running_number: bool  # 1, 2, 3, ...
    is_row_number: bool  # with gaps, too
    different: int
    share_different: float
    characters: float  # mean length
    share_with_spaces: float

    @property
    def is_number(self) -> bool:
        return self.number_share >= MONEY_SHARE

    @property
    def is_binary(self) -> bool:
        """Nearly all values are 1, 0, true, false, yes or no."""
        return self.label is not None and self.label.is_usual and self.label.share >= LABEL_SHARE

    @property
    def is_time(self) -> bool:
        """Surely a time, or named as one and counting from somewhere."""
        return self.time is not None and (self.time.score >= 3 or bool(self.words & TIME))

    @property
    def is_id(self) -> bool:
        """Texts without being sentences, or whole numbers: not amounts, not times."""
        return (self.is_whole or not self.is_number) and not self.is_binary and self.different > 2 and self.is_name

    @property
    def is_name(self) -> bool:
        return self.characters <= MOST_NAME_CHARACTERS

    @property
    def is_code(self) -> bool:
        return self.is_id and not self.is_running_number and self.time is None and self.characters >= 6

    @property
    def is_repeated_id(self) -> bool:
        return self.is_id and not self.is_number and self.different >= FEWEST_IDS and self.share_different < 0.67


def look_at(name: str, array: pa.Array) -> Look:
    present = present_texts(array) if is_text(array) else array.drop_null()
    distinct = pc.count_distinct(present).as_py() if len(present) else 0
    some = present.slice(0, LOOKED_AT)
    texts = [text or "" for text in as_texts(some)]
    numbers, number_share, decimal = _numbers(some)
    is_number = number_share >= MONEY_SHARE
    label = look_at_label(name, present)
    is_binary = label is not None and label.is_usual and label.share >= LABEL_SHARE
    cents = numbers * 100
    return Look(
        words=words_of(name),
        squeezed=squeezed(name),
        time=None if is_binary else look_at_time(name, array),
        clock=None if is_binary else look_at_clock(name, array),
        label=label,
        number_share=number_share,
        decimal=decimal,
        share_negative=float((numbers < 0).mean()) if len(numbers) else 0.0,
        has_cents=is_number and bool((np.abs(cents - np.rint(cents)) < 1e-4).all() and (numbers % 1 != 0).any()),
        is_currency=bool(texts) and all(text in EXPONENTS for text in set(texts)),
        is_whole=is_number and bool((numbers % 1 == 0).all()),
        is_category=kind_of(some) is Kind.CATEGORY or (distinct <= 1_000 and is_number and distinct * 2 < len(some)),
        is_running_number=is_number and len(numbers) > 1 and bool((np.diff(numbers) == 1).all()),
        is_row_number=is_number and is_row_number(name, numbers),
        different=distinct,
        share_different=distinct / len(present) if len(present) else 0.0,
        characters=sum(map(len, texts)) / len(texts) if texts else 0.0,
        share_with_spaces=sum(" " in text for text in texts) / len(texts) if texts else 0.0,
    )


def _numbers(some: pa.Array) -> tuple[np.ndarray, float, str]:
    """The values as numbers, how many of them are some, the mark before their decimals; money counts."""
    type_ = some.type
    is_number = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    if not len(some) or not (is_text(some) or is_number):
        return np.empty(0), 0.0, "."
    marks = DECIMAL_MARKS if is_text(some) else DECIMAL_MARKS[:1]
    # Most texts are no numbers at all, and to say why each is none takes most of a look: a few from all over tell.
    few = some.take(np.unique(np.linspace(0, len(some) - 1, HANDFUL, dtype=np.int64)))
    if all(value is None for mark in marks for value in as_amounts(few, {}, mark)):
        return np.empty(0), 0.0, "."
    head = some.slice(0, 1_000)
    wrong: dict[str, Bad] = {mark: {} for mark in marks}
    for mark, bad in wrong.items():
        as_amounts(head, bad, mark)
    best = min(marks, key=lambda mark: len(wrong[mark]))
    if len(wrong[best]) * 2 > len(head):
        return np.empty(0), 0.0, "."
    values = as_amounts(some, {}, best)
    numbers = np.array([value for value in values if value is not None and abs(value) < np.inf])
    return numbers, len(numbers) / len(some), best


def fitness_as_transaction(look: Look) -> float:
    """How well it would do as the transaction's id; 0 is not at all."""
    if not look.is_id or look.words & (PROPERTY | MERCHANT | CUSTOMER) or look.share_different < LEAST_SHARE_OF_IDS:
        return 0.0
    named = bool(look.words & TRANSACTION) + 2.0 * bool(look.words & ID)
    return named if named else 1.0 * (look.is_code and look.share_different == 1 and not look.words & INDEX)


def fitness_as_party(look: Look, words: frozenset[str]) -> float:
    """How well it would do as the id of a customer or merchant, whose words these are; 0 is not at all."""
    is_property = look.words & PROPERTY or sensitive_by_name(look.words)
    if not look.words & words or is_property or not (look.is_id or look.is_name):
        return 0.0
    return 1.0 + bool(look.words & (ID | {"name"}))
