"""compare: which of two bundles is better at equal work, in words and figures; and how many days it takes to know."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from evaluation.comparison import paired
from evaluation.result import Costs, Figure, NetMoney, PairedComparison
from evaluation.sample_size import days_needed, frauds_needed, together
from risk.bundle import read_bundle
from tests.backtests import backtest, compare, history, make_home
from tests.evidence_cases import thrown
from tests.test_backtest_side_by_side import HIGH, LOW, answer, rows
from trainer.__main__ import main
from trainer.backtest.pairs import Pairs
from trainer.compare.command import _say_paired
from trainer.compare.words import verdict

NOTHING = NetMoney(0, 0.0, 0, 0, None, None, 0, 0.0, 0.0, 0.0, 0.0, gain=0.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("compare"))


def test_both_have_equal_work_and_the_figures_can_be_counted_again(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By brute force on the scores that backtest writes: cases, caught frauds, money, and what one alone catches."""
    out = tmp_path / "tables"
    assert compare(home, "--from", "2024-11-20", "--cases-per-day", "3", "--out", str(out)) == EXIT_OK
    said = capsys.readouterr().out
    found = json.loads((out / "backtest.json").read_text())["paired"]
    table, caught, saved = history(home).to_pandas(), [], []
    counted = table["event_time"] >= "2024-11-20"
    days = len(table["event_time"][counted].dt.date.unique())
    for name, side in (("a", "money"), ("b", "other_money")):
        scores = tmp_path / f"{name}.parquet"
        assert backtest(home, "--bundle", str(home / name), "--scores-out", str(scores)) == EXIT_OK
        period = table[counted].assign(score=pq.read_table(scores).to_pandas()["score"][counted])
        group = [period["customer_id"], period["event_time"].dt.date]
        peaks = period.groupby(group)["score"].max()
        running = period.groupby(group)["score"].cummax()
        most = 3 * days
        threshold = min(score for score in set(period["score"]) if (peaks >= score).sum() <= most)
        is_caught = (running >= threshold)[period["is_fraud"] == 1]
        caught.append(is_caught)
        saved.append(period["amount"][period["is_fraud"] == 1][is_caught].sum())
        assert found[side]["alerts"] == (peaks >= threshold).sum() <= most
        assert found[side]["frauds_caught"] == is_caught.sum()
        assert found[side]["saved"] == pytest.approx(saved[-1])
    capsys.readouterr()
    frauds = len(caught[0])
    assert found["frauds_caught"]["value"] == pytest.approx((caught[0].sum() - caught[1].sum()) / frauds)
    assert found["saved"]["value"] == pytest.approx(saved[0] - saved[1])
    assert found["frauds_caught"]["low"] <= found["frauds_caught"]["value"] <= found["frauds_caught"]["high"]
    only = (caught[0].to_numpy() != caught[1].to_numpy()).sum()
    assert f"caught by one of the two alone: {only} of {frauds} frauds ({only / frauds:.1%}" in said
    assert f"{days} days, {frauds} frauds" in said
    sizes = table[counted & (table["is_fraud"] == 1)].groupby("customer_id").size()
    assert f"--only-one {only / frauds:.3g} --per-customer {(sizes**2).sum() / frauds:.3g}\n" in said
    (command,) = (line.partition(": python -m trainer ")[2] for line in said.splitlines() if "sample-size" in line)
    assert main(command.split(), {}) == EXIT_OK
    assert "find a difference of 5.0% of the frauds" in capsys.readouterr().out
    for name in "ab":
        assert backtest(home, "--bundle", str(home / name), "--from", "2024-11-20", "--thresholds", "0.5") == EXIT_OK
        digest = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("digest "))
        version = read_bundle(home / name).manifest.version
        assert f"digest of {version}: {digest.removeprefix('digest ')}" in said


@pytest.mark.parametrize(
    ("caught", "saved", "words"),
    [
        ((0.05, 0.01, 0.10), (300.0, 100.0, 500.0), [
            "a is better: it catches 10.0 more of 200 frauds (95 % interval: 2.0 to 20.0)",
            "a is better: it saves 300 EUR more (95 % interval: 100 EUR to 500 EUR)"]),
        ((-0.05, -0.10, -0.01), (-300.0, -500.0, 100.0), [
            "b is better: it catches 10.0 more of 200 frauds (95 % interval: 2.0 to 20.0)",
            "in money saved they cannot be told apart"]),
        ((0.05, -0.01, 0.10), (300.0, -100.0, 500.0), [
            "they cannot be told apart with 200 frauds: a compared with b: frauds caught +10.0 "
            "(95 % interval: -2.0 to +20.0); money saved +300 EUR (95 % interval: -100 EUR to +500 EUR)"]),
        ((0.0, None, None), (0.0, None, None), ["they cannot be told apart with 200 frauds: no interval can be given"]),
    ],
)  # fmt: skip
def test_the_verdict_names_the_better_one_only_where_the_interval_leaves_out_0(
    caught: tuple[float, float, float], saved: tuple[float, float, float], words: list[str]
) -> None:
    found = PairedComparison("a", "b", 3.0, NOTHING, NOTHING, Figure(*caught), Figure(*saved), Figure(0.0))
    assert verdict(found, 200, "EUR") == words


