"""What a backtest does where labels are missing: the merchant ledger would see no fraud, and nothing would show it."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import Learned, LearnedNumber, read_bundle
from risk.catalogue import FeatureSet, label_features
from risk.clock import DAY, date_ms
from testing.bundles import write_bundle
from tests.backtests import FIELDS, backtest, history, make_home
from trainer.__main__ import main

LABELS = ["is_fraud", "labelled_at", "fraud_kind"]
READS = "merchant_risk_30d"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_home(tmp_path_factory.mktemp("backtest"))
    bare: tuple[Learned, ...] = (LearnedNumber("amount", 20.0, 0.0, 5000.0, 20.0),)
    write_bundle(folder / "bare", FIELDS, bare, [0.004], bias=-4.0, medium=0.05, high=0.2)
    pq.write_table(history(folder).drop_columns(LABELS), folder / "unlabelled.parquet")
    return folder


def digests(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("digest ")]


def unlabelled(table: pa.Table, chosen: pa.ChunkedArray) -> pa.Table:
    """Without the labels of the chosen rows."""
    for name in LABELS:
        place = table.schema.get_field_index(name)
        column = table.column(name)
        table = table.set_column(place, name, pc.if_else(chosen, pa.scalar(None, column.type), column))
    return table


def between(table: pa.Table, first: str, last: str) -> pa.ChunkedArray:
    """Which transactions happened on these days, both included."""
    days = pc.strftime(table["event_time"], format="%Y-%m-%d")
    return pc.and_(pc.greater_equal(days, first), pc.less_equal(days, last))


def test_a_file_without_labels_is_refused_and_the_features_are_named(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, scores = tmp_path / "tables", tmp_path / "scores.parquet"
    words = ("--out", str(out), "--scores-out", str(scores))
    assert backtest(home, *words, file=home / "unlabelled.parquet") == EXIT_FAILED
    said = capsys.readouterr()
    assert said.out == ""
    assert "no transaction from 2024-11-02 to 2024-12-24 has a label" in said.err
    assert READS in said.err
    assert "merchant_count" not in said.err
    assert "--labels FILE" in said.err
    assert "--without-labels" in said.err
    assert list(tmp_path.iterdir()) == []


def test_without_labels_says_so_at_the_head_of_every_result(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, scores = tmp_path / "tables", tmp_path / "scores.parquet"
    words = ("--without-labels", "--out", str(out), "--scores-out", str(scores))
    assert backtest(home, *words, file=home / "unlabelled.parquet") == EXIT_OK
    version = read_bundle(home / "a").manifest.version
    assert (
        capsys.readouterr()
        .out.splitlines()[0]
        .startswith(
            f"{version}: LABELS ARE MISSING: no transaction from 2024-11-02 to 2024-12-24 has a label, so the merchant "
            f"ledger sees no fraud. Scores are lower than a worker's with labels, because of {READS}"
        )
    )
    about = {
        "from": "the file itself",
        "missing": "no transaction from 2024-11-02 to 2024-12-24 has a label",
        "features_too_low": [READS],
        "days_without": [["2024-11-02", "2024-12-24"]],
    }
    bundles = json.loads((out / "backtest.json").read_text())["bundles"]
    assert next(iter(bundles[version].items())) == ("labels", about)
    assert json.loads(pq.read_schema(scores).metadata[b"trustlens.labels"]) == about


def test_the_same_file_with_its_labels_has_nothing_to_say(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(home, "--without-labels", "--out", str(tmp_path / "tables")) == EXIT_OK
    assert "LABELS ARE MISSING" not in capsys.readouterr().out
    version = read_bundle(home / "a").manifest.version
    about = json.loads((tmp_path / "tables" / "backtest.json").read_text())["bundles"][version]["labels"]
    assert about == {"from": "the file itself", "missing": None, "features_too_low": [], "days_without": []}


def test_a_bundle_that_reads_no_labels_needs_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["backtest", str(home / "unlabelled.parquet"), "--bundle", str(home / "bare")]
    assert main(words, {}) == EXIT_OK
    assert "LABELS ARE MISSING" not in capsys.readouterr().out
    two = ["compare", str(home / "bare"), str(home / "a"), str(home / "unlabelled.parquet")]
    assert main(two, {}) == EXIT_FAILED
    assert f"{READS}, which {read_bundle(home / 'a').manifest.version} reads" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["csv", "parquet", "ndjson"])
def test_labels_of_another_file_give_the_digest_of_labels_in_the_file(
    home: Path, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shuffled, and with what was corrected later: of several labels the newest before a day's closing counts."""
    table, path = history(home), tmp_path / f"labels.{ending}"
    labels = table.select(["transaction_id", "customer_id", "is_fraud", "labelled_at"])
    earlier = labels.set_column(2, "is_fraud", pc.subtract(1, labels["is_fraud"])).set_column(
        3, "labelled_at", pc.subtract(labels["labelled_at"], pa.scalar(1000, pa.duration("ms")))
    )
    earlier = earlier.filter(pc.is_valid(earlier["labelled_at"]))  # what has no time is never known
    both = pa.concat_tables([labels, earlier.cast(labels.schema)])
    both = both.take(np.random.default_rng(3).permutation(len(both)))
    if ending == "parquet":
        pq.write_table(both, path)
    elif ending == "csv":
        pyarrow.csv.write_csv(both, path)
    else:
        rows = ({**row, "labelled_at": str(row["labelled_at"] or "")} for row in both.to_pylist())
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert backtest(home) == EXIT_OK
    wanted = capsys.readouterr().out
    assert backtest(home, "--labels", str(path), file=home / "unlabelled.parquet") == EXIT_OK
    assert capsys.readouterr().out == wanted
    assert digests(wanted)
    assert backtest(home, "--labels", str(path)) == EXIT_OK
    said = capsys.readouterr()
    assert said.out == wanted
    assert "the labels in" in said.err
    assert "are not read" in said.err


