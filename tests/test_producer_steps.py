"""The producer's promise: what may be on its way together."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer.replay.steps import limited, steps
from risk.clock import day_of
from risk.events import Label, Transaction
from testing.replays import entries, history, names, row


def test_a_step_ends_before_the_first_transaction_of_a_new_day(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", [row(1, 1, labelled_days=1.9), row(2, 23), row(3, 24), row(4, 49)])
    assert [names(step) for step in steps(entries(path))] == [["T1", "T2"], ["T3", "L1"], ["T4"]]


def test_a_step_is_as_long_as_it_may_be(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", [row(n, 1) for n in range(5)])
    assert [len(step) for step in steps(entries(path), most=2)] == [2, 2, 1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=15),
    most=st.integers(1, 5),
)
def test_everything_dated_before_a_day_is_in_an_earlier_step_than_its_transactions(
    tmp_path: Path, rows: list[tuple[int, int]], most: int
) -> None:
    path = history(tmp_path / "h.csv", [row(n, at, labelled_days=d / 24) for n, (at, d) in enumerate(rows)])
    whole = entries(path)
    made = list(steps(whole, most))
    assert [entry for step in made for entry in step] == whole
    for number, step in enumerate(made):
        days = {day_of(entry.event.event_time) for entry in step if isinstance(entry.event, Transaction)}
        assert len(days) <= 1
        for day in days:
            behind = [entry.event for later in made[number:] for entry in later]
            assert all(day_of(event.event_time) >= day for event in behind if isinstance(event, Transaction))
            assert all(day_of(event.labelled_at) >= day for event in behind if isinstance(event, Label))


def test_a_limit_counts_transactions_and_leaves_nothing_behind_the_last(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", [row(1, 1, labelled_days=0.5), row(2, 20), row(3, 21), row(4, 22)])
    assert names(list(limited(entries(path), 2))) == ["T1", "L1", "T2"]
