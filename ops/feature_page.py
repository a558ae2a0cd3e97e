"""docs/features.md out of the catalogue: `make docs` writes it, a test holds it to the catalogue."""

from collections.abc import Iterable, Iterator

from risk.catalogue import (
    CATALOGUE_VERSION,
    CATEGORY_FEATURES,
    DIRECT_FEATURES,
    HISTORY_FEATURES,
    LEDGER_FEATURES,
    Feature,
)

_HEAD = f"""# The features

Generated from `risk/catalogue.py` by `make docs`; catalogue version {CATALOGUE_VERSION}. DESIGN.md says exactly how
each is computed, at window edges, ties and missing values.

A feature exists where the dataset has the fields that it needs. "Reference" is what an alert's reasons compare a value
with: a number, or what training learned of the transactions of all customers (the median, the most common category),
never of the one customer. Every declared attribute of a dataset is a feature too, named `attribute_` and its name.
"""

_SECTIONS: tuple[tuple[str, str, tuple[Feature, ...]], ...] = (
    ("Of the transaction", "Amounts are in the currency's major unit.", DIRECT_FEATURES),
    (
        "Of the customer's past",
        "The transaction itself is not included; it joins the past afterwards.",
        HISTORY_FEATURES,
    ),
    (
        "Of the merchant ledger",
        "Whole closed days only, which end a label delay before the transaction: what came later may be a fraud that\n"
        "nobody has reported yet. With a label delay of 7 days, the 7 days that ended a label delay ago are those\n"
        "from 14 to 7 days ago, and so an alert's reasons call them.",
        LEDGER_FEATURES,
    ),
    ("Categories", "Coded by the vocabulary that training learned: 0 missing, 1 unknown.", CATEGORY_FEATURES),
)


def page() -> str:
    return "\n".join([_HEAD, *_lines()])


def _lines() -> Iterator[str]:
    for title, text, features in _SECTIONS:
        yield f"## {title}\n\n{text}\n"
        yield from _table(features)
        yield ""


def _table(features: Iterable[Feature]) -> Iterator[str]:
    yield "| feature | meaning | unit | reference | needs |"
    yield "|---|---|---|---|---|"
    for f in features:
        yield f"| `{f.name}` | {f.meaning} | {f.unit} | {_reference(f)} | {f.needs.value} |"


def _reference(feature: Feature) -> str:
    return feature.reference if isinstance(feature.reference, str) else f"{feature.reference:g}"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - this file's only output, for a redirect
