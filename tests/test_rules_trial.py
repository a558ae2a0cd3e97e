"""rules test: its figures are those of a slow count by hand over the matches, and it says how far it could see."""

import csv
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import read_bundle
from tests.backtests import history, make_home
from tests.test_rules_decisions import RULES
from trainer.__main__ import main

SINCE = "2024-12-08"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_home(tmp_path_factory.mktemp("trial"))
    (folder / "lists").mkdir()
    customers = sorted(set(history(folder)["customer_id"].to_pylist()))[:20]
    lines = ["entity,value,from", *(f"customer_id,{one},2024-12-20" for one in customers)]
    (folder / "lists/watched.csv").write_text("\n".join(lines) + "\n")
    (folder / "rules.toml").write_text(RULES)
    return folder


def trial(home: Path, *words: str, what: str = "rules.toml", file: str = "cards.parquet") -> int:
    given = str(home / what) if what.endswith(".toml") else what
    command = ["rules", "test", given, str(home / file), "--bundle", str(home / "a"), *words]
    return main(command, {"TRUSTLENS_RULES": str(home / "rules"), "TRUSTLENS_CHUNK_ROWS": "777"})


class Sale(NamedTuple):
    place: int
    customer_day: tuple[str, str]
    is_fraud: bool
    amount: float


def sales(home: Path) -> dict[str, Sale]:
    names = ("transaction_id", "event_time", "customer_id", "is_fraud", "amount")
    rows = zip(*(history(home)[name].to_pylist() for name in names), strict=True)
    return {
        identity: Sale(place, (customer, str(when.date())), bool(fraud), amount)
        for place, (identity, when, customer, fraud, amount) in enumerate(rows)
        if str(when) >= SINCE
    }


