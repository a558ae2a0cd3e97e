"""score: a file once more with what its rows came to; the same scores as backtest, and every row."""

import csv
import io
import json
import math
import re
import resource
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import read_bundle
from risk.clock import DAY
from risk.dataset import BadRow, open_dataset
from risk.dataset.map_file import load_map
from risk.errors import DatasetError
from risk.events import RejectReason
from tests.backtests import backtest, history, make_home
from trainer.__main__ import main
from trainer.score.results import Results

MAP = """\
transaction_id = "id"
event_time = "when"
customer_id = "who"
merchant_id = "shop"
amount = "amount"
currency = { constant = "EUR" }
channel = "channel"
is_fraud = "fraud"
"""
NEW = ["score", "level", "reasons", "history_days", "missing", "not_scored", "bundle_version"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("score"))


def score(home: Path, file: Path, out: Path, *words: str, settings: dict[str, str] | None = None) -> int:
    command = ["score", str(file), "--bundle", str(home / "a"), "--out", str(out), *words]
    return main(command, settings or {})


def foreign(folder: Path, *rows: str, delimiter: str = ",") -> tuple[Path, str]:
    """A CSV with a map; the words that name the map."""
    head = delimiter.join(["note", "id", "when", "who", "shop", "amount", "channel", "fraud"])
    path, columns = folder / "mine.csv", folder / "map.toml"
    path.write_bytes("\n".join([head, *rows, ""]).encode("utf-8", "surrogateescape"))
    columns.write_text(MAP)
    return path, str(columns)


def read_csv(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(), newline=""), delimiter=delimiter))


def digest(said: str) -> str:
    return next(line for line in said.splitlines() if line.startswith("digest"))


