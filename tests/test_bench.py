"""The benchmark's contestants do our work, its lines are counted as said, and its page says what was measured."""

import json
import re
from pathlib import Path

import pytest

from bench.page import write_page
from bench.results import FORMAT, ratios
from bench.stream.by_hand import features
from bench.stream.contestants import CONTESTANTS, _lines
from bench.stream.same_as_ours import features_by_hand, same_features
from bench.targets import verdicts
from risk.catalogue import ALL_FIELDS, FeatureSet
from risk.clock import DAY, HOUR
from risk.engine import Engine
from risk.events import Transaction
from risk.ledger import SeenDays

ROOT = Path(__file__).parent.parent
BEGIN = 1_700_000_000_000


def history() -> list[Transaction]:
    """Three customers over forty days, with gaps, missing amounts and devices, and several at the same moment."""
    return [
        Transaction(
            f"T{number}",
            BEGIN + number // 2 * 7 * HOUR,
            f"C{number % 3}",
            "EUR",
            f"M{number * 7 % 11}",
            "grocery",
            None if number % 13 == 0 else 100 + number * 37 % 9_000,
            "chip",
            None if number % 5 == 0 else f"D{number % 4}",
            "DE" if number % 17 else "FR",
        )
        for number in range(2 * 40 * 24 // 7)
    ]


def engine() -> Engine:
    days = SeenDays(label_delay_days=7, bucket_ms=HOUR)
    return Engine(FeatureSet(ALL_FIELDS), currency="EUR", days=days)


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


def test_lines_that_hold_no_code_are_not_counted():
    source = '"""What\nit is."""\n\n# why\nx = 1  # so\n\n\ndef f():\n    """Says."""\n    return """a\nb"""\n'
    assert _lines(source) == 4


def test_every_contestants_lines_are_in_files_that_are_there():
    for contestant in CONTESTANTS:
        for pattern in contestant.files:
            assert list(ROOT.glob(pattern)), pattern


def test_ratios_are_of_runs_side_by_side():
    """A machine that was slow for both in one turn leaves the ratio as it was."""
    assert ratios([10.0, 5.0, 30.0], [5.0, 2.5, 10.0]) == (2.0, 2.0, 3.0)


def test_the_page_says_what_was_missed_and_what_was_not_measured(tmp_path):
    one = {"customers": 100_000, "entries": 6_000_000, "bytes": 310_000_000, "seconds": 1.0}
    found = {
        "memory": [one],
        "restart": [{"customers": 5, "rows": 2_000_000, "seconds": [19.0], "last_partition_rows": 1}],
        "workers": {"rows_per_second": {"1": [2.0], "2": [3.0]}, "cores": 2},
        "flags": [],
    }
    machine = dict.fromkeys(("processor", "memory", "system", "versions", "date", "load"), "x")
    whole = {"format": FORMAT, "command": "python -m bench --only growth", "machine": machine, "found": found}
    (tmp_path / "growth.json").write_text(json.dumps(whole))
    missed = write_page(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert missed == ["bytes a customer with 60 entries, of 100,000"]
    assert "| bytes a customer with 60 entries, of 100,000 | ≤ 3,000 | 3,100 | **no** |" in page
    assert "| restart to first score, s per million rows, 5 customers | ≤ 10 | 9.5 | yes |" in page
    assert "Not measured yet: stream, trainer." in page


def test_results_of_another_version_are_refused(tmp_path):
    (tmp_path / "stream.json").write_text('{"format": 0}')
    with pytest.raises(SystemExit, match=r"stream.json: got format 0, expected .* --only stream` again"):
        write_page(tmp_path, tmp_path / "page.md")


def test_a_small_store_says_nothing_of_a_million_rows():
    small = {"customers": 5, "rows": 60_000, "seconds": [4.0], "last_partition_rows": 1}
    assert verdicts(None, {"memory": [], "restart": [small]}) == []


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
