"""What a backtest refuses before it begins, and what it warns of: period, currency, columns, training data, targets."""

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.block import block_of
from risk.bundle import Bundle, Days, TrainingData, read_bundle
from risk.clock import date_ms
from risk.events import Transaction
from tests.backtests import backtest, compare, history, make_home, trained_on
from trainer.backtest.checks import warn_of_training_data
from trainer.backtest.figures import compared
from trainer.backtest.passing import Passing
from trainer.passage import Batch

HEADER = "transaction_id,event_time,customer_id,amount,currency,is_fraud\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("backtest"))


def refused(capsys: pytest.CaptureFixture[str], home: Path, *words: str, file: Path | None = None) -> str:
    assert backtest(home, *words, file=file) == EXIT_FAILED
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def csv(folder: Path, *rows: str) -> Path:
    path = folder / "rows.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--from", "2030-01-01"), "--from: got 2030-01-01, expected a day that leaves something of the data, which "
         "goes from 2024-11-02 to 2024-12-31"),
        (("--until", "2024-11-02"), "--until: got 2024-11-02, expected a day that leaves something of the data"),
        (("--from", "2024-12-02", "--until", "2024-12-02"), "--from 2024-12-02 --until 2024-12-02: got a period "
         "without a day, expected --from before --until"),
        (("--from", "2024-12-03", "--until", "2024-12-02"), "got a period without a day"),
    ],
)  # fmt: skip
def test_a_period_without_data_is_refused_with_the_datas_days(
    home: Path, words: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refused(capsys, home, *words)


def test_days_on_which_the_file_has_too_short_a_past_are_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file begins on 2024-11-02, and the bundle looks back 37 days, into a ledger that may begin within a day."""
    assert backtest(home) == EXIT_OK
    assert "from 2024-11-02 to 2024-12-09 see less than 37 days of the past, because the file begins on 2024-11-02" in (
        " ".join(capsys.readouterr().err.split())
    )
    assert backtest(home, "--from", "2024-12-10") == EXIT_OK
    assert "cold start" not in capsys.readouterr().err


def test_a_file_without_rows_is_refused(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, home, file=csv(tmp_path))
    assert "got no row with an event time, expected transactions" in said


def test_a_period_in_a_gap_of_the_data_is_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = csv(tmp_path, "T1,2024-01-01T00:00:00Z,C,5,EUR,0", "T2,2024-03-01T00:00:00Z,C,5,EUR,0")
    scores = tmp_path / "scores.parquet"
    words = ("--from", "2024-02-01", "--until", "2024-02-10", "--scores-out", str(scores))
    said = refused(capsys, home, *words, file=rows)
    assert "got no transaction to score in the period" in said
    assert "the data goes from 2024-01-01 to 2024-03-01" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv"]


def test_labelled_rows_of_which_none_is_scored_are_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = "T1,2024-01-{}T00:00:00Z,C,5,EUR,0"
    said = refused(capsys, home, "--from", "2024-01-02", file=csv(tmp_path, row.format("01"), row.format("02")))
    assert "got no transaction to score in the period (1 are duplicates, 0 too late, 0 too large" in said


def test_a_file_in_another_currency_is_refused(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every amount would be missing, and nothing saved."""
    rows = csv(tmp_path, "T1,2024-01-01T00:00:00Z,C,5,USD,0")
    said = refused(capsys, home, file=rows)
    assert "got amounts in USD, expected EUR as linear-" in said
    assert "name the currency that they are in by a map (--columns)" in said


def test_a_constant_currency_of_a_map_is_looked_at(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, columns = csv(tmp_path, "T1,2024-01-01T00:00:00Z,C,5,EUR,0"), tmp_path / "map.toml"
    columns.write_text(
        'transaction_id = "transaction_id"\nevent_time = "event_time"\ncustomer_id = "customer_id"\n'
        'amount = "amount"\ncurrency = { constant = "GBP" }\n'
    )
    assert "got amounts in GBP, expected EUR" in refused(capsys, home, "--columns", str(columns), file=rows)


def test_some_amounts_in_another_currency_are_counted_in_a_warning(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"T{i},2024-01-0{i}T00:00:00Z,C,5,{'USD' if i < 3 else 'EUR'},1" for i in range(1, 8)]
    assert backtest(home, "--thresholds", "0.5", file=csv(tmp_path, *rows)) == EXIT_OK
    assert "2 transactions in USD were scored with their amount missing, and count as 0 in money" in (
        capsys.readouterr().err
    )


def test_each_bundle_counts_money_in_its_own_currency(home: Path) -> None:
    """Side by side, the money of two currencies is not compared at all."""
    bundle = read_bundle(home / "a")
    other = msgspec.structs.replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, currency="JPY"))
    day = date_ms("2024-11-02")
    sales = [
        Transaction("T1", day, "C1", "EUR", amount=12_50),
        Transaction("T2", day + 1, "C2", "JPY", amount=700),
        Transaction("T3", day + 2, "C3", "EUR", amount=3_25),
    ]
    passings = [Passing(each, [0.2]) for each in (bundle, other)]
    for passing in passings:
        batch, lane = Batch(np.arange(3), block_of(sales), np.ones(3, np.int8)), passing.lane
        passing.count(batch, np.ones(3, bool), *lane.decide(lane.features(batch), batch.block))
        passing.tallies.finish()
    lost = [passing.total.lost for passing in passings]
    assert lost == [15.75, 700]
    assert [passing.other_currencies for passing in passings] == [{"JPY": 1}, {"EUR": 2}]
    assert not {"saved", "lost", "cost"} & {each.figure.name for each in compared(*passings)}


