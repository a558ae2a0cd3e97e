"""The contestant in Java does the same work as ours, and nothing is measured where it does not."""

from pathlib import Path

import pytest

from bench.stream.compare import check, first_transactions
from bench.stream.contestants import KAFKA_STREAMS, ROWS
from bench.stream.kafka_streams.built import build, missing, start
from bench.stream.kafka_streams.same_as_ours import SHOW_FEATURES, Flag, Ours, Reason, difference, judge
from bench.stream.measure import rows_stored, until
from bench.stream.system import LEAST_CUSTOMERS, Bench, History, broker, generated, trained
from risk.events import Level
from risk.events import Reason as OurReason

ROWS_OF_A_FORTNIGHT = 12_000  # of the history below: days of the ledger are closed, and looked at

OURS = Ours(
    b"features", 0.75, Level.HIGH, (OurReason("amount", 9.0, 1.0, 0.5, "amount 9"),), ["hour"], "2024-01-01", "id"
)
THEIRS = Flag("C", "T", 0.75 + 1e-7, Level.HIGH, [Reason("amount", 9.0, 1.0, 0.5 + 1e-7)], ["hour"], "2024-01-01")


def test_scores_may_differ_in_their_last_bits():
    assert difference(OURS, THEIRS, b"features") is None


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (Flag("C", "T", 0.76, *[getattr(THEIRS, n) for n in ("level", "reasons", "imputed", "ledger_day")]), "score"),
        (Flag("C", "T", 0.75, Level.LOW, THEIRS.reasons, ["hour"], "2024-01-01"), "level"),
        (Flag("C", "T", 0.75, Level.HIGH, THEIRS.reasons, [], "2024-01-01"), "imputed"),
        (Flag("C", "T", 0.75, Level.HIGH, THEIRS.reasons, ["hour"], None), "ledger_day"),
        (Flag("C", "T", 0.75, Level.HIGH, [], ["hour"], "2024-01-01"), "reasons"),
        (Flag("C", "T", 0.75, Level.HIGH, [Reason("amount", 9.0, 1.0, 0.4)], ["hour"], "2024-01-01"), "reasons"),
        (Flag("C", "T", 0.75, Level.HIGH, [Reason("hour", 9.0, 1.0, 0.5)], ["hour"], "2024-01-01"), "reasons"),
    ],
)
def test_whatever_else_differs_is_said(theirs: Flag, words: str):
    assert (difference(OURS, theirs, b"features") or "").startswith(words)


def test_features_must_be_equal_to_the_bit():
    said = difference(OURS._replace(features=b"\0\0\0\0"), THEIRS, b"\0\0\0\1")
    assert said == "features [0.] in the engine, [1.e-45] in Java"


def test_what_is_missing_to_build_it_is_named(tmp_path: Path):
    assert (missing(str(tmp_path)) or "").startswith("javac: not found, expected a JDK and Maven to build it")


@pytest.mark.proof
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_it_compiles_and_its_flags_are_ours(tmp_path: Path):
    """And stay so where one is killed and another goes on: what it scores again gets the same score."""
    build()
    path, models = tmp_path / "history.parquet", tmp_path / "models"
    generated(path, LEAST_CUSTOMERS)
    trained(path, models)
    history = History(path, ROWS_OF_A_FORTNIGHT, models)
    said: list[str] = []
    with broker(tmp_path) as kafka:
        made = Bench(tmp_path, kafka, history, history)
        same = check(made, [KAFKA_STREAMS], said.append)
        assert same["in_java"]["flags"] == ROWS_OF_A_FORTNIGHT
        assert same["in_java"]["alerts"] > 50
        assert "equal to the bit" in said[-1]

        run = made.fresh()
        run.replay(ROWS_OF_A_FORTNIGHT)
        first = start(run, SHOW_FEATURES, "--no-cache")
        until([first], run.store, 1, ROWS)
        first.kill()
        assert rows_stored(run.store, ROWS) < ROWS_OF_A_FORTNIGHT, "it was killed when all was done"
        second = start(run, SHOW_FEATURES, "--no-cache")
        until([second], run.store, ROWS_OF_A_FORTNIGHT, ROWS)
        second.stop(30)
        assert rows_stored(run.store, "select count(*) from flags") == ROWS_OF_A_FORTNIGHT
        judge(run, first_transactions(path, ROWS_OF_A_FORTNIGHT))