def test_scores_are_those_of_backtest_to_the_bit_in_every_format(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the chunks; and the old columns are as they were."""
    outs = {ending: tmp_path / f"scored.{ending}" for ending in ("csv", "parquet", "ndjson")}
    said = []
    for ending, out in outs.items():
        settings = {"TRUSTLENS_CHUNK_ROWS": "777"} if ending == "csv" else {}
        assert score(home, home / "cards.parquet", out, settings=settings) == EXIT_OK
        said.append(digest(capsys.readouterr().out))
    assert backtest(home, "--thresholds", "0.5", "--scores-out", str(tmp_path / "b.parquet")) == EXIT_OK
    assert {*said, digest(capsys.readouterr().out)} == {said[0]}

    expected, old = pq.read_table(tmp_path / "b.parquet"), history(home)
    table = pq.read_table(outs["parquet"])
    assert table.column_names == [*old.column_names, *NEW]
    assert table.select(old.column_names).to_pylist() == old.to_pylist()
    for name in ("score", "level", "bundle_version"):
        assert table[name].to_pylist() == expected[name].to_pylist()
    rows, objects = read_csv(outs["csv"]), [json.loads(line) for line in outs["ndjson"].read_text().splitlines()]
    assert [float(row["score"]) for row in rows] == [one["score"] for one in objects] == table["score"].to_pylist()
    for name in ("transaction_id", "level", "reasons", "missing", "not_scored"):
        texts = [text or "" for text in table[name].to_pylist()]
        assert [row[name] for row in rows] == [one[name] or "" for one in objects] == texts
    assert all(bool(row["reasons"]) == (row["level"] == "high") for row in rows)


def test_a_scored_file_can_be_scored_again(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it was changed: by another bundle, say, beside the first one's scores."""
    first, second = tmp_path / "first.csv", tmp_path / "second.ndjson"
    columns = tmp_path / "map.toml"
    columns.write_text("".join(f'{name} = "{name}"\n' for name in history(home).column_names))
    assert score(home, home / "cards.parquet", first) == EXIT_OK
    before = digest(capsys.readouterr().out)
    assert score(home, first, second, "--columns", str(columns)) == EXIT_FAILED
    said = capsys.readouterr().err
    assert "--prefix: got '', but" in said
    assert "first.csv has the column 'score' already" in said
    assert "such as --prefix new_" in said
    assert score(home, first, second, "--columns", str(columns), "--prefix", "new_") == EXIT_OK
    assert digest(capsys.readouterr().out) == before
    one = json.loads(second.read_text().splitlines()[-1])
    assert (float(one["score"]), one["level"]) == (one["new_score"], one["new_level"])


def test_every_row_comes_out_in_the_files_order_with_what_is_wrong(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unsorted, a duplicate, rows that are none, and one that is no UTF-8."""
    file, columns = foreign(
        tmp_path,
        "z,T3,2024-01-03T10:00:00Z,C1,M1,5.00,online,0",
        "y,T1,2024-01-01T10:00:00Z,C1,M1,,online,0",
        "x,T2,yesterday,C1,M1,5.00,online,0",
        "w,T2,2024-01-02T10:00:00Z,C1,M1,5.00",
        "v,T1,2024-01-02T10:00:00Z,C1,M1,6.00,online,0",
        "\udce4,T4,2024-01-02T10:00:00Z,C1,M1,5.00,online,0",
        '"u\nu",T5,2024-01-02T10:00:00Z,C1,M1,7.00,online,0',
    )
    out = tmp_path / "out.csv"
    assert score(home, file, out, "--columns", columns) == EXIT_OK
    assert "the column not_scored says why" in capsys.readouterr().out
    assert score(home, file, tmp_path / "p.csv", "--columns", columns, "--prefix", "x_") == EXIT_OK
    assert "the column x_not_scored says why" in (said := capsys.readouterr().out)
    rows = read_csv(out)
    assert [row["note"] for row in rows] == ["z", "y", "x", "w", "v", "\\xe4", "u\nu"]
    assert [row["id"] for row in rows] == ["T3", "T1", "T2", "T2", "T1", "T4", "T5"]
    assert [bool(row["score"]) for row in rows] == [True, True, False, False, False, False, True]
    assert [row["not_scored"].split(" ")[0] for row in rows] == [
        "", "", "bad_time:", "not_an_object:", "duplicate:", "not_utf8:", "",
    ]  # fmt: skip
    assert "event_time: got 'yesterday'" in rows[2]["not_scored"]
    assert [row["missing"] for row in rows] == ["", "amount", "", "", "", "", ""]
    assert "7 rows, 3 scored" in said
    assert "not scored: 1 bad_time, 1 not_an_object" in said or "not scored: 1 not_an_object" in said


def test_no_cell_of_a_csv_is_a_formula(home: Path, tmp_path: Path) -> None:
    """In an old column or in its name; a number with its sign is none, however a country writes it, and the other
    formats have it as it is."""
    numbers = ["+1", "-5.5", "-5,50", "-.5", "-1e-5", "-1.234,56", "+1,234.56", "-1 234,56", "-1\u202f234,56",
               "-1'234.56", "-1\u2019234.56", "-5 %", "-1.234,56 €", "-$5.00", "+49 170 1234567"]  # fmt: skip
    notes = ["=1+1", "@x", "\tx", "-1+1", "plain", "-", "-%", "-A1", "+5 EUR", '=a;"b"', *numbers]
    lines = [f"{note};T{at};2024-01-01T10:00:00Z;C1;M1;5.00;online;0" for at, note in enumerate(notes)]
    lines[9] = '"=a;""b""";T9;2024-01-01T10:00:00Z;C1;M1;5.00;online;0'
    file, columns = foreign(tmp_path, *lines, delimiter=";")
    file.write_text(file.read_text().replace("note;", "=note;", 1))
    out = tmp_path / "out.csv"
    assert score(home, file, out, "--columns", columns) == EXIT_OK
    assert [row["'=note"] for row in read_csv(out, ";")] == [
        "'=1+1", "'@x", "'\tx", "'-1+1", "plain", "'-", "'-%", "'-A1", "'+5 EUR", "'=a;\"b\"", *numbers,
    ]  # fmt: skip
    out = tmp_path / "out.parquet"
    assert score(home, file, out, "--columns", columns) == EXIT_OK
    assert pq.read_table(out)["=note"].to_pylist() == notes


def test_a_german_csv_comes_out_as_excel_opened_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Semicolons, decimal commas, umlauts and their mark; what was written can be scored again, with the same map."""
    lines = [f"Zoë;T{at};2024-01-0{at}T10:00:00Z;C1;M1;1.{at}00,50 €;online;0" for at in range(1, 6)]
    file, columns = foreign(tmp_path, *lines, delimiter=";")
    Path(columns).write_text(MAP.replace('amount = "amount"', 'amount = { column = "amount", decimal = "," }'))
    plain, marked, again = tmp_path / "plain.csv", tmp_path / "marked.csv", tmp_path / "again.csv"
    assert score(home, file, plain, "--columns", columns) == EXIT_OK
    said = capsys.readouterr().out
    assert f"wrote {plain}: semicolons between the values, decimal commas, UTF-8 without a byte order mark\n" in said
    assert not plain.read_bytes().startswith(b"\xef\xbb\xbf")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert score(home, file, marked, "--columns", columns) == EXIT_OK
    assert "UTF-8 with a byte order mark\n" in capsys.readouterr().out
    assert marked.read_bytes() == b"\xef\xbb\xbf" + plain.read_bytes()
    rows = read_csv(plain, ";")
    assert [(row["note"], row["amount"]) for row in rows] == [("Zoë", f"1.{at}00,50 €") for at in range(1, 6)]
    assert all(re.fullmatch(r"0,[0-9]+", row["score"]) for row in rows)
    assert score(home, plain, again, "--columns", columns, "--prefix", "new_", "--bom") == EXIT_OK
    assert digest(capsys.readouterr().out) == digest(said)
    more = list(csv.DictReader(io.StringIO(again.read_text("utf-8-sig"), newline=""), delimiter=";"))
    assert [(row["score"], row["new_score"]) for row in more] == [(row["score"], row["score"]) for row in rows]
    assert score(home, file, tmp_path / "x.parquet", "--columns", columns, "--bom") == EXIT_FAILED
    assert "--bom: got --out" in capsys.readouterr().err


def test_a_map_may_name_labels_that_a_file_does_not_have(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the map of the training, and what happened since has no labels. What is read already is no likely slip."""
    file, columns = foreign(tmp_path, "x,T1,2024-01-01T10:00:00Z,C1,M1,5.00,online,0")
    file.write_text(file.read_text().replace(",fraud\n", "\n").replace(",online,0\n", ",online\n"))
    out, labels = tmp_path / "out.csv", tmp_path / "labels.csv"
    assert score(home, file, out, "--columns", columns) == EXIT_FAILED
    said = capsys.readouterr().err
    assert "map.toml: is_fraud = 'fraud': expected a column of " in said
    assert "is scored with --without-labels, or with --labels FILE" in said
    assert score(home, file, out, "--columns", columns, "--without-labels") == EXIT_OK
    labels.write_text("transaction_id,customer_id,is_fraud,labelled_at\nT1,C1,1,2024-01-02T00:00:00Z\n")
    assert score(home, file, out, "--columns", columns, "--labels", str(labels), "--force") == EXIT_OK
    Path(columns).write_text(MAP.replace('"fraud"', '"shops"'))
    with pytest.raises(DatasetError) as error:
        open_dataset(file, load_map(Path(columns)))
    assert "Did you mean" not in str(error.value)


def test_objects_of_ndjson_stay_as_they_are(home: Path, tmp_path: Path) -> None:
    """Numbers, nested values and spaces; a line that is no object stands in one."""
    first = '{"transaction_id": "T1", "event_time": "2024-01-01T10:00:00Z", "amount": 5.0, "currency": "EUR", '
    lines = [first + '"customer_id": "C1", "more": {"a": [1, 2.50]} }', "{oops}", "{ }", "[1]"]
    file, out = tmp_path / "mine.ndjson", tmp_path / "out.ndjson"
    file.write_text("\n".join(lines) + "\n")
    assert score(home, file, out) == EXIT_OK
    written = out.read_text().splitlines()
    assert written[0].startswith(lines[0].removesuffix(" }") + ',"score":0.')
    assert json.loads(written[1])["line"] == "{oops}"
    assert json.loads(written[3])["line"] == "[1]"
    assert json.loads(written[2]).keys() == {*NEW}
    reasons = [(json.loads(line)["not_scored"] or "").partition(":")[0] for line in written]
    assert reasons == ["", "not_json", "missing_field", "not_an_object"]


def test_a_folder_is_written_again_as_one_file_of_it_would_be(home: Path, tmp_path: Path) -> None:
    """Objects as they stand; of CSVs the delimiter stays."""
    line = (
        '{"transaction_id": "T%d", "event_time": "2024-01-0%dT10:00:00Z", "amount": 5.0, "currency": "EUR", "n": [1]}'
    )
    objects, out = tmp_path / "objects", tmp_path / "out.ndjson"
    objects.mkdir()
    for day in (1, 2):
        (objects / f"{day}.ndjson").write_text(line % (day, day) + "\n")
    assert score(home, objects, out) == EXIT_OK
    for day, written in zip((1, 2), out.read_text().splitlines(), strict=True):
        assert written.startswith((line % (day, day)).removesuffix("}") + ',"score":0.')
    file, columns = foreign(tmp_path, "x;T1;2024-01-01T10:00:00Z;C1;M1;5.00;online;0", delimiter=";")
    rows = tmp_path / "rows"
    rows.mkdir()
    file.rename(rows / "a.csv")
    out = tmp_path / "out.csv"
    assert score(home, rows, out, "--columns", columns) == EXIT_OK
    assert read_csv(out, ";")[0]["note"] == "x"


def test_a_time_of_any_zone_is_written_in_utc(home: Path, tmp_path: Path) -> None:
    table, file, out = history(home).slice(0, 50), tmp_path / "berlin.parquet", tmp_path / "out.csv"
    place, times = table.schema.get_field_index("event_time"), table["event_time"]
    pq.write_table(table.set_column(place, "event_time", times.cast(pa.timestamp("ms", "Europe/Berlin"))), file)
    assert score(home, file, out, "--without-labels") == EXIT_OK
    assert [row["event_time"] for row in read_csv(out)] == times.cast(pa.string()).to_pylist()


def test_no_room_for_reasons_is_an_error_in_words(home: Path) -> None:
    """A limit on files plays the disk; what was not written yet stops nothing when it is closed."""
    bad = BadRow(1, None, RejectReason.BAD_TIME, "x" * 5_000, {})

    def fill() -> None:
        with Results(1, read_bundle(home / "a").manifest, lacks_labels=False) as results:
            for _ in range(10):
                results.refuse(bad)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(DatasetError, match=r"got no room for reasons in a temporary file .*set TMPDIR"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_a_score_could_not_see_is_said_in_its_row(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Days of the past, by the definition of DESIGN.md, and labels that are missing."""
    out, bare = tmp_path / "out.parquet", tmp_path / "bare.parquet"
    pq.write_table(history(home).drop_columns(["is_fraud", "labelled_at", "fraud_kind"]), bare)
    assert score(home, bare, out) == EXIT_FAILED
    said = capsys.readouterr().err
    assert "so the merchant ledger sees no fraud" in said
    assert "because of merchant_risk_30d, which linear-" in said
    assert not out.exists()
    assert score(home, bare, out, "--without-labels") == EXIT_OK
    assert "LABELS ARE MISSING" in capsys.readouterr().out
    table = pq.read_table(out)
    assert set(table["missing"].to_pylist()) == {"labels"}
    times = table["event_time"].cast(pa.int64()).to_pylist()
    first = times[0]

    def days_seen(time: int) -> int | None:
        """The bundle looks back 30 days at customers and 37 at merchants, whose days are known after 7."""
        ledger = 6 if time // DAY - 7 < first // DAY else time // DAY - first // DAY - 1
        seen = [each for each, needed in ((math.floor((time - first) / DAY), 30), (ledger, 37)) if each < needed]
        return min(seen, default=None)

    assert table["history_days"].to_pylist() == [days_seen(time) for time in times]


def test_a_file_that_cannot_be_scored_leaves_what_was_there(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, columns = foreign(tmp_path, "x,,2024-01-01T10:00:00Z,C1,M1,5.00,online,0")
    out = tmp_path / "out.csv"
    out.write_text("before")
    assert score(home, file, out, "--columns", columns) == EXIT_FAILED
    assert "which is there already; name another, or add --force" in capsys.readouterr().err
    assert score(home, file, out, "--columns", columns, "--force") == EXIT_FAILED
    assert "got no row that can be scored, expected transactions; 1 missing_field. " in capsys.readouterr().err
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.toml", "mine.csv", "out.csv"]


def test_labels_of_another_file_are_learned(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The digest is that of the file that has them itself."""
    table: Any = history(home)
    bare, labels = tmp_path / "bare.parquet", tmp_path / "labels.parquet"
    pq.write_table(table.drop_columns(["is_fraud", "labelled_at", "fraud_kind"]), bare)
    pq.write_table(table.select(["transaction_id", "customer_id", "is_fraud", "labelled_at"]), labels)
    assert score(home, bare, tmp_path / "out.csv", "--labels", str(labels)) == EXIT_OK
    said = capsys.readouterr()
    with_labels = digest(said.out)
    assert "it names were not in" not in said.err
    assert score(home, home / "cards.parquet", tmp_path / "own.csv") == EXIT_OK
    assert digest(capsys.readouterr().out) == with_labels
    more = pa.table(
        {"transaction_id": ["T-none"], "customer_id": ["C"], "is_fraud": [1], "labelled_at": table["labelled_at"][:1]}
    )
    pq.write_table(pa.concat_tables([pq.read_table(labels), more.cast(pq.read_schema(labels))]), labels)
    assert score(home, bare, tmp_path / "more.csv", "--labels", str(labels)) == EXIT_OK
    assert "transactions that it names were not in" in capsys.readouterr().err
