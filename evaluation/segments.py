"""Where a model finds fraud and where not: its figures by channel, category, amount and the like."""

from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from evaluation.ranking import Predictions, Shares, shares_of_groups
from evaluation.result import Figure, Ratios, Segment, Segments
from risk.codes import Array
from risk.words import counted

MOST = 10  # segments of one attribute; the rest together are one more
FEWEST_ROWS = 100  # smaller ones are put together
FEWEST = 10  # alerts or frauds, to take a share of: with fewer, nearly any share is within the interval
NOT_GIVEN = -1


class Grouping(NamedTuple):
    """What each test row is by one attribute."""

    name: str
    words: tuple[str, ...]
    codes: Array  # the place of each row's word; NOT_GIVEN where it has none
    is_in_order: bool = False  # as the words are, such as bands; otherwise the largest come first
    is_sensitive: bool = False
    is_learned_from: bool = True


def segments_of(test: Predictions, threshold: float, grouping: Grouping) -> Segments:
    """Small segments are put together, and said to be small."""
    names, groups, named = _segments(grouping)
    flagged, is_fraud = test.scores >= threshold, test.is_fraud
    everything = np.ones(len(flagged), bool)

    def shares(hits: Array, among: Array) -> Shares:
        return shares_of_groups(groups[among], len(names), hits[among], test.customers[among])

    found = {
        "alert_rate": shares(flagged, everything),
        "precision": shares(is_fraud, flagged),
        "recall": shares(flagged, is_fraud),
        "false_positive_rate": shares(flagged, ~is_fraud),
    }
    rows, frauds, alerts = (found[name].rows.tolist() for name in ("alert_rate", "recall", "precision"))
    made = [
        Segment(
            name=name,
            transactions=rows[place],
            frauds=frauds[place],
            alerts=alerts[place],
            note=_note(rows[place], frauds[place], alerts[place]),
            alert_rate=_figure(found["alert_rate"], place),
            precision=_figure(found["precision"], place),
            recall=_figure(found["recall"], place),
            false_positive_rate=_figure(found["false_positive_rate"], place),
        )
        for place, name in enumerate(names)
    ]
    if grouping.is_sensitive:
        made = _beside_the_largest(made, named)
    return Segments(grouping.name, tuple(made), grouping.is_sensitive, grouping.is_learned_from)


def _segments(grouping: Grouping) -> tuple[list[str], Array, list[int]]:
    """The names that are shown, the place among them of each row, and which of the names are one group: neither those
    of whom it is not known, nor several together."""
    codes = np.where(grouping.codes == NOT_GIVEN, len(grouping.words), grouping.codes)
    words = [*grouping.words, "(not given)"]
    counts = np.bincount(codes, minlength=len(words))
    by_size = np.argsort(-counts, kind="stable")
    shown = by_size[(counts[by_size] >= FEWEST_ROWS)][:MOST]
    rest = np.flatnonzero((counts > 0) & ~np.isin(np.arange(len(words)), shown))
    if len(rest) == 1 and len(shown) < MOST:
        shown, rest = np.append(shown, rest), rest[:0]  # alone it keeps its name
    if grouping.is_in_order:
        shown = np.sort(shown)
    places = np.full(len(words), len(shown))
    places[shown] = np.arange(len(shown))
    names = [words[place] for place in shown.tolist()]
    named = np.flatnonzero(shown < len(grouping.words)).tolist()
    return [*names, f"{len(rest)} others"] if len(rest) else names, places[codes], named


def _figure(shares: Shares, place: int) -> Figure:
    if shares.rows[place] < FEWEST:
        return Figure(None)
    return Figure(float(shares.value[place]), float(shares.low[place]), float(shares.high[place]), "customers")


def _note(rows: int, frauds: int, alerts: int) -> str:
    counts = ((frauds, "fraud"), (alerts, "alert"))
    few = [counted(count, name, f"{name}s") for count, name in counts if count < FEWEST]
    if rows < FEWEST_ROWS:
        return f"small: {counted(rows, 'transaction', 'transactions')}"
    return f"few: {' and '.join(few)}" if few else ""


def _beside_the_largest(segments: list[Segment], named: list[int]) -> list[Segment]:
    largest = max((segments[place] for place in named), key=lambda segment: segment.transactions, default=None)

    def ratio_of(segment: Segment, name: str) -> float | None:
        value, other = (None if one is None else getattr(one, name).value for one in (segment, largest))
        return value / other if value is not None and other else None

    return [
        replace(segment, ratios=Ratios(**{name: ratio_of(segment, name) for name in Ratios.__struct_fields__}))
        for segment in segments
    ]


UNNAMED = "(no kind given)"


def rows_of_kinds(predictions: Predictions) -> dict[str, Array]:
    """For each kind, its frauds as a mask over the rows, the most frequent first. Empty where the data has no kinds."""
    if predictions.kinds is None or not predictions.is_fraud.any():
        return {}
    names = np.array([kind or UNNAMED for kind in predictions.kinds])
    words, counts = np.unique(names[predictions.is_fraud], return_counts=True)
    order = np.lexsort((words, -counts))
    return {str(word): predictions.is_fraud & (names == word) for word in words[order]}
