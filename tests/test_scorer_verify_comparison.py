"""Counting what is there against what is due: the same counts, in whatever order things are found."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from scorer.verify.comparison import Comparison, Tally

OFFSETS = 5  # as many as are kept to be shown
# What follows the plus an older version did not write.
ITEMS = st.sampled_from(["a", "b", "a+1", "a+2"])
DUE = st.lists(st.none() | ITEMS, min_size=OFFSETS, max_size=OFFSETS)
COUNTED = st.lists(st.booleans(), min_size=OFFSETS, max_size=OFFSETS)
# Which item is found for which offset, and how many offsets have been judged by then.
FINDS = st.lists(st.tuples(st.integers(0, OFFSETS - 1), ITEMS, st.integers(0, OFFSETS)), max_size=12)
BEGIN = 40


def explain(item: str) -> dict[str, object]:
    return {"item": item}


def as_older(item: str) -> str:
    return item.partition("+")[0]


def compared(
    due: Sequence[str | None], counted: Sequence[bool], finds: Sequence[tuple[int, str, int]]
) -> Comparison[str]:
    comparison = Comparison("here", BEGIN, explain, as_older)
    for judged in range(OFFSETS + 1):
        for offset, item, when in finds:
            if when == judged:
                comparison.found(BEGIN + offset, item)
        if judged < OFFSETS:
            comparison.judge(due[judged], counts=counted[judged])
    return comparison


def counted_by_hand(due: Sequence[str | None], counted: Sequence[bool], finds: Sequence[tuple[int, str, int]]) -> Tally:
    tally = Tally()
    for offset in range(OFFSETS):
        there = [item for where, item, _ in finds if where == offset]
        wanted = due[offset]
        equal = 0 if wanted is None else sum(item in (wanted, as_older(wanted)) for item in there)
        others = len(there) - equal
        if not counted[offset]:
            continue
        if wanted is None:
            tally.extra += others
            continue
        tally.add(
            Tally(
                due=1,
                equal=min(equal, 1),
                missing=not there,
                different=bool(there) and not equal,
                extra=others if equal else max(others - 1, 0),
                repeated=max(equal - 1, 0),
            )
        )
    return tally


@given(DUE, COUNTED, FINDS)
def test_the_order_in_which_things_are_found_changes_no_count(
    due: list[str | None], counted: list[bool], finds: list[tuple[int, str, int]]
) -> None:
    assert compared(due, counted, finds).tally == counted_by_hand(due, counted, finds)


@given(DUE, COUNTED, FINDS)
def test_a_difference_is_shown_exactly_where_there_is_one(
    due: list[str | None], counted: list[bool], finds: list[tuple[int, str, int]]
) -> None:
    comparison = compared(due, counted, finds)
    assert bool(comparison.differences) == (not comparison.tally.is_clean)


def test_a_repeat_is_no_difference() -> None:
    comparison = compared(["a"] * OFFSETS, [True] * OFFSETS, [(n, "a", 0) for n in (0, 0, 1, 2, 3, 4)])
    assert comparison.tally == Tally(due=5, equal=5, repeated=1)
    assert comparison.tally.is_clean


def test_both_values_of_a_difference_are_kept() -> None:
    comparison = compared(["a", *[None] * (OFFSETS - 1)], [True] * OFFSETS, [(0, "b", 0)])
    assert comparison.differences == [("here", BEGIN, {"item": "a"}, {"item": "b"})]


def test_what_belongs_to_no_offset_is_extra() -> None:
    comparison = compared([None] * OFFSETS, [True] * OFFSETS, [])
    comparison.found_stranger("b")
    assert comparison.tally == Tally(extra=1)
    assert comparison.differences == [("here", None, None, {"item": "b"})]