def test_labels_that_name_nothing_of_the_file_are_counted_and_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("transaction_id,customer_id,is_fraud,labelled_at\nX1,C1,1,2024-12-01T00:00:00Z\n")
    assert backtest(home, "--labels", str(path)) == EXIT_FAILED
    said = capsys.readouterr().err
    assert f"--labels {path}: none of the 1 transactions that it names is in {home}" in said
    assert "; the first is C1 / X1: expected ids as they stand there" in said
    assert "--labels FILE" not in said
    assert backtest(home, "--labels", str(path), "--without-labels") == EXIT_OK
    assert "1 of the 1 transactions that it names were not in" in capsys.readouterr().err


def test_labels_that_lack_days_are_to_be_brought_where_the_others_are(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who gave --labels is not told to give it."""
    table, path = history(home), tmp_path / "labels.parquet"
    labels = table.select(["transaction_id", "customer_id", "is_fraud", "labelled_at"])
    pq.write_table(labels.filter(pc.invert(between(table, "2024-12-01", "2024-12-09"))), path)
    assert backtest(home, "--labels", str(path), file=home / "unlabelled.parquet") == EXIT_FAILED
    assert "Bring the lacking labels in that file, or go on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("transaction_id,is_fraud,labelled_at\n", "has no column customer_id, expected transaction_id, is_fraud"),
        ("transaction_id,customer_id,is_fraud,labelled_at\n", "got no label, expected some"),
        ("transaction_id,customer_id,is_fraud,labelled_at\nT,C,perhaps,2024-12-01T00:00:00Z\n", "line 2: is_fraud"),
        ("transaction_id,customer_id,is_fraud,labelled_at\nT,C,1,soon\n", "line 2: labelled_at"),
        ("transaction_id,customer_id,is_fraud,labelled_at\nT,,1,2024-12-01\n", "line 2: got no customer_id"),
        ("transaction_id,customer_id,is_fraud,labelled_at\nT,C,1\n", "row 1: "),
    ],
)
def test_labels_that_cannot_be_read_are_refused(
    home: Path, tmp_path: Path, text: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    assert backtest(home, "--labels", str(path), file=home / "unlabelled.parquet") == EXIT_FAILED
    said = capsys.readouterr().err
    assert f"--labels {path}" in said
    assert expected in said


def test_days_without_a_label_are_refused_and_named(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, path = history(home), tmp_path / "partly.parquet"
    pq.write_table(unlabelled(table, between(table, "2024-12-01", "2024-12-09")), path)
    assert backtest(home, file=path) == EXIT_FAILED
    assert "no transaction of 2024-12-01 to 2024-12-09 has a label (9 of the 53 days from" in capsys.readouterr().err
    assert backtest(home, "--without-labels", file=path) == EXIT_OK
    assert "so the merchant ledger sees no fraud there. Scores are lower" in capsys.readouterr().out
    # Nothing that is counted looks at these days.
    assert backtest(home, "--until", "2024-12-08", file=path) == EXIT_OK


def test_the_last_days_are_not_due_and_never_missed(home: Path, tmp_path: Path) -> None:
    """Cut off at any moment, a file lacks what was found out later."""
    table, path = history(home), tmp_path / "young.parquet"
    until = pa.scalar(date_ms("2025-01-01"), pa.int64()).cast(pa.timestamp("ms", "UTC"))
    late = pc.greater_equal(table["labelled_at"].cast(pa.timestamp("ms", "UTC")), until)
    pq.write_table(unlabelled(unlabelled(table, late), between(table, "2024-12-25", "2024-12-31")), path)
    assert backtest(home, file=path) == EXIT_OK


def test_labels_that_are_all_too_late_are_missing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, path = history(home), tmp_path / "late.parquet"
    place = table.schema.get_field_index("labelled_at")
    late = pc.add(table["event_time"], pa.scalar(30 * DAY, pa.duration("ms"))).cast(table["labelled_at"].type)
    pq.write_table(table.set_column(place, "labelled_at", late), path)
    assert backtest(home, file=path) == EXIT_FAILED
    assert (
        "all frauds from 2024-11-02 to 2024-12-24 were reported later than 6 days after the day"
        in capsys.readouterr().err
    )


def test_frauds_that_are_confirmed_late_are_not_late(home: Path, tmp_path: Path) -> None:
    """Reported after a day, confirmed after 40: the ledger learns of the report."""
    table, path = history(home), tmp_path / "labels.parquet"
    labels = table.select(["transaction_id", "customer_id", "is_fraud", "labelled_at"])

    def after(days: int) -> pa.Table:
        when = pc.add(table["event_time"], pa.scalar(days * DAY, pa.duration("ms")))
        return labels.set_column(3, "labelled_at", when.cast(table["labelled_at"].type))

    pq.write_table(pa.concat_tables([after(1), after(40)]), path)
    assert backtest(home, "--labels", str(path), file=home / "unlabelled.parquet") == EXIT_OK
    pq.write_table(after(40), path)
    assert backtest(home, "--labels", str(path), file=home / "unlabelled.parquet") == EXIT_FAILED


def test_features_of_a_file_without_labels_say_so(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file, warned in (("unlabelled.parquet", 1), ("cards.parquet", 0)):
        out = tmp_path / f"of-{file}"
        assert main(["features", str(home / file), "--out", str(out)], {}) == EXIT_OK
        assert capsys.readouterr().err.count("LABELS ARE MISSING") == warned


def test_what_may_be_missing_is_said_and_not_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Frauds from the 20th day on, each day, in a file that names only these."""
    table, path = history(home), tmp_path / "begun.parquet"
    days = np.array(pc.strftime(table["event_time"], format="%Y-%m-%d").to_pylist())
    firsts = np.concatenate([[True], days[1:] != days[:-1]]) & (days >= "2024-11-22")
    column = table.schema.field("is_fraud")
    place = table.schema.get_field_index("is_fraud")
    table = table.set_column(place, "is_fraud", pa.array(np.ones(len(days)), mask=~firsts).cast(column.type))
    when = pc.add(table["event_time"], pa.scalar(DAY, pa.duration("ms"))).cast(table["labelled_at"].type)
    table = table.set_column(table.schema.get_field_index("labelled_at"), "labelled_at", when)
    pq.write_table(unlabelled(table, pa.chunked_array([pa.array(~firsts)])), path)
    assert backtest(home, file=path) == EXIT_OK
    assert "LABELS MAY BE MISSING: no transaction of 2024-11-02 to 2024-11-21 has a label" in capsys.readouterr().out


def test_the_catalogue_says_which_features_read_labels() -> None:
    feature_set = FeatureSet(frozenset({"merchant_id", "customer_id"}))
    reading = label_features(feature.name for feature in feature_set.numbers)
    assert reading == tuple(f"merchant_{kind}_{window}" for window in ("1d", "7d", "30d") for kind in ("fraud", "risk"))


def test_frauds_without_a_time_are_never_seen_by_the_ledger_and_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of labels whose labelled_at is empty gives the scores of no labels, and must say so."""
    table, path = history(home), tmp_path / "labels.csv"
    ids = zip(*(table[name].to_pylist() for name in ("transaction_id", "customer_id", "is_fraud")), strict=True)
    lines = [f"{identity},{customer},{is_fraud}," for identity, customer, is_fraud in ids]
    path.write_text("\n".join(["transaction_id,customer_id,is_fraud,labelled_at", *lines, ""]))
    assert backtest(home, "--labels", str(path), file=home / "unlabelled.parquet") == EXIT_FAILED
    said = capsys.readouterr().err
    assert "no fraud from 2024-11-02 to 2024-12-24 has a time at which its label was known (labelled_at)" in said
    assert "Fill in labelled_at, or go on all the same with --without-labels" in said
    words = ("--without-labels", "--labels", str(path))
    assert backtest(home, *words, file=home / "unlabelled.parquet") == EXIT_OK
    assert "LABELS ARE MISSING: no fraud from" in capsys.readouterr().out


def test_every_command_counts_the_unlabelled_days_alike(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is missing in the middle, and the last days, whose labels are not due; said before anything is refused."""
    table, path = history(home), tmp_path / "partly.parquet"
    silent = pc.or_(between(table, "2024-12-01", "2024-12-09"), between(table, "2024-12-29", "2024-12-31"))
    pq.write_table(unlabelled(table, silent), path)
    count = f"{pc.sum(silent).as_py():,} of {len(table):,} transactions have no label"
    expected = f"{count}; 12 of 60 days have none at all: 2024-12-01 to 2024-12-09, 2024-12-29 to 2024-12-31"
    due = "no transaction of 2024-12-01 to 2024-12-09 has a label (9 of the 53 days from 2024-11-02 to 2024-12-24"
    assert main(["inspect", str(path)], {}) == EXIT_OK
    said = capsys.readouterr().out
    assert f"warning: {expected}\n" in said
    assert (
        f"a bundle that reads the merchant ledger refuses this file in score, backtest, compare and rules test: {due}"
        in (said)
    )
    assert main(["features", str(path), "--out", str(tmp_path / "features.parquet")], {}) == EXIT_OK
    assert f"{expected}. They count as history only" in capsys.readouterr().err
    assert backtest(home, file=path) == EXIT_FAILED
    assert due in capsys.readouterr().err
    assert backtest(home, "--without-labels", file=path) == EXIT_OK
    assert f"{expected}. Frauds among them are not counted" in capsys.readouterr().err