def test_a_bundle_made_for_other_data_is_named_loudly(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many of its features cannot be had, and of which columns."""
    bare = tmp_path / "bare.parquet"
    pq.write_table(history(home).drop_columns(["device_id", "channel"]), bare)
    assert backtest(home, "--thresholds", "0.5", file=bare) == EXIT_OK
    said = capsys.readouterr().err
    assert "2 of its 5 features cannot be had, because no column of" in said
    assert "bare.parquet is read as channel, device_id: new_device_30d, channel." in said
    assert "is read where the map (--columns) names it" in said


def test_columns_that_hold_nothing_are_named(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, hollow = history(home), tmp_path / "hollow.parquet"
    place = table.schema.get_field_index("device_id")
    pq.write_table(table.set_column(place, "device_id", pa.nulls(len(table), pa.string())), hollow)
    assert backtest(home, "--thresholds", "0.5", file=hollow) == EXIT_OK
    said = capsys.readouterr().err
    assert "1 of its 5 features were missing in every row, because the columns for device_id hold nothing" in said
    assert "cannot be had" not in said
    assert backtest(home, "--thresholds", "0.5") == EXIT_OK
    assert "missing in every row" not in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(home: Path) -> Path:
    """Fitted from November on, validated until December 4, tested from December 11 on."""
    fit, validation, test = (
        Days("2024-11-02", "2024-11-20"), Days("2024-11-27", "2024-12-05"), Days("2024-12-11", "2025-01-01")
    )  # fmt: skip
    return trained_on(home / "a", home / "trained", fit, validation, test)


@pytest.mark.parametrize(
    ("words", "counted"),
    [
        ((), "2024-11-02 to 2024-12-04"),
        (("--from", "2024-12-04"), "2024-12-04 to 2024-12-04"),
        (("--until", "2024-11-10"), "2024-11-02 to 2024-11-09"),
        (("--from", "2024-12-05"), None),
    ],
)
def test_what_a_bundle_learned_from_is_no_test_of_it(
    home: Path, trained: Path, words: tuple[str, ...], counted: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says so of the bundle that did, and from which day on its figures are honest."""
    assert backtest(home, "--bundle", str(trained), "--thresholds", "0.5", *words) == EXIT_OK
    said = capsys.readouterr().err
    version = read_bundle(trained).manifest.version
    warned = f"{version} was fitted and its thresholds were chosen on data from 2024-11-02 to 2024-12-04" in said
    assert warned == (counted is not None)
    assert said.count("They are honest with --from 2024-12-11") == warned
    assert f"of which {counted} is counted here" in said or counted is None


@pytest.mark.parametrize("is_refit", [False, True])
def test_the_days_between_fit_and_validation_are_learned_from_by_a_model_that_was_fitted_again(
    trained: Path, is_refit: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = read_bundle(trained).manifest
    manifest = msgspec.structs.replace(manifest, training=msgspec.structs.replace(manifest.training, refit=is_refit))
    warn_of_training_data([Bundle(trained, manifest, b"")], (date_ms("2024-11-21"), date_ms("2024-11-26")))
    assert ("of which 2024-11-21 to 2024-11-26 is counted here" in capsys.readouterr().err) == is_refit


def test_of_rows_drawn_at_random_nothing_is_new_before_the_last(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = read_bundle(home / "a").manifest
    drawn = msgspec.structs.replace(
        manifest,
        training=msgspec.structs.replace(manifest.training, split="random", fit=None, validation=None, test=None),
        training_data=TrainingData(100, date_ms("2024-11-02"), date_ms("2024-12-10") + 3_600_000, ""),
    )
    bundle = Bundle(home / "a", drawn, b"")
    warn_of_training_data([bundle], (date_ms("2024-12-11"), date_ms("2024-12-20")))
    assert capsys.readouterr().err == ""
    warn_of_training_data([bundle], (date_ms("2024-12-10") + 7_200_000, date_ms("2024-12-20")))
    assert "They are honest with --from 2024-12-11" in capsys.readouterr().err


def test_the_same_model_twice_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = read_bundle(home / "a").manifest.version
    assert compare(home, second="a") == EXIT_FAILED
    assert f"which is {version} as A is, expected another" in capsys.readouterr().err


def test_tables_that_are_there_are_replaced_only_by_force(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And as a whole: nothing of an earlier backtest stays among the new files."""
    out = tmp_path / "tables"
    assert compare(home, "--out", str(out)) == EXIT_OK
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert len(before) == 5
    capsys.readouterr()
    assert "which is there already; name another, or add --force" in refused(capsys, home, "--out", str(out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert backtest(home, "--out", str(out), "--force") == EXIT_OK
    assert len(list(out.iterdir())) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]


def test_a_folder_with_other_things_is_never_replaced(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("ten years")
    said = refused(capsys, home, "--out", str(tmp_path), "--force")
    assert "in which there is thesis.tex, expected a new folder" in said
    assert (tmp_path / "thesis.tex").read_text() == "ten years"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--out", "{}/nowhere/tables"), "nowhere/tables, which cannot be written (No such file or directory)"),
        (("--out", "{}/file"), "file, which cannot be written (Not a directory)"),
        (("--out", "{}/new", "--scores-out", "{}/new/s.parquet"), "expected a folder that is there"),
        (("--out", "{}/empty", "--scores-out", "{}/empty/s.parquet"), "which is in the folder of --out"),
    ],
)
def test_where_nothing_can_be_written_is_said_before_the_work(
    home: Path, tmp_path: Path, words: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    assert expected in refused(capsys, home, *(word.format(tmp_path) for word in words))
