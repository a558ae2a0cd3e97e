"""The benchmark's contestants do our work, its lines are counted as said, and its page says what was measured."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.added import SAMPLES, SHADOW
from bench.against.tables import Found, Pair, Sides, kept_as
from bench.page import write_page
from bench.results import FORMAT, ratios
from bench.rules import BUSY
from bench.stream.by_hand import Learned as ByHand
from bench.stream.by_hand import features
from bench.stream.contestants import CONTESTANTS, lines_in, lines_in_java
from bench.stream.same_as_ours import compare, features_by_hand, same_features
from bench.targets import verdicts
from risk.bundle import Learned, LearnedCategory, LearnedNumber
from risk.catalogue import ALL_FIELDS, EngineTerms, FeatureSet
from risk.clock import DAY, HOUR
from risk.engine import Engine
from risk.events import Transaction
from risk.ledger import SeenDays
from risk.ledger_day import LedgerTerms
from testing.bundles import write_bundle

ROOT = Path(__file__).parent.parent
BEGIN = 1_700_000_000_000


def history() -> list[Transaction]:
    """Three customers over forty days, with gaps, something missing here and there, and several at the same moment."""
    return [
        Transaction(
            f"T{number}",
            BEGIN + number // 2 * 7 * HOUR,
            f"C{number % 3}",
            "EUR",
            None if number % 19 == 0 else f"M{number * 7 % 11}",
            "grocery",
            None if number % 13 == 0 else 100 + number * 37 % 9_000,
            "chip",
            None if number % 5 == 0 else f"D{number % 4}",
            "DE" if number % 17 else "FR",
        )
        for number in range(2 * 40 * 24 // 7)
    ]


def engine() -> Engine:
    days = SeenDays(LedgerTerms(7, HOUR))
    return Engine(FeatureSet(ALL_FIELDS), EngineTerms("EUR"), days)


def test_features_by_hand_are_the_engines_to_the_last_bit():
    transactions = history()
    assert transactions[-1].event_time - transactions[0].event_time > 31 * DAY, "the month's window must move"
    assert same_features(transactions, list(features_by_hand(transactions)), engine()) > 5_000


def test_a_feature_by_hand_that_differs_is_named():
    transactions = history()
    by_hand = list(features_by_hand(transactions))
    by_hand[100]["customer_max_7d"] += 0.01
    with pytest.raises(SystemExit, match=r"T100, customer_max_7d: .* in the engine, .* by hand"):
        same_features(transactions, by_hand, engine())


LEARNED: tuple[Learned, ...] = (
    LearnedNumber("amount", 20.0, 5.0, 60.0, 20.0),
    LearnedNumber("customer_count_7d", 0.0, 0.0, 9.0, 0.0),
    LearnedNumber("new_device_30d", 0.25, 0.0, 1.0, 0.0),
    LearnedCategory("country", ("AT", "FR"), reference="FR"),
)


def bundle_in(folder: Path) -> Path:
    """Of the history's amounts some are missing and some beyond the limits, and of its countries one was never seen."""
    write_bundle(folder, FeatureSet(ALL_FIELDS), LEARNED, [0.02, 0.1, 0.7, -0.3], bias=-1.0, medium=0.4, high=0.6)
    return folder


def test_scores_and_levels_by_hand_are_the_pipelines_to_the_last_bit(tmp_path: Path) -> None:
    bundle, transactions = bundle_in(tmp_path / "bundle"), history()
    assert compare(transactions, bundle).scores > 40
    found = features_by_hand(transactions)
    rows = np.array([ByHand(bundle).row(one) for one in found])
    assert rows.min(axis=0).tolist() == [5.0, 0.0, 0.0, 1.0], "limits, and a country that is not known"
    assert rows.max(axis=0).tolist() == [60.0, 9.0, 1.0, 3.0]
    assert [ByHand(bundle).level(score) for score in (0.39, 0.4, 0.59, 0.6)] == ["low", "medium", "medium", "high"]


