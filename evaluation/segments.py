"""Where a model finds fraud and where not: its figures by channel, category, amount and the like."""

from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from evaluation.ranking import Predictions, Shares, shares_of_groups
from evaluation.result import Figure, Ratios, Segment, Segments
from risk.codes import Array

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
    names, groups = _segments(grouping)
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
        made = _beside_the_largest(made)
    return Segments(grouping.name, tuple(made), grouping.is_sensitive, grouping.is_learned_from)


def _segments(grouping: Grouping) -> tuple[list[str], Array]:
    """The names that are shown, and the place among them of each row."""
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
    return [*names, f"{len(rest)} others"] if len(rest) else names, places[codes]


def _figure(shares: Shares, place: int) -> Figure:
    if shares.rows[place] < FEWEST:
        return Figure(None)
    return Figure(float(shares.value[place]), float(shares.low[place]), float(shares.high[place]), "customers")


def _note(rows: int, frauds: int, alerts: int) -> str:
    few = [f"{count} {name}" for count, name in ((frauds, "frauds"), (alerts, "alerts")) if count < FEWEST]
    return f"small: {rows} transactions" if rows < FEWEST_ROWS else f"few: {' and '.join(few)}" if few else ""


def _beside_the_largest(segments: list[Segment]) -> list[Segment]:
    largest = max(segments, key=lambda segment: segment.transactions)

    def ratio_of(segment: Segment, name: str) -> float | None:
        value, other = getattr(segment, name).value, getattr(largest, name).value
        return value / other if value is not None and other else None

    return [
        replace(segment, ratios=Ratios(**{name: ratio_of(segment, name) for name in Ratios.__struct_fields__}))
        for segment in segments
    ]
