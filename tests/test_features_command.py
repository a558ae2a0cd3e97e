"""python -m trainer features: the engine's features as a file, and words where something is not as it should be."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.catalogue import EngineTerms
from risk.dataset import open_dataset
from risk.engine import Engine, Verdict
from risk.ledger import SeenDays
from risk.ledger_day import LedgerTerms
from trainer.__main__ import main

HEAD = "transaction_id,event_time,customer_id,merchant_id,amount,currency,is_fraud,labelled_at\n"


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "cards.parquet"
    assert (
        main(["generate", "cards", str(path), "--customers", "60", "--merchants", "40", "--days", "50"], {}) == EXIT_OK
    )
    return path


def written(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(HEAD + "".join(row + "\n" for row in rows))
    return path


def test_the_file_holds_what_the_engine_says_whatever_the_chunks(cards: Path, tmp_path: Path) -> None:
    target = tmp_path / "features.parquet"
    command = ["features", str(cards), "--out", str(target), "--label-delay", "5d", "--bucket", "1m"]
    assert main(command, {"TRUSTLENS_CHUNK_ROWS": "777"}) == EXIT_OK

    dataset = open_dataset(cards)
    days = SeenDays(LedgerTerms(5, 60_000))
    engine = Engine(dataset.feature_set, EngineTerms("EUR", 5, 60_000), days)
    (rows,) = dataset.rows()
    days.learn(rows.labels())
    batch = engine.features(rows.block)
    assert (batch.verdicts == Verdict.SCORED).all()

    table = pq.read_table(target)
    assert table.column_names == [
        "transaction_id", "event_time", "is_fraud",
        *(feature.name for feature in dataset.feature_set.numbers),
        *(feature.name for feature in dataset.feature_set.categories),
    ]  # fmt: skip
    for place, feature in enumerate(dataset.feature_set.numbers):
        column = table[feature.name].to_numpy()
        np.testing.assert_array_equal(
            column.view(np.int64), np.ascontiguousarray(batch.values[:, place]).view(np.int64)
        )
    for name, words in batch.categories.items():
        assert table[name].to_pylist() == words
    assert table["transaction_id"].to_pylist() == [t.transaction_id for t in rows.block]
    assert table["is_fraud"].to_pylist() == rows.is_fraud.tolist()


def test_duplicates_late_bad_rows_and_other_currencies_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(
        tmp_path,
        "T1,2024-01-01T10:00:00Z,C1,M1,5.00,EUR,0,",
        "T1,2024-01-01T10:00:00Z,C1,M1,5.00,EUR,0,",
        "T2,2024-01-01T11:00:00Z,C1,M1,-5.00,EUR,0,",
        "T3,2024-01-01T12:00:00Z,C1,M1,7.00,USD,1,2024-01-02T00:00:00Z",
        "T4,2024-01-01T13:00:00Z,C1,M1,7.00,EUR,,",
    )
    target = tmp_path / "out.parquet"
    assert main(["features", str(source), "--out", str(target)], {}) == EXIT_OK
    said = capsys.readouterr()
    assert "3 transactions, " in said.out
    assert "1 duplicate was left out" in said.err
    assert "1 transaction in USD was taken without the amount" in said.err
    assert "1 row could not be read (1 refund); the first: line 4, amount: got '-5.00'" in said.err
    table = pq.read_table(target)
    assert table["is_fraud"].to_pylist() == [0, 1, None]
    assert table["amount"].is_null().to_pylist() == [False, False, False]
    assert np.isnan(table["amount"].to_numpy()).tolist() == [False, True, False]


@pytest.mark.parametrize(("bad", "is_loud"), [(1, False), (2, True)])
def test_many_rows_that_cannot_be_read_are_said_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: int, is_loud: bool
) -> None:
    """With the count for each reason; from a fifth on with the share, for nobody means to leave out so much."""
    rows = [f"T{row},2024-01-0{row + 1}T10:00:00Z,C1,M1,{'-5.00' if row < bad else '5.00'},EUR,0," for row in range(6)]
    path = written(tmp_path, *rows).rename(tmp_path / "my file.csv")
    assert main(["features", str(path), "--out", str(tmp_path / "out.parquet")], {}) == EXIT_OK
    said = capsys.readouterr().err
    assert f"{bad} row{'s' if bad > 1 else ''} could not be read ({bad} refund)" in said
    assert ("THIS IS 33% OF ALL ROWS" in said) == is_loud
    assert (f"`python -m trainer inspect '{path}'` tells more" in said) == is_loud


def test_labels_that_are_all_too_late_for_the_ledger_are_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path, "T1,2024-01-01T10:00:00Z,C1,M1,5.00,EUR,1,2024-01-07T00:00:00Z")
    target = tmp_path / "out.parquet"
    assert main(["features", str(source), "--out", str(target)], {}) == EXIT_FAILED
    assert "100.0% of the reported frauds were labelled too late" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]
    assert main(["features", str(source), "--out", str(target), "--label-delay", "8d"], {}) == EXIT_OK
    assert "of the reported frauds" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "out.csv"], "--out: got out.csv, expected a name that ends in .parquet"),
        (["--out", "nowhere/out.parquet"], "create nowhere first"),
        (["--out", "o.parquet", "--label-delay", "12h"], "--label-delay: got '12h', expected whole days"),
        (
            ["--out", "o.parquet", "--label-delay", "2d"],
            "label delay: got 2 days, and transactions 1 days late, expected at least 3 days",
        ),
        (["--out", "o.parquet", "--bucket", "7h"], "--bucket: got '7h'"),
        (["--out", "o.parquet", "--currency", "XXX"], "--currency: got 'XXX', expected an ISO 4217 code"),
        (["--out", "o.parquet", "--columns", "none.toml"], "none.toml"),
    ],
)
def test_options_that_cannot_be_used_are_named(
    cards: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["features", str(cards), *options], {}) == EXIT_FAILED
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_file_without_one_readable_row_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = written(tmp_path, "T1,yesterday,C1,M1,5.00,EUR,1,")
    assert main(["features", str(source), "--out", str(tmp_path / "out.parquet")], {}) == EXIT_FAILED
    assert "no row that can be read, expected transactions. The first: line 2, event_time: got 'yesterday'" in " ".join(
        capsys.readouterr().err.split()
    )


def test_nothing_is_overwritten_without_being_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "history.parquet"
    words = ["--customers", "3", "--merchants", "3", "--days", "3"]
    assert main(["generate", "cards", str(source), *words], {}) == EXIT_OK
    before = source.read_bytes()
    assert main(["features", str(source), "--out", str(source), "--force"], {}) == EXIT_FAILED
    assert "which is the file to read, expected another name" in capsys.readouterr().err
    target = tmp_path / "features.parquet"
    target.write_text("mine")
    assert main(["features", str(source), "--out", str(target)], {}) == EXIT_FAILED
    assert "which is there already; name another, or add --force" in capsys.readouterr().err
    assert (source.read_bytes(), target.read_text()) == (before, "mine")
    assert main(["features", str(source), "--out", str(target), "--force"], {}) == EXIT_OK


def test_an_option_goes_before_the_setting_that_it_stands_for(cards: Path, tmp_path: Path) -> None:
    words = ["features", str(cards), "--out", str(tmp_path / "f.parquet")]
    wrong = {"TRUSTLENS_BUCKET": "7h"}
    assert main(words, wrong) == EXIT_FAILED
    assert main([*words, "--bucket", "1h"], wrong) == EXIT_OK


def test_a_misspelt_option_is_named_with_the_likely_one(cards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["features", str(cards), "--out", "f.parquet", "--label-dealy", "7d"], {})
    said = capsys.readouterr().err
    assert "usage: python -m trainer features" in said
    assert "not known: --label-dealy 7d; did you mean --label-delay?" in " ".join(said.split())
    with pytest.raises(SystemExit, match="2"):
        main(["features", str(cards), "--out", "f.parquet", "--label", "7d"], {})


def test_the_command_runs_as_a_user_types_it(cards: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trainer", "features", str(cards), "--out", str(tmp_path / "f.parquet")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.endswith(f"features: {tmp_path / 'f.parquet'}\n")
    assert "\x1b" not in answer.stdout + answer.stderr