def test_only_what_both_scored_and_somebody_labelled_is_compared() -> None:
    pairs = Pairs("EUR")
    mine = answer((0.9, HIGH, True), (0.8, HIGH, True), (0.7, HIGH, True))
    theirs = answer((0.1, LOW, False), (0.2, LOW, False), (0.3, LOW, False))
    pairs.add(rows(1, 0, -1), mine, theirs._replace(places=np.array([1, 2, 5])), np.ones(3, bool))
    first, second = pairs.predictions()
    assert (first.scores.tolist(), second.scores.tolist()) == ([0.8], [0.1])
    assert (first.is_fraud.tolist(), first.days, first.merchants.tolist()) == ([False], 1, [-1])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--cases-per-day", "0"), "--cases-per-day: got 0, expected more than 0"),
        (("--resamples", "3"), "--resamples: got 3, expected a number from 20 to 100,000"),
        (("--seed", "-1"), "--seed: got -1, expected a number from 0 to"),
        (("--until", "2024-11-03"), "got no transaction known as a fraud in the period, expected some"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    home: Path, words: tuple[str, ...], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(home, *words) == EXIT_FAILED
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("only", [1, None])
def test_the_call_that_is_printed_runs(capsys: pytest.CaptureFixture[str], only: int | None) -> None:
    """Also where one of the two alone catches every fraud, or just one."""
    test = thrown(1, rows=300)
    frauds = int(test.is_fraud.sum())
    found = paired(("a", test), ("b", test), Costs(5, 1, None), 5, seed=1, resamples=20)
    mine = np.arange(frauds) < (frauds if only is None else only)
    _say_paired(found, test, frauds, "EUR", [mine, np.zeros(frauds, bool)])
    (command,) = re.findall(r"python -m trainer (sample-size .*)", capsys.readouterr().out)
    assert f"--only-one {1 if only is None else only / frauds:.3g} " in command
    assert main(command.split(), {}) == EXIT_OK


@pytest.mark.parametrize(("difference", "only_one"), [(0.05, 0.12), (0.1, 0.5), (0.03, 0.2)])
def test_so_many_frauds_find_the_difference_as_often_as_promised(difference: float, only_one: float) -> None:
    """Simulated: frauds that one alone catches, and McNemar's test at 95 %."""
    frauds, dice = frauds_needed(difference, only_one, power=0.8, confidence=0.95), np.random.default_rng(1)
    shares = [(only_one + difference) / 2, (only_one - difference) / 2]
    one, other, _ = dice.multinomial(frauds, [*shares, 1 - sum(shares)], 20_000).T
    found = np.mean((one - other) / np.sqrt(np.maximum(one + other, 1)) > 1.96)
    assert 0.77 <= found <= 0.86
    fewer = dice.multinomial(frauds // 2, [*shares, 1 - sum(shares)], 20_000).T
    assert np.mean((fewer[0] - fewer[1]) / np.sqrt(np.maximum(fewer[0] + fewer[1], 1)) > 1.96) < 0.7


def test_sample_size_says_how_many_days(capsys: pytest.CaptureFixture[str]) -> None:
    """Worked out by hand: (1.960 √0.12 + 0.842 √(0.12 - 0.0025))² / 0.0025 = 375.2 frauds."""
    assert frauds_needed(0.05, 0.12, power=0.8, confidence=0.95) == 375
    assert days_needed(375, 12, 2.5) == 79
    assert together(np.array([*range(90), *np.repeat(range(100, 110), 10)])) == pytest.approx(1090 / 190)
    words = ["sample-size", "--frauds-per-day", "12", "--difference", "0.05", "--only-one", "0.12"]
    assert main([*words, "--per-customer", "2.5"], {}) == EXIT_OK
    assert capsys.readouterr().out.startswith("79 days: 375 frauds of different customers find a difference of 5.0% of")
    assert main([*words, "--only-one", "0.01"], {}) == EXIT_OK
    said = capsys.readouterr()
    assert "--only-one: got 0.01, which is less than the difference: 0.05 is taken" in said.err
    assert "if 5.0% of the frauds are caught by one of the two alone" in said.out
    for more, expected in (
        (["--power", "80"], "--power: got 80, expected a share between 0 and 1"),
        (["--frauds-per-day", "0"], "--frauds-per-day: got 0, expected more than 0"),
        (["--per-customer", "0.5"], "--per-customer: got 0.5, expected 1 or more"),
    ):
        assert main([*words, *more], {}) == EXIT_FAILED
        assert expected in capsys.readouterr().err
    for option in ("--frauds-per-day", "--per-customer"):
        with pytest.raises(SystemExit):
            main([*words, option, "nan"], {})
        assert f"{option}: got 'nan', expected a number such as 0.4" in capsys.readouterr().err
