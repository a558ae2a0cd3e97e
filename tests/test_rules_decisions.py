"""Model and rules decide together: in the pipeline, a backtest, a scored file and a notebook, the same."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from console.start import EXIT_FAILED, EXIT_OK
from risk.block import block_of
from risk.bundle import read_bundle
from risk.decision import Decided
from risk.digest import Digest, canonical_rows, with_decisions
from risk.events import Action, Decision, FiredRule, Level, Mode, Seen, Transaction
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.rules.compiled import compiled_for
from risk.rules.rule_set import RuleSet
from tests.backtests import backtest, make_home
from tests.rules_cases import NOON, rule
from trainer.__main__ import main
from trainer.notebook import read_rules, score_file

RULES = """\
[rules.large]
when = 'amount > 300'
action = "review"
sentence = "=a large payment"
owner = "ana"

[rules.watched]
when = 'customer_id in list("watched") and score > 0.01'
action = "alert"
sentence = "the customer is watched"
owner = "ben"

[rules.safe]
when = 'channel == "pos" and not night'
action = "allow"
sentence = "at a till by day"
owner = "ben"

[rules.idea]
when = 'new_device_30d'
action = "alert"
sentence = "a new device"
owner = "ana"
mode = "shadow"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_home(tmp_path_factory.mktemp("rules"))
    (folder / "rules.toml").write_text(RULES)
    (folder / "lists").mkdir()
    customers = sorted(set(pq.read_table(folder / "cards.parquet")["customer_id"].to_pylist()))[:20]
    lines = ["entity,value,from", *(f"customer_id,{one},2024-12-01" for one in customers)]
    (folder / "lists/watched.csv").write_text("\n".join(lines) + "\n")
    words = ["rules", "promote", str(folder / "rules.toml"), "--bundle", str(folder / "a")]
    assert main(words, settings(folder)) == EXIT_OK
    return folder


def settings(home: Path) -> dict[str, str]:
    return {"TRUSTLENS_RULES": str(home / "rules")}


def pipelines(home: Path, *rules: RuleSet | None) -> list[Pipeline]:
    bundle = read_bundle(home / "a")
    return [
        Pipeline(
            bundle,
            SeenDays(bundle.manifest.terms.ledger_terms),
            rules=None if one is None else compiled_for(one, bundle.manifest),
        )
        for one in rules
    ]


SALES = [
    Transaction(f"T{place}", NOON + place, f"C{place}", "EUR", amount=amount, channel="online")
    for place, amount in enumerate([100, 50_000, 1_000_000])
]


@pytest.mark.parametrize(
    ("action", "mode", "decisions"),
    [
        (Action.REVIEW, Mode.ON, ["review", "review", "alert"]),
        (Action.ALERT, Mode.ON, ["alert", "alert", "alert"]),
        (Action.ALLOW, Mode.ON, ["none", "none", "none"]),
        (Action.ALERT, Mode.SHADOW, ["none", "none", "alert"]),
    ],
)
def test_the_strictest_counts_unless_a_rule_allows(
    home: Path, action: Action, mode: Mode, decisions: list[str]
) -> None:
    """A level that is medium decides nothing, as without rules; and what the model says stays as it is."""
    rules = RuleSet((rule("amount > 0", action=action, mode=mode),), {}, {})
    without, beside = (one.score(block_of(SALES)) for one in pipelines(home, None, rules))
    assert without.levels == [Level.LOW, Level.MEDIUM, Level.HIGH]
    assert without.decided is None
    assert beside.decided is not None
    assert beside.decided.decisions == decisions
    assert [len(fired) for fired in beside.decided.fired] == [1, 1, 1]
    for name in ("rows", "scores", "levels", "reasons", "imputed", "ledger_days"):
        assert getattr(beside, name) == getattr(without, name)


def test_a_rule_looks_at_rows_that_are_scored(home: Path) -> None:
    """A duplicate in between moves no value to another row."""
    rules = RuleSet((rule('customer_id == "C1" and amount == 500'),), {}, {})
    (pipeline,) = pipelines(home, rules)
    scored = pipeline.score(block_of([SALES[0], SALES[0], SALES[1]]))
    assert scored.rows == [0, 2]
    assert scored.decided is not None
    assert scored.decided.decisions == [Decision.NONE, Decision.REVIEW]


def digest_of(home: Path, rules: RuleSet | None) -> str:
    (pipeline,) = pipelines(home, rules)
    scored, found = pipeline.score(block_of(SALES)), Digest()
    ids = [sale.transaction_id for sale in SALES]
    rows = canonical_rows(ids, scored.scores, scored.levels, scored.reasons, scored.imputed, scored.ledger_days)
    found.add(*with_decisions(rows, scored.decided))
    return str(found)


def test_the_digest_is_of_what_was_decided_and_why(home: Path) -> None:
    sets = [
        None,
        *(
            RuleSet((one,), {}, {})
            for one in (
                rule("amount > 9e9"),
                rule("amount > 8e9"),
                rule("amount > 5"),
                rule("amount > 5", mode=Mode.SHADOW),
                rule("amount > 5", sentence="other words"),
            )
        ),
    ]
    digests = [digest_of(home, one) for one in sets]
    assert len({*digests}) == len(digests)
    assert digest_of(home, sets[3]) == digests[3]


