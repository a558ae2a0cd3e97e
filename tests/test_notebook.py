"""The names for notebooks: the scores of `trainer score`, in memory; and the example notebook."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_OK
from risk.errors import DatasetError, OptionError, TrustLensError
from tests.backtests import make_home
from trainer.__main__ import main
from trainer.notebook import explain, read_bundle, score_file, score_frame

EXAMPLE = Path(__file__).parent.parent / "examples" / "scores.ipynb"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the scores that the command writes."""
    home = make_home(tmp_path_factory.mktemp("notebook"))
    words = ["score", str(home / "cards.parquet"), "--bundle", str(home / "a"), "--out", str(home / "scored.parquet")]
    assert main(words, {}) == EXIT_OK
    return home


def test_files_and_frames_have_the_scores_of_the_command(home: Path) -> None:
    """A DataFrame in, its columns and index as they were; an Arrow table in, one out."""
    bundle, expected = read_bundle(home / "a"), pq.read_table(home / "scored.parquet")
    pd.testing.assert_frame_equal(score_file(home / "cards.parquet", bundle), expected.to_pandas())
    frame = pd.read_parquet(home / "cards.parquet")
    frame.index += 1_000
    scored = score_frame(frame, bundle)
    pd.testing.assert_frame_equal(scored[frame.columns], frame)
    assert scored["score"].tolist() == expected["score"].to_pylist()
    assert scored["reasons"].fillna("").tolist() == [text or "" for text in expected["reasons"].to_pylist()]
    table = pq.read_table(home / "cards.parquet")
    again = score_frame(table, bundle, prefix="new_")
    assert again.column_names == [*table.column_names, *(f"new_{name}" for name in expected.column_names[-7:])]
    assert again["new_score"].to_pylist() == expected["score"].to_pylist()
    with pytest.raises(OptionError, match="has the column 'score' already"):
        score_frame(scored, bundle)


def test_reasons_are_those_of_the_alert_and_others_have_some_too(home: Path) -> None:
    bundle, frame = read_bundle(home / "a"), pd.read_parquet(home / "cards.parquet")
    scored = pq.read_table(home / "scored.parquet").to_pandas()
    high, low = (scored[scored["level"] == level].iloc[-1] for level in ("high", "low"))
    found = explain(frame, bundle, [high["transaction_id"], low["transaction_id"]])
    of_high = found[found["transaction_id"] == high["transaction_id"]]
    assert " | ".join(of_high["sentence"]) == high["reasons"]
    assert of_high["contribution"].is_monotonic_decreasing
    assert set(found["transaction_id"]) <= {high["transaction_id"], low["transaction_id"]}
    with pytest.raises(DatasetError, match="1 of the 2 transactions to explain have no score there, such as 'T-none'"):
        explain(frame, bundle, [high["transaction_id"], "T-none"])
    medium = scored[scored["level"] == "medium"].iloc[-1]["transaction_id"]
    assert len(explain(pa.Table.from_pandas(frame), bundle, [medium]))


def test_a_column_of_several_types_is_named(home: Path) -> None:
    frame = pd.DataFrame({"amount": ["a", 1]})
    with pytest.raises(DatasetError, match=r"the frame: it is no table .*amount"):
        score_frame(frame, read_bundle(home / "a"))


def test_the_example_notebook_runs(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cell by cell, in the folder that the README leaves; what its last cells show is there."""
    shutil.copyfile(home / "cards.parquet", tmp_path / "cards.parquet")
    shutil.copytree(home / "a", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in json.loads(EXAMPLE.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(EXAMPLE), "exec"), names)
    assert len(names["alerts"])
    assert names["changed"]["amount"].iloc[-1] == 10 * names["cards"]["amount"].iloc[-1]


def test_what_is_wrong_is_said_of_the_function_and_the_frame(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No options of a command, and no file that the user never saw; in errors, and in what goes to standard error."""
    bundle, frame = read_bundle(home / "a"), pd.read_parquet(home / "cards.parquet")
    columns, labels = tmp_path / "map.toml", tmp_path / "labels.csv"
    columns.write_text('transaction_id = "id"\nevent_time = "event_time"\ncurrency = { constant = "EUR" }\n')
    labels.write_text("transaction_id,customer_id,is_fraud\nX1,C1,1\n")
    unlabelled = frame.drop(columns=["is_fraud", "labelled_at", "fraud_kind"])
    nothing = frame.head(3).assign(amount=-1.0)
    wrong: list[tuple[pd.DataFrame, dict[str, Any], str]] = [
        (unlabelled, {}, "the frame: no transaction from 2024-11-02 to 2024-12-24 has a label"),
        (unlabelled, {}, "Bring the labels with labels=FILE, or go on all the same with without_labels=True."),
        (frame, {"columns": columns}, "transaction_id = 'id': expected a column of the frame"),
        (frame, {"labels": labels}, f"labels={labels}: has no column labelled_at"),
        (frame.rename(columns={"event_time": "when"}), {}, "the frame: has no column event_time: expected TrustLens'"),
        (frame.assign(score=1.0), {}, "prefix: got '', but the frame has the column 'score' already"),
        (frame.assign(currency="USD"), {}, "or name the currency that they are in by a map (columns)"),
        (nothing, {"without_labels": True}, "Correct them, or the map (columns)."),
    ]
    for given, keywords, words in wrong:
        with pytest.raises(TrustLensError) as error:
            score_frame(given, bundle, **keywords)
        said = f"{error.value}{capsys.readouterr().err}"
        assert words in said
        assert "--" not in said
        assert "frame.parquet" not in said
    score_frame(unlabelled.drop(columns=["merchant_id"]), bundle, without_labels=True)
    said = capsys.readouterr().err
    assert "no column of the frame is read as" in said
    assert "A column that is there under another name is read where the map (columns) names it" in said
    assert "--" not in said
    with pytest.raises(TrustLensError, match=r"cards\.parquet: .*without_labels=True|has the column"):
        score_file(home / "scored.parquet", bundle)