def test_lines_that_hold_no_code_are_not_counted():
    source = '"""What\nit is."""\n\n# why\nx = 1  # so\n\n\ndef f():\n    """Says."""\n    return """a\nb"""\n'
    assert lines_in(source) == 4


def test_nor_in_java():
    source = (
        '/** What\n * it is. */\nclass A {\n\n    // why\n    int x = 1; // so\n    String s = "jdbc:sqlite://x";\n}\n'
    )
    assert lines_in_java(source) == 4


def test_every_contestants_lines_are_in_files_that_are_there():
    for contestant in CONTESTANTS:
        for pattern in contestant.files:
            assert list(ROOT.glob(pattern)), pattern


def test_ratios_are_of_runs_side_by_side():
    """A machine that was slow for both in one turn leaves the ratio as it was."""
    assert ratios([10.0, 5.0, 30.0], [5.0, 2.5, 10.0]) == (2.0, 2.0, 3.0)


def keep_found(folder: Path, part: str, found: dict[str, Any]) -> None:
    """As after a run, on a machine of which nothing is known."""
    machine = dict.fromkeys(("processor", "memory", "system", "versions", "date", "load"), "x")
    whole = {"format": FORMAT, "command": f"python -m bench --only {part}", "machine": machine, "found": found}
    (folder / f"{part}.json").write_text(json.dumps(whole))