SEEN = Seen("amount > 5", True, 6.0, None)
FIRED = FiredRule("large", Action.REVIEW, Mode.ON, "large", (SEEN,))


@pytest.mark.parametrize(
    "other",
    [
        (),
        (replace(FIRED, rule="big"),),
        (replace(FIRED, action=Action.ALERT),),
        (replace(FIRED, mode=Mode.SHADOW),),
        (replace(FIRED, sentence="big"),),
        (replace(FIRED, comparisons=()),),
        (replace(FIRED, comparisons=(SEEN, SEEN)),),
        *((replace(FIRED, comparisons=(replace(SEEN, **change),)),) for change in
          ({"comparison": "amount > 4"}, {"holds": False}, {"value": 7.0}, {"value": None}, {"other": "6"})),
        (FIRED, FIRED),
    ],
)  # fmt: skip
def test_all_that_a_rule_says_is_in_the_digest(other: tuple[FiredRule, ...]) -> None:
    rows = [
        with_decisions([b"row"], Decided([version], [decision], [fired]))
        for version, decision, fired in [
            ("rules-1", Decision.REVIEW, (FIRED,)),
            ("rules-1", Decision.REVIEW, other),
            ("rules-2", Decision.REVIEW, (FIRED,)),
            ("rules-1", Decision.ALERT, (FIRED,)),
        ]
    ]
    assert len({row for (row,) in rows}) == len(rows)
    assert all(row.startswith(b"row") for (row,) in rows)
    assert with_decisions([b"row"], None) == [b"row"]


def digest_said(said: str) -> str:
    return next(line for line in said.splitlines() if line.startswith("digest"))


def test_without_rules_a_backtest_is_what_it_was(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for words, environment in ([(), {}], [("--rules", "none"), settings(home)]):
        assert backtest(home, *words, settings=environment) == EXIT_OK
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "decided" not in said[0]


def test_files_are_decided_by_the_set_in_force(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A backtest, a scored file and a notebook say the same of each row; the digest is that of all three."""
    rules = read_rules(home / "rules")
    assert rules is not None
    words = ["--scores-out", str(tmp_path / "b.parquet"), "--out", str(tmp_path / "tables")]
    assert backtest(home, *words, settings=settings(home)) == EXIT_OK
    of_backtest = capsys.readouterr()
    assert f"{rules.version} is in force in" in of_backtest.err
    assert f"what the model and {rules.version} decided together" in of_backtest.out
    for out in ("s.parquet", "s.csv"):
        score = ["score", str(home / "cards.parquet"), "--bundle", str(home / "a"), "--out", str(tmp_path / out)]
        assert main(score, {**settings(home), "TRUSTLENS_CHUNK_ROWS": "777"}) == EXIT_OK
        of_score = capsys.readouterr().out
        assert digest_said(of_score) == digest_said(of_backtest.out)
    table, scores = pq.read_table(tmp_path / "s.parquet"), pq.read_table(tmp_path / "b.parquet")
    for name in ("decision", "rules"):
        assert table[name].to_pylist() == scores[name].to_pylist()
    assert {*scores["rules_version"].to_pylist()} == {rules.version}
    frame = score_file(home / "cards.parquet", read_bundle(home / "a"), rules=rules)
    assert frame["decision"].tolist() == table["decision"].to_pylist()
    counts = {one: table["decision"].to_pylist().count(one) for one in ("alert", "review", "none")}
    assert all(counts.values())
    expected = f"decided with {rules.version}: {counts['alert']:,} alert, {counts['review']:,} review, "
    assert expected in of_score

    each = list(zip(*(table[name].to_pylist() for name in ("level", "decision", "rules", "amount")), strict=True))
    assert all(decision == "none" for _, decision, why, _ in each if why and "safe (allow)" in why)
    assert all(decision == "alert" for level, decision, why, _ in each if level == "high" and "safe" not in (why or ""))
    large = [(why, amount) for _, _, why, amount in each if why and why.startswith("large")]
    assert all(f"large (review): =a large payment [amount > 300: {amount:.15g}]" in why for why, amount in large)
    assert any("idea (alert, in shadow): a new device [new_device_30d: 1]" in (why or "") for _, _, why, _ in each)

    (bundle,) = json.loads((tmp_path / "tables/backtest.json").read_text())["bundles"].values()
    assert bundle["rules_version"] == rules.version
    reviewed, alone = bundle["decisions"]
    assert reviewed["alerts"] > alone["alerts"] > 0
    assert "threshold" not in reviewed


def test_a_rule_set_that_is_not_there_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest(home, "--rules", "rules-0000000000000000", settings=settings(home)) == EXIT_FAILED
    said = capsys.readouterr().err
    assert "--rules: got 'rules-0000000000000000', expected none, or one of rules-" in said
