"""A history out of a log whose beginning retention has deleted: from where it is whole, and never short without a
word. What comes out of a whole log is in test_history_stream."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from testing.brokers import TestKafka
from testing.systems import Said, System, system
from tests.kafka_tampering import ALL, lose
from trainer.__main__ import main


def from_log(at_work: System, out: Path, *words: str) -> Said:
    return at_work.run(main, "history", "--from-log", str(out), "--bundle", str(at_work.models), *words)


def test_without_its_beginning_a_log_gives_its_whole_days_and_only_when_told(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    with system(kafka, prefix, tmp_path) as at_work:
        at_work.replay(at_work.make_history())
        whole, out = tmp_path / "whole.parquet", tmp_path / "out.parquet"
        assert from_log(at_work, whole).code == EXIT_OK
        lose(at_work.address, at_work.topics.transactions, 0, 200)
        said = from_log(at_work, out)
        assert said.code == EXIT_FAILED
        assert f"{at_work.topics.transactions}-0: got a log whose beginning retention has deleted" in said.err
        found = re.search(r"say --from (\S+),", said.err)
        assert found is not None
        first = date.fromisoformat(found[1])
        assert from_log(at_work, out, "--from", str(first - timedelta(days=1))).code == EXIT_FAILED
        assert not out.exists()
        assert from_log(at_work, out, "--from", str(first)).code == EXIT_OK
        since = datetime(first.year, first.month, first.day, tzinfo=UTC)
        table = pq.read_table(whole)
        expected = table.filter(pc.greater_equal(table["event_time"], since))
        assert 0 < expected.num_rows < table.num_rows
        assert pq.read_table(out).equals(expected)
        assert not list(tmp_path.glob(".*.part"))


def test_where_labels_are_gone_nothing_is_taken_for_genuine(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    with system(kafka, prefix, tmp_path) as at_work:
        at_work.replay(at_work.make_history())
        lose(at_work.address, at_work.topics.labels, 1, 3)
        said = from_log(at_work, tmp_path / "out.parquet")
        assert said.code == EXIT_FAILED
        assert f"{at_work.topics.labels}-1: got a log whose beginning retention has deleted" in said.err
        lose(at_work.address, at_work.topics.labels, 1, ALL)
        said = from_log(at_work, tmp_path / "out.parquet", "--from", "2024-12-15")
        assert said.code == EXIT_FAILED
        assert f"{at_work.topics.labels}-1: got a log that begins with offset" in said.err


def test_an_empty_log_has_no_history(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    with system(kafka, prefix, tmp_path) as at_work:
        said = from_log(at_work, tmp_path / "out.parquet")
        assert said.code == EXIT_FAILED
        assert f"{at_work.topics.transactions}: got no transaction that can be scored" in said.err


@pytest.mark.parametrize("words", [(), ("--from-store", "--from-log")])
def test_a_history_has_one_source(words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["history", str(tmp_path / "out.parquet"), *words], {})