def test_the_page_says_what_was_missed_and_what_was_not_measured(tmp_path):
    one = {"customers": 100_000, "entries": 6_000_000, "bytes": 310_000_000, "seconds": 1.0}
    found = {
        "memory": [one],
        "restart": [{"customers": 5, "rows": 2_000_000, "seconds": [19.0], "last_partition_rows": 1}],
        "workers": {"rows_per_second": {"1": [2.0], "2": [3.0]}, "cores": 2},
        "pace": [{"rate": each, "median_ms": [9, 11], "p99_ms": [48, 54], "alerts": [30, 31]} for each in (500, 2_000)],
        "flags": [],
    }
    keep_found(tmp_path, "growth", found)
    missed = write_page(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    late = "event to alert, ms, p99 at 2,000 transactions/s"
    assert missed == [late, "bytes a customer with 60 entries, of 100,000"]
    assert f"| {late} | ≤ 50 | 51 (48 to 54) | **no** |" in page
    assert "| 500 | 10 (9 to 11) | 51 (48 to 54) | 61 |" in page
    assert "| bytes a customer with 60 entries, of 100,000 | ≤ 3,000 | 3,100 | **no** |" in page
    assert "| restart to first score, s per million rows, 5 customers | ≤ 10 | 9.5 | yes |" in page
    assert "Not measured yet: stream, living, trainer." in page


def stream_found(*, rows_per_second: dict[str, list[float]], p99_ms: float) -> dict[str, Any]:
    """What comes of the contest, with figures that are easy to divide."""
    each = {
        name: {
            "rows_per_second": rates, "cpu_microseconds": [20.0, 20.0], "peak_megabytes": [100.0, 100.0],
            "median_ms": [5.0, 5.0], "p99_ms": [p99_ms, p99_ms], "alerts": [30, 31], "paced_at": rates[0] / 2,
            "lines": 100, "files": [], "rows": 20_000,
        }
        for name, rates in rows_per_second.items()
    }  # fmt: skip
    return {
        "rows": 300_000,
        "repeat": 2,
        "same": {"values": 1_000, "scores": 200},
        "contestants": each,
        "squeezed": {"rate": 5_000.0, "alerts": 9, "median": 40.0, "p99": 80.0},
        "cpu_of_steps": {"decode": 5.0, "features": 7.0},
        "wall_of_steps": {"score": 12.5},
    }


def test_the_page_sets_the_contestants_side_by_side(tmp_path: Path) -> None:
    rates = {"ours": [100.0, 50.0], "bare loop": [110.0, 55.0], "Quix Streams": [20.0, 10.0], "naive Faust": [4.0, 2.5]}
    commands = {"train": {"rows_per_second": [1_000.0, 3_000.0, 2_000.0], "peak_gb": [1.0, 1.5, 1.2]}}
    kept = {
        "stream": stream_found(rows_per_second=rates, p99_ms=12.0),
        "trainer": {"rows": 1_000_000, "commands": commands},
    }
    for part, found in kept.items():
        keep_found(tmp_path, part, found)
    assert write_page(tmp_path, tmp_path / "page.md") == []
    page = (tmp_path / "page.md").read_text()
    for words in (
        "| Quix Streams | 15 (10 to 20) | 5.00 | 20.0 | 5 | 12 | 10 | 61 | 100 | 100 |",
        "| naive Faust | 3 (2 to 4) | 22.50 (20.00 to 25.00) |",
        "| client, Faust, event loop: what is left | 8.0 | 40% |",
        "Ours once with these, at 5,000/s: p50 40 ms, p99 80 ms.",
        "Naive Faust reads 20,000 of them",
        "on 1,000,000 rows of `cards` as Parquet, 3 times each",
        "| `trainer train` | 2,000 (1,000 to 3,000) | 1.20 (1.00 to 1.50) |",
    ):
        assert words in page, page


def test_the_page_says_what_kafka_streams_does_and_sets_it_no_target(tmp_path: Path) -> None:
    found = stream_found(rows_per_second={"ours": [100.0, 50.0], "Kafka Streams": [50.0, 25.0]}, p99_ms=12.0)
    said = "wrote for 7,000 transactions was compared before anything was measured"
    keep_found(tmp_path, "stream", found)
    write_page(tmp_path, tmp_path / "page.md")
    assert said not in (tmp_path / "page.md").read_text(), "where it could not be built, nothing is said of it"
    found["same"]["in_java"] = {"flags": 7_000, "alerts": 90, "largest": 3.7e-07}
    keep_found(tmp_path, "stream", found)
    write_page(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert said in page
    assert "| Kafka Streams | 38 (25 to 50) | 2.00 |" in page
    assert "scores differ by 4e-07 at most" in page
    assert "ours / Kafka Streams" not in page


def test_the_page_says_how_many_ledger_days_closed_while_alerts_were_timed(tmp_path: Path) -> None:
    """20,000 a day at some 20,000 a second: with the eighth day the first one is closed, with the ninth the second."""
    found = stream_found(rows_per_second={"ours": [40_200.0, 40_200.0]}, p99_ms=12.0)
    keep_found(tmp_path, "stream", found)
    write_page(tmp_path, tmp_path / "page.md")
    assert "the first 8.0 of these days, in which 2 days of" in (tmp_path / "page.md").read_text()


def test_the_page_says_why_a_target_was_missed(tmp_path: Path) -> None:
    """With the figures of this very run, and only where it was missed."""
    found = stream_found(rows_per_second={"ours": [100.0, 50.0]}, p99_ms=12.0)
    keep_found(tmp_path, "stream", found)
    assert write_page(tmp_path, tmp_path / "page.md") == []
    assert "Missed" not in (tmp_path / "page.md").read_text()
    found["contestants"]["ours"]["cpu_microseconds"] = [40.0, 42.0]
    keep_found(tmp_path, "stream", found)
    assert write_page(tmp_path, tmp_path / "page.md") == ["CPU µs of ours for a transaction"]
    said = "Missed, CPU µs of ours for a transaction: the steps alone take 12.0 in one thread"
    assert said in (tmp_path / "page.md").read_text()


def test_the_page_has_what_was_measured_beside_a_commit(tmp_path: Path) -> None:
    pair = Pair("rows_per_second", "dense", 252_000, [100.0, 200.0], [180.0, 340.0])
    found = kept_as(Found([pair], {}, {"dense": "1a2b"}), Sides("dd4d430", "688e069", 2))
    keep_found(tmp_path, "against", found)
    write_page(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "## Beside dd4d430" in page
    assert "| 150 (100 to 200) | 260 (180 to 340) | 1.75 (1.70 to 1.80) | ≥ 1.7 | yes |" in page
    assert "Not measured yet: stream, growth, living, trainer." in page


def test_the_page_says_what_models_and_rules_that_live_cost(tmp_path: Path) -> None:
    waits = {"transactions": 90_000, "median": 30.0, "p99": 300.0, "longest": 900.0}
    found = {
        "swaps": {
            "rate": 2_000, "promotions": 12, "swaps": 48, "without": waits, "beside": {**waits, "p99": 315.0},
        },
        "added": {
            "transactions": 188_000,
            "added": [
                {"what": SAMPLES, "chunk_rows": 4_096, "without": [30.0, 40.0], "beside": [31.2, 40.4]},
                {"what": SHADOW, "chunk_rows": 100, "without": [40.0, 40.0], "beside": [60.0, 80.0]},
            ],
        },
        "rules": {
            "rules": 100, "transactions": 60_000,
            "chunks": [{"rows": BUSY, "each": [0.02, 0.04, 0.03], "fires_on": 0.125}],
        },
    }  # fmt: skip
    keep_found(tmp_path, "living", found)
    missed = write_page(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert missed == ["CPU of a transaction with sampled features, times that without"]
    for words in (
        "12 promotions, 48 times a partition went on with another bundle",
        "| within 3 s of a promotion | 90,000 | 30 | 315 | 900 |",
        "| a challenger in the shadow | 100 | 40.0 | 70.0 (60.0 to 80.0) | 1.75 (1.50 to 2.00) |",
        "| 1,000 | 0.030 (0.020 to 0.040) | 12.5% |",
        "| CPU µs a rule and transaction, of 100 rules, in chunks of 1,000 | ≤ 0.05 | 0.030 (0.020 to 0.040) | yes |",
    ):
        assert words in page, page


def test_what_is_missing_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--results", str(tmp_path / "kept"), "--page", str(tmp_path / "page.md")]
    answer = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("error: java: not found, expected Java 17 or later")
    assert list(tmp_path.glob("kept/*")) == []


def test_a_page_that_cannot_be_written_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--page", str(tmp_path / "not" / "there.md")]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"error: --page: got {tmp_path}/not/there.md, expected a folder that is there")


def test_results_of_another_version_are_refused(tmp_path):
    (tmp_path / "stream.json").write_text('{"format": 0}')
    with pytest.raises(SystemExit, match=r"stream.json: got format 0, expected .* --only stream` again"):
        write_page(tmp_path, tmp_path / "page.md")


def test_a_small_store_says_nothing_of_a_million_rows():
    small = {"customers": 5, "rows": 60_000, "seconds": [4.0], "last_partition_rows": 1}
    assert verdicts(None, {"pace": [], "memory": [], "restart": [small]}) == []


def test_the_quix_environment_has_our_versions_of_what_computes_scores():
    """Other versions of numpy or ONNX Runtime would be another contest."""
    ours, theirs = (
        dict(re.findall(r"^([\w-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-bench.lock")
    )
    assert (theirs["numpy"], theirs["onnxruntime"]) == (ours["numpy"], ours["onnxruntime"])
    assert "quixstreams" in theirs
    assert "quixstreams" not in ours


def test_a_past_by_hand_keeps_thirty_days_only():
    past = {"times": [BEGIN - 31 * DAY], "amounts": [5], "merchants": ["M"], "devices": ["D"], "countries": ["DE"]}
    event = {"event_time": "2023-11-14T22:13:20Z", "customer_id": "C", "amount": 1.25, "merchant_id": "N"}
    found = features(event, past)
    assert found["customer_count_30d"] == 0.0
    assert past == {"times": [BEGIN], "amounts": [125], "merchants": ["N"], "devices": [None], "countries": [None]}
