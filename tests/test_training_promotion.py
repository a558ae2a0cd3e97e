"""Which bundle is put in use: none that ranks worse than chance or the amount, and none where it was not wanted."""

from pathlib import Path

import numpy as np
import pytest

from console.start import EXIT_OK
from evaluation.result import Evaluation
from risk.clock import DAY, to_text
from tests.evidence_cases import evaluation_of
from tests.trainings import QUICK
from trainer.__main__ import main
from trainer.promotion import why_not


def figures(champion: float | None, amount: float | None = None, fraud_share: float = 0.01) -> Evaluation:
    return evaluation_of("lightgbm", champion, amount_alone=amount, fraud_share=fraud_share)


def test_a_champion_must_beat_chance_and_the_amount() -> None:
    assert why_not(figures(0.3, 0.2)) is None
    assert why_not(figures(0.3)) is None
    assert why_not(figures(0.2, 0.2)) is None
    assert why_not(figures(0.2, 0.3)) == "its average precision in the test is 0.2000, and amount alone reached 0.3000"
    assert why_not(figures(0.01, 0.001)) is not None, "what is constant ranks as chance does"
    assert why_not(figures(0.009, 0.001)) == (
        "its average precision in the test is 0.0090, and chance (the share of fraud) reached 0.0100"
    )


def test_where_the_test_has_no_fraud_nothing_speaks_against_it() -> None:
    assert why_not(figures(None, None, 0.0)) is None


def turned(folder: Path) -> Path:
    """A history whose frauds are dear until the test begins, and cheap from then on."""
    dice = np.random.default_rng(8)
    count, days = 4000, 60
    times = np.sort(dice.integers(0, days * DAY, count)) + 19_000 * DAY
    frauds = dice.random(count) < 0.06
    is_late = times >= (19_000 + 48) * DAY
    amounts = np.where(frauds != is_late, dice.uniform(200, 300, count), dice.uniform(1, 100, count))
    lines = [
        f"T{row},{to_text(int(times[row]))},C{row % 300},{amounts[row]:.2f},EUR,{int(frauds[row])}"
        for row in range(count)
    ]
    path = folder / "turned.csv"
    path.write_text("transaction_id,event_time,customer_id,amount,currency,is_fraud\n" + "\n".join(lines) + "\n")
    return path


def test_a_model_that_is_worse_than_chance_is_written_and_not_put_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "reports")]
    assert main(["train", str(turned(tmp_path)), *folders, "--model", "logistic", *QUICK], {}) == EXIT_OK
    said = capsys.readouterr()
    (bundle,) = (tmp_path / "models").iterdir()
    assert f"warning: {bundle.name} was NOT put in use: its average precision in the test is 0.0" in said.err
    assert "chance (the share of fraud) reached" in said.err
    assert main(["promote", bundle.name, "--models", str(tmp_path / "models")], {}) == EXIT_OK
    assert (tmp_path / "models" / "current").read_text() == f"{bundle.name}\n"


def test_a_bundle_that_is_not_to_be_promoted_leaves_the_one_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["generate", "cards", str(tmp_path / "c.parquet"), "--customers", "120", "--days", "110"], {}) == EXIT_OK
    )
    command = ["train", str(tmp_path / "c.parquet"), "--models", str(tmp_path / "models"),
               "--reports", str(tmp_path / "reports"), "--model", "logistic", *QUICK]  # fmt: skip
    assert main(command, {}) == EXIT_OK
    in_use = (tmp_path / "models" / "current").read_text()
    assert f"in use      {in_use.strip()} is the current one" in capsys.readouterr().out
    assert main([*command, "--review-cost", "9", "--no-promote"], {}) == EXIT_OK
    assert (tmp_path / "models" / "current").read_text() == in_use
    assert "not in use  `python -m trainer promote logistic-" in capsys.readouterr().out
