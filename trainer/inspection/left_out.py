"""Why a column that is no field does not become an attribute either."""

import pyarrow as pa

from risk.catalogue import Kind
from risk.dataset.column_map import LABEL_FIELDS
from risk.dataset.names import MOST_CATEGORIES, kind_of
from trainer.inspection.labels import MOST_SPELLINGS, values_and_counts
from trainer.inspection.named import Look
from trainer.inspection.words import LABEL, LABEL_NOT, TIME_NOT, knows_of_fraud, names_a_person

LEAST_SHARE_OF_IDS = 0.5  # different values
MOST_SPACES = 0.5  # of the values; more, and they are sentences
FEW_SENTENCES = 3
DURATIONS = frozenset({"since", "days", "months", "years", "hours", "minutes", "seconds"})


def attribute_kind(look: Look, array: pa.Array) -> Kind | None:
    if look.is_number and look.decimal != ".":
        return Kind.NUMBER
    return kind_of(array)


def why_left_out(name: str, look: Look, kind: Kind | None, has_label: bool, array: pa.Array) -> str | None:
    """A sentence's end, or None where the column is an attribute. Giveaways are judged elsewhere."""
    if name in LABEL_FIELDS or knows_of_fraud(name):
        return _why_no_label(name, look, has_label, array)
    if look.different == 0:
        return "it is empty in every row"
    if look.different == 1:
        return f"it is {values_and_counts(array)[1][0]!r} in every row that has it"
    if look.clock is not None:
        return "it is a time of day"
    is_date_named = bool(look.words & TIME_NOT) and not look.words & DURATIONS
    if (look.time is not None and not look.is_number) or (is_date_named and kind is not Kind.NUMBER):
        return "it is a date"
    if names_a_person(name) and not look.is_binary:
        return "it names a person rather than a behaviour"
    if look.is_running_number or look.is_row_number:
        return "it only counts the rows"
    is_sentences = kind is Kind.CATEGORY and look.share_with_spaces > MOST_SPACES
    if kind is None or (is_sentences and look.share_different > LEAST_SHARE_OF_IDS and look.different > FEW_SENTENCES):
        return _why_no_category(look)
    return None


def _why_no_label(name: str, look: Look, has_label: bool, array: pa.Array) -> str:
    if look.different == 0:
        return "it is empty in every row"
    is_named = bool(look.words & LABEL) or (knows_of_fraud(name) and look.different <= MOST_SPELLINGS)
    if has_label or not is_named or (look.words & LABEL_NOT and name != "is_fraud"):
        return "its name says that it knows about fraud"
    shown, first = values_and_counts(array)
    two = (first * 2)[:2]
    return (
        f"its name says label, but which of its values mean fraud is not known: {shown}. If it is the label, write"
        f' is_fraud = {{ column = "{name}", fraud = ["{two[1]}"], genuine = ["{two[0]}"] }} with the right values'
    )


def _why_no_category(look: Look) -> str:
    if not look.is_name or look.share_with_spaces > MOST_SPACES:
        return f"it is free text, {look.different:,} different ones"
    if look.share_different > LEAST_SHARE_OF_IDS:
        return f"it is an id or a name: nearly every row has its own, {look.different:,} different ones"
    return f"it has {look.different:,} different texts, a category has at most {MOST_CATEGORIES} that come again"
