"""What one column looks like, as far as it matters for guessing what it means."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from risk.catalogue import Kind
from risk.dataset.names import kind_of, present_texts
from risk.dataset.values import Bad, as_amounts, as_labels, as_texts, is_text
from risk.money import EXPONENTS
from trainer.inspection.times import TimeLook, look_at_time
from trainer.inspection.words import CUSTOMER, ID, INDEX, MERCHANT, PROPERTY, TIME, TRANSACTION, words_of

LOOKED_AT = 50_000
LEAST_SHARE_OF_IDS = 0.9  # different values of a column that is named as the transaction's id
MONEY_SHARE = 0.95
LABEL_SHARE = 0.95
MOST_LABEL_SPELLINGS = 20
FEWEST_IDS = 20
MOST_NAME_CHARACTERS = 60


class Look(Struct, frozen=True):
    """One column of the sample."""

    words: frozenset[str]
    squeezed: str  # the name in small letters
    time: TimeLook | None
    is_number: bool
    is_binary: bool  # nearly all values can be labels; the others are words, not numbers
    share_of_ones: float
    share_negative: float
    has_cents: bool  # at most two decimals everywhere, some somewhere
    is_currency: bool
    is_whole: bool
    is_category: bool
    is_running_number: bool  # 1, 2, 3, ...
    different: int
    share_different: float
    characters: float  # mean length

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
    numbers, is_number = _numbers(some)
    share_of_ones = _share_of_ones(present, distinct)
    is_binary = share_of_ones is not None
    cents = numbers * 100
    return Look(
        words=words_of(name),
        squeezed="".join(character for character in name.lower() if character.isalnum()),
        time=None if is_binary else look_at_time(name, array),
        is_number=is_number,
        is_binary=is_binary,
        share_of_ones=share_of_ones or 0.0,
        share_negative=float((numbers < 0).mean()) if len(numbers) else 0.0,
        has_cents=is_number and bool((np.abs(cents - np.rint(cents)) < 1e-4).all() and (numbers % 1 != 0).any()),
        is_currency=bool(texts) and all(text in EXPONENTS for text in set(texts)),
        is_whole=is_number and bool((numbers % 1 == 0).all()),
        is_category=kind_of(some) is Kind.CATEGORY or (distinct <= 1_000 and is_number and distinct * 2 < len(some)),
        is_running_number=is_number and len(numbers) > 1 and bool((np.diff(numbers) == 1).all()),
        different=distinct,
        share_different=distinct / len(present) if len(present) else 0.0,
        characters=sum(map(len, texts)) / len(texts) if texts else 0.0,
    )


def _share_of_ones(present: pa.Array, distinct: int) -> float | None:
    """Among values that can be labels; None where the column is none."""
    if not 0 < distinct <= MOST_LABEL_SPELLINGS:
        return None
    dirt: Bad = {}
    labels = as_labels(present, dirt)
    others = present.take(pa.array(sorted(dirt)[:100], pa.int64()))
    if len(dirt) > (1 - LABEL_SHARE) * len(labels) or _numbers(others)[1]:
        return None
    return float((labels == 1).sum() / (len(labels) - len(dirt)))


def _numbers(some: pa.Array) -> tuple[np.ndarray, bool]:
    """The values as numbers, and whether nearly all of them are some; money counts."""
    type_ = some.type
    if not (is_text(some) or pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)):
        return np.empty(0), False
    if not len(some):
        return np.empty(0), False
    bad: Bad = {}
    as_amounts(some.slice(0, 1_000), bad)
    if len(bad) > 500:
        return np.empty(0), False
    values = as_amounts(some, bad)
    numbers = np.array([value for value in values if value is not None and abs(value) < np.inf])
    return numbers, len(numbers) >= MONEY_SHARE * len(some)


def fitness_as_transaction(look: Look) -> float:
    """How well it would do as the transaction's id; 0 is not at all."""
    if not look.is_id or look.words & (PROPERTY | MERCHANT | CUSTOMER) or look.share_different < LEAST_SHARE_OF_IDS:
        return 0.0
    named = bool(look.words & TRANSACTION) + 2.0 * bool(look.words & ID)
    return named if named else 1.0 * (look.is_code and look.share_different == 1 and not look.words & INDEX)


def fitness_as_party(look: Look, words: frozenset[str]) -> float:
    """How well it would do as the id of a customer or merchant, whose words these are; 0 is not at all."""
    if not look.words & words or look.words & PROPERTY or not (look.is_id or look.is_name):
        return 0.0
    return 1.0 + bool(look.words & (ID | {"name"}))