def read_matches(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


class Worked(NamedTuple):
    cases: int
    caught: int
    good: int
    saved: float


def worked(every: dict[str, Sale], chosen: set[str], loss_rate: float) -> Worked:
    """What comes of working these transactions, customer by customer, day by day."""
    days: dict[tuple[str, str], list[tuple[bool, Sale]]] = defaultdict(list)
    for identity, sale in every.items():
        days[sale.customer_day].append((identity in chosen, sale))
    cases = caught = good = 0
    saved = 0.0
    for day in days.values():
        is_open = False
        for is_chosen, sale in sorted(day, key=lambda one: one[1].place):
            is_open = is_open or is_chosen
            if is_open and sale.is_fraud:
                caught += 1
                saved += sale.amount * loss_rate
        cases += is_open
        good += is_open and not any(sale.is_fraud for _, sale in day)
    return Worked(cases, caught, good, saved)


def rows_of(said: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[3:] for line in said.splitlines() if line.split()[:1] and line.split()[0] in
            ("large", "watched", "safe", "idea")}  # fmt: skip


def test_the_figures_are_those_of_a_count_by_hand(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matches = tmp_path / "m.csv"
    assert trial(home, "--from", SINCE, "--matches", str(matches)) == EXIT_OK
    said = capsys.readouterr().out
    scores = tmp_path / "scores.parquet"
    backtest = ["backtest", str(home / "cards.parquet"), "--bundle", str(home / "a"), "--from", SINCE]
    assert main([*backtest, "--rules", "none", "--scores-out", str(scores)], {}) == EXIT_OK
    levels = pq.read_table(scores)
    by_model = {
        identity
        for identity, level in zip(*(levels[name].to_pylist() for name in ("transaction_id", "level")), strict=True)
        if level == "high"
    }
    every, manifest = sales(home), read_bundle(home / "a").manifest
    days, thresholds = 24, manifest.thresholds
    lines = read_matches(matches)
    hits = defaultdict(set)
    for line in lines:
        hits[line["rule"]].add(line["transaction_id"])
    model = worked(every, by_model, thresholds.loss_rate)
    assert {*hits} == {"large", "watched", "safe", "idea"}
    assert rows_of(said).keys() == hits.keys()
    for name, found in rows_of(said).items():
        alone = worked(every, hits[name], thresholds.loss_rate)
        beside = worked(every, by_model - hits[name] if name == "safe" else by_model | hits[name], thresholds.loss_rate)
        net = (beside.saved - model.saved) - thresholds.review_cost * (beside.cases - model.cases)
        expected = [f"{len(hits[name]):,}"]
        expected += ["-", "-"] if name == "safe" else [f"{alone.cases / days:,.1f}", f"{alone.caught:,}"]
        expected += [f"{alone.good:,}", f"{(beside.cases - model.cases) / days:+,.1f}"]
        expected += [f"{beside.caught - model.caught:+,}", f"{beside.good - model.good:+,}"]
        expected += [f"{beside.saved - model.saved:+,.0f}", f"{net:+,.0f}"]
        assert found == expected, name

    decided = {line["transaction_id"] for line in lines if line["decision"] in ("alert", "review")}
    allowed = hits["safe"]
    together = worked(every, (by_model - allowed) | decided, thresholds.loss_rate)
    (whole,) = (line.split() for line in said.splitlines() if line.endswith("%") and "as tested" in line)
    assert whole[4:6] == [f"{together.cases / days:,.1f}", f"{together.caught:,}"]
    assert f"{together.saved:,.0f}" in whole


def test_matches_say_what_was_compared_and_harm_no_spreadsheet(home: Path, tmp_path: Path) -> None:
    matches = tmp_path / "m.csv"
    rules = RULES.replace("when = 'amount > 300'", "when = 'amount > 300 and attribute_note != \"x\"'")
    (home / "formula.toml").write_text('[attributes]\nnote = "text"\n' + rules)
    table = history(home)
    ids = pc.binary_join_element_wise("=", table["transaction_id"], "")
    table = table.set_column(table.column_names.index("transaction_id"), "transaction_id", ids)
    pq.write_table(table.append_column("note", pa.array(["=cmd()"] * len(table))), home / "evil.parquet")
    assert trial(home, "--from", SINCE, "--matches", str(matches), what="formula.toml", file="evil.parquet") == EXIT_OK
    lines = [line for line in read_matches(matches) if line["rule"] == "large"]
    assert lines
    for line in lines:
        assert line["transaction_id"].startswith("'=")
        assert line["why"].endswith('attribute_note != "x": =cmd()]')
    assert trial(home, "--matches", str(matches), what="formula.toml", file="evil.parquet") == EXIT_FAILED


def test_it_is_set_against_the_rules_in_force(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(
        ["rules", "promote", str(home / "rules.toml"), "--bundle", str(home / "a")],
        {"TRUSTLENS_RULES": str(home / "rules")},
    ) == EXIT_OK  # fmt: skip
    version = (home / "rules/current").read_text().strip()
    (home / "other.toml").write_text(RULES.replace("300", "100"))
    assert trial(home, "--from", SINCE, what="other.toml") == EXIT_OK
    said = capsys.readouterr().out
    assert "the model alone " in said
    assert f"with {version} " in said
    cells = {line.split(" ")[1]: line.split() for line in said.splitlines() if line.startswith("with rules-")}
    assert len(cells) == 2
    assert trial(home, "--from", SINCE, what=version) == EXIT_OK
    assert f"{version} is in force already" in capsys.readouterr().out
    assert trial(home, "--from", SINCE, "--against", "none") == EXIT_OK
    assert "compared with the model alone, as --against none says" in capsys.readouterr().out
    assert main(["rules", "promote", "none"], {"TRUSTLENS_RULES": str(home / "rules")}) == EXIT_OK
    assert trial(home, "--from", SINCE) == EXIT_OK
    assert "no rule set is in force to compare with" in capsys.readouterr().out
    assert trial(home, "--from", SINCE, "--against", version) == EXIT_OK
    assert f"{version} is compared with itself" in capsys.readouterr().out
    assert trial(home, "--against", "rules-0000000000000000") == EXIT_FAILED
    assert f"--against: got 'rules-0000000000000000', expected none, or one of {version}" in capsys.readouterr().err


def test_it_says_how_far_it_could_see(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A history of today: labels were learned until its last day, and some of the last transactions have none."""
    table = history(home)
    last = max(table["event_time"].to_pylist())
    rows = zip(*(table[name].to_pylist() for name in ("event_time", "labelled_at", "is_fraud")), strict=True)
    seen = [
        None if when > last - timedelta(days=2) or (learned is not None and learned > last) else (fraud, learned)
        for when, learned, fraud in rows
    ]
    frauds, times = ([None if one is None else one[place] for one in seen] for place in (0, 1))
    place, other = table.column_names.index("is_fraud"), table.column_names.index("labelled_at")
    table = table.set_column(place, "is_fraud", pa.array(frauds, table["is_fraud"].type))
    table = table.set_column(other, "labelled_at", pa.array(times, table["labelled_at"].type))
    pq.write_table(table, home / "today.parquet")
    assert trial(home, "--from", SINCE, "--without-labels", file="today.parquet") == EXIT_OK
    said = capsys.readouterr().err
    assert ". Frauds among them are not counted" in said
    assert "labels were learned until 2024-12-31: from 2024-12-25 on, frauds may not be reported yet" in said


def test_without_labels_only_cases_are_counted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = history(home).drop_columns(["is_fraud", "labelled_at", "fraud_kind"])
    pq.write_table(table, home / "bare.parquet")
    assert trial(home, "--from", SINCE, "--without-labels", file="bare.parquet") == EXIT_OK
    said = capsys.readouterr().out
    assert "no labels: what was a fraud, and so what the rules would catch or cost, cannot be said" in said
    assert "+frauds" not in said
    assert "+cases/day" in said
