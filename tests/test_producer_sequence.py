"""What is sent in which order."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producer.replay.refused import Refused
from producer.replay.sequence import Sequence, Span
from risk.clock import DAY
from risk.events import Label, Transaction
from testing.replays import HEADER, NOW, START, entries, history, names, opened, row
from tests.datasets import written


def test_transactions_come_by_event_time_and_those_of_one_time_by_line(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", [row(1, 2), row(2, 1), row(3, 2), row(4, 0)])
    assert names(entries(path)) == ["T4", "T2", "T1", "T3"]


def test_a_label_comes_before_the_first_transaction_that_is_not_earlier_than_it(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", [row(1, 0, labelled_days=1), row(2, 23.9), row(3, 24), row(4, 30)])
    assert names(entries(path)) == ["T1", "T2", "L1", "T3", "T4"]


def test_labels_come_by_time_and_those_of_one_time_as_their_rows(tmp_path: Path) -> None:
    rows = [row(1, 0, labelled_days=2), row(2, 0, labelled_days=1), row(3, 0, labelled_days=2), row(4, 72)]
    assert names(entries(history(tmp_path / "h.csv", rows))) == ["T1", "T2", "T3", "L2", "L1", "L3", "T4"]


def test_labels_that_are_due_after_the_last_transaction_come_behind_it_at_its_pace(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", [row(1, 0, labelled_days=40), row(2, 1, labelled_days=3)])
    found = entries(path)
    assert names(found) == ["T1", "T2", "L2", "L1"]
    assert [entry.due for entry in found[2:]] == [START + 3_600_000] * 2


def test_a_label_that_nobody_can_know_by_now_is_counted_and_not_sent(tmp_path: Path) -> None:
    dataset, refused = opened(history(tmp_path / "h.csv", [row(1, 0, labelled_days=40), row(2, 1, labelled_days=3)]))
    sequence = Sequence(dataset, refused, Span(), START + 10 * DAY)
    assert names(list(sequence)) == ["T1", "T2", "L2"]
    assert sequence.future_labels == 1


def test_a_label_dated_before_its_transaction_comes_with_it_and_is_counted(tmp_path: Path) -> None:
    dataset, refused = opened(history(tmp_path / "h.csv", [row(1, 0), row(2, 50, labelled_days=-1)]))
    sequence = Sequence(dataset, refused, Span(), NOW)
    assert names(list(sequence)) == ["T1", "L2", "T2"]
    assert sequence.early_labels == 1


def test_frauds_whose_labels_have_no_time_are_counted(tmp_path: Path) -> None:
    """Nothing is sent of them, and nothing else would show it."""
    rows = [row(1, 0, labelled_days=1), row(2, 1).removesuffix(",") + "1,", row(3, 60)]
    dataset, refused = opened(history(tmp_path / "h.csv", rows))
    sequence = Sequence(dataset, refused, Span(), NOW)
    assert names(list(sequence)) == ["T1", "T2", "L1", "T3"]
    assert (sequence.timed_frauds, sequence.untimed_frauds) == (1, 1)


def test_without_labels_there_are_none(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", [row(1, 0, labelled_days=1), row(2, 60)])
    assert names(entries(path, Span(labels=False))) == ["T1", "T2"]


def test_refused_rows_stand_before_the_good_row_behind_them(tmp_path: Path) -> None:
    bad = [row(9, hour, amount="-1") for hour in (0, 2, 2, 3)]
    path = history(tmp_path / "h.csv", [bad[0], row(1, 1), row(2, 2), bad[1], bad[2], row(3, 3), bad[3]])
    assert names(entries(path)) == ["!", "T1", "T2", "!", "!", "T3", "!"]


@pytest.mark.parametrize("chunk_rows", [1, 2, 3])
def test_the_chunks_in_which_a_sorted_file_is_read_change_nothing(tmp_path: Path, chunk_rows: int) -> None:
    bad = [row(9, hour, amount="-1") for hour in (0, 1, 50)]
    rows = [bad[0], row(1, 1, labelled_days=1), bad[1], row(2, 2), row(3, 30, labelled_days=1), bad[2], row(4, 90)]
    path = history(tmp_path / "h.csv", rows)
    assert entries(path, chunk_rows=chunk_rows) == entries(path)


def test_refused_rows_of_a_file_that_is_not_sorted_come_before_the_chunk(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", [row(1, 9), row(9, 1, amount="-1"), row(2, 2), row(9, 3, amount="-1")])
    assert names(entries(path)) == ["!", "!", "T2", "T1"]


def test_rows_that_no_message_can_say_are_counted_with_their_lines(tmp_path: Path) -> None:
    dataset, refused = opened(written(tmp_path, f"{HEADER}\n{row(1, 0)}\nshort\n{row(2, 1)},long\n"))
    assert names(list(Sequence(dataset, refused, Span(), NOW))) == ["T1"]
    assert refused.unsent == 2
    assert [bad.line for bad in refused.first_unsent] == [3, 4]


def test_a_shift_moves_transactions_labels_and_refused_rows(tmp_path: Path) -> None:
    rows = [row(1, 12, labelled_days=1), row(2, 48), row(3, 49, amount="-1")]
    transaction, label, _, refused = (e.event for e in entries(history(tmp_path / "h.csv", rows), Span(shift_ms=-DAY)))
    assert isinstance(transaction, Transaction)
    assert transaction.event_time == START - DAY // 2
    assert isinstance(label, Label)
    assert label.labelled_at == START + DAY // 2
    assert isinstance(refused, Refused)
    assert b"2024-01-02T01:00:00Z" in refused.value


def test_a_lap_lies_behind_the_one_before_by_whole_days_with_other_ids(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", [row(1, 20, labelled_days=1.5), row(2, 30)])
    found = []
    for entry in Sequence(*opened(path), Span(laps=True), NOW):
        found.append(entry)
        if len(found) == 6:
            break
    assert names(found) == ["T1", "T2", "L1", "T1~1", "T2~1", "L1~1"]
    first, again = found[0].event, found[3].event
    assert isinstance(first, Transaction)
    assert isinstance(again, Transaction)
    assert again.event_time - first.event_time == 2 * DAY
    assert again.customer_id == first.customer_id


def test_a_refused_row_is_not_sent_again_in_another_lap(tmp_path: Path) -> None:
    path = history(tmp_path / "h.csv", [row(1, 20), row(9, 21, amount="-1")])
    lap = iter(Sequence(*opened(path), Span(laps=True), NOW))
    assert names([next(lap) for _ in range(4)]) == ["T1", "!", "T1~1", "T1~2"]


ROWS = st.lists(st.tuples(st.integers(0, 100), st.one_of(st.none(), st.integers(-40, 100))), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, cut=st.integers(0, 5))
def test_two_runs_that_meet_at_a_day_send_together_what_one_run_sends(
    tmp_path: Path, rows: list[tuple[int, int | None]], cut: int
) -> None:
    lines = [row(n, at, labelled_days=None if d is None else d / 24) for n, (at, d) in enumerate(rows)]
    path = history(tmp_path / "h.csv", lines)
    day = START + cut * DAY
    whole = names(entries(path))
    parts = names(entries(path, Span(until=day))) + names(entries(path, Span(since=day)))
    assert sorted(parts) == sorted(whole)
    assert [name for name in parts if name[0] == "T"] == [name for name in whole if name[0] == "T"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_nothing_comes_after_a_transaction_that_is_later(tmp_path: Path, rows: list[tuple[int, int | None]]) -> None:
    lines = [row(n, at, labelled_days=None if d is None else d / 24) for n, (at, d) in enumerate(rows)]
    newest = 0
    for _, event in entries(history(tmp_path / "h.csv", lines)):
        if isinstance(event, Transaction):
            assert event.event_time >= newest
            newest = event.event_time
    assert newest == START + max(at for at, _ in rows) * 3_600_000
