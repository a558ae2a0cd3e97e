"""Two bundles over one history: what each caught, where they disagree, and which examples come first."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from console.start import EXIT_OK
from risk.block import block_of
from risk.bundle import read_bundle
from risk.dataset import Rows
from risk.decision import Scored
from risk.events import Level, Transaction
from tests.backtests import compare, make_home
from trainer.backtest.figures import CASES, SHARES
from trainer.backtest.passing import Answer
from trainer.backtest.side_by_side import MOST_EXAMPLES, SideBySide

LOW, MEDIUM, HIGH = Level.LOW, Level.MEDIUM, Level.HIGH

Seen = tuple[float, Level, bool]  # score, level, and whether that customer has an alert by then


def answer(*seen: Seen) -> Answer:
    scores, levels, alerts = zip(*seen, strict=True)
    count = len(seen)
    empty: list[Any] = [()] * count
    scored = Scored(np.zeros(count), list(range(count)), list(scores), list(levels), empty, empty, [None] * count)
    return Answer(np.arange(count), scored, np.array(alerts))


def test_a_difference_of_shares_is_said_in_points() -> None:
    """-31.7% of what? Counts and money are differences of themselves."""
    said = [figure.difference(-0.3174) for figure in SHARES] + [CASES.difference(2.0), CASES.difference(None)]
    assert said == ["-31.7 points", "-31.7 points", "+2.0", "-"]


def rows(*labels: int) -> Rows:
    count = len(labels)
    sales = [Transaction(f"T{place}", 1_700_000_000_000 + place, "C", "EUR") for place in range(count)]
    zeros = np.zeros(count, np.int64)
    return Rows(block_of(sales), np.array(labels, np.int8), zeros, [None] * count, zeros)


def test_frauds_that_only_one_caught_come_first_then_alerts_that_only_one_raised() -> None:
    """Swaps of low and medium come last, however far apart their scores are; equal levels are no difference, unless an
    earlier alert caught the fraud for one of the two."""
    found = SideBySide()
    mine = answer((0.1, LOW, False), (0.5, HIGH, True), (0.3, MEDIUM, True), (0.1, LOW, False), (0.6, HIGH, True))
    theirs = answer((0.4, MEDIUM, False), (0.4, MEDIUM, False), (0.3, MEDIUM, False), (0.1, LOW, False),
                    (0.6, HIGH, True))  # fmt: skip
    found.add(rows(0, 0, 1, -1, 1), mine, theirs, np.ones(5, bool))
    assert [example.transaction_id for example in found.examples] == ["T2", "T1", "T0"]
    assert (found.examples[0].is_caught, found.examples[0].other_is_caught) == (True, False)
    assert (found.examples[1].is_caught, found.examples[1].label) == (None, "genuine")
    assert found.frauds == {(True, False): 1, (True, True): 1}
    assert found.levels == {("genuine", "low", "medium"): 1, ("genuine", "high", "medium"): 1}
    assert found.different_levels == 2


def test_what_lies_outside_the_period_or_was_scored_by_one_only_is_not_compared() -> None:
    found = SideBySide()
    mine, theirs = answer((0.9, HIGH, True), (0.9, HIGH, True)), answer((0.1, LOW, False), (0.1, LOW, False))
    found.add(rows(1, 1), mine, theirs._replace(places=np.array([5, 1])), np.array([True, False]))
    assert (found.different_levels, found.frauds, found.examples) == (0, {}, [])


def test_examples_are_the_same_whatever_the_chunks() -> None:
    """Few are kept, those that say most."""
    dice = np.random.default_rng(4)
    seen = [((float(a), HIGH, True), (float(b), MEDIUM, False)) for a, b in dice.random((40, 2))]
    kept = []
    for size in (1, 7, 40):
        found = SideBySide()
        for first in range(0, 40, size):
            part, whole = seen[first : first + size], rows(*[1] * 40)
            places = list(range(first, first + len(part)))
            mine, theirs = (answer(*one)._replace(places=np.array(places)) for one in zip(*part, strict=True))
            found.add(whole, mine, theirs, np.ones(40, bool))
        kept.append(found.examples)
    assert kept[0] == kept[1] == kept[2]
    assert len(kept[0]) == MOST_EXAMPLES
    gaps = [abs(example.score - example.other_score) for example in kept[0]]
    assert gaps == sorted((abs(a[0] - b[0]) for a, b in seen), reverse=True)[:MOST_EXAMPLES]


def test_figures_stand_side_by_side_with_their_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the frauds that one, the other, both or neither caught add up to what each caught and missed."""
    home, out = make_home(tmp_path), tmp_path / "tables"
    assert compare(home, "--out", str(out)) == EXIT_OK
    said = capsys.readouterr().out
    whole = json.loads((out / "backtest.json").read_text())
    first, second = (read_bundle(home / name).manifest.version for name in "ab")
    assert set(whole["bundles"]) == {first, second}
    assert whole["bundles"][first]["digest"] != whole["bundles"][second]["digest"]
    high = {
        version: next(row for row in whole["bundles"][version]["sweep"] if row["threshold"] == 0.2)
        for version in (first, second)
    }
    found = whole["side_by_side"]
    assert (found["first"], found["second"]) == (first, second)
    assert found["different_levels"] == sum(swap["transactions"] for swap in found["levels"]) > 10
    frauds = found["frauds"]
    for version, only in ((first, "only_by_first"), (second, "only_by_second")):
        assert frauds["caught_by_both"] + frauds[only] == high[version]["frauds_caught"]
    assert sum(frauds.values()) == high[first]["frauds_caught"] + high[first]["frauds_missed"]
    assert frauds["only_by_second"] > 0
    figures = {each["figure"]: each for each in found["figures"]}
    good = figures["good flagged"]
    assert (good["first"], good["second"]) == tuple(high[v]["good_customers_flagged"] for v in (first, second))
    assert good["difference"] == good["first"] - good["second"] != 0
    assert re.search(rf"^good flagged +{good['first']} +{good['second']} +{good['difference']:+}$", said, re.MULTILINE)
    assert f"{frauds['only_by_second']:,} only by {second}" in said
    assert found["examples"][0]["is_caught"] is not found["examples"][0]["other_is_caught"]
