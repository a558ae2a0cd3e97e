"""Columns that know the future, and files that train would refuse: `inspect` says so before anybody trusts a model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from console.output import spreadsheet_cell
from evaluation.result import Evaluation
from risk.dataset.kinds import open_source
from tests.evidence_cases import evaluation_of
from tests.foreign_files import World, own, saved, world
from trainer.inspection.command import look
from trainer.inspection.facts import survey
from trainer.inspection.findings import warnings
from trainer.inspection.future import named_after
from trainer.inspection.proposal import propose
from trainer.inspection.report import from_columns
from trainer.report.wording import caution

__all__ = ["world"]


def paysim(tmp_path: Path) -> Path:
    """As the public file is made: frauds empty the account, and the balances are those before and after."""
    random = np.random.default_rng(5)
    rows = 6_000
    fraud = random.random(rows) < 0.02
    before = np.round(random.lognormal(8, 1, rows), 2)
    amount = np.where(fraud, before, np.round(random.lognormal(6, 1, rows), 2))
    other = np.round(random.lognormal(8, 1, rows), 2)
    path = tmp_path / "paysim.csv"
    pd.DataFrame(
        {
            "step": np.sort(random.integers(1, 744, rows)),
            "type": np.where(fraud, "TRANSFER", "PAYMENT"),
            "amount": amount,
            "nameOrig": [f"C{one}" for one in random.integers(0, 900, rows)],
            "oldbalanceOrg": before,
            "newbalanceOrig": np.maximum(np.round(before - amount, 2), 0),
            "nameDest": [f"M{one}" for one in random.integers(0, 90, rows)],
            "oldbalanceDest": other,
            "newbalanceDest": np.round(other + amount, 2),
            "isFraud": fraud.astype(int),
            "isFlaggedFraud": 0,
        }
    ).to_csv(path, index=False)
    return path


def said_of(path: Path) -> list[str]:
    report = look(path, None)
    assert report.dataset is not None
    assert report.found is not None
    return [*warnings(report.found, report.dataset), *from_columns(report, report.dataset)]


def test_balances_after_the_transaction_are_left_out_and_said(tmp_path: Path) -> None:
    """PaySim trained to a ROC-AUC of 0.999 on them without a word."""
    path = paysim(tmp_path)
    proposal = propose(survey(open_source(path)).sample, "proposed")
    assert [one.name for one in proposal.attributes] == ["oldbalanceOrg", "oldbalanceDest"]
    said = "\n".join(said_of(path))
    assert "the column newbalanceOrig" in said
    assert "the column newbalanceDest knows the future" in said
    assert "amount and oldbalanceOrg alone reaches a ROC-AUC of" in said


def test_a_balance_afterwards_is_found_by_what_it_holds(world: World, tmp_path: Path) -> None:
    """Whatever it is called: two columns that differ by the amount are one before and one after."""
    before = np.round(np.abs(world.noise) * 10_000 + 5_000, 2)
    path = saved(tmp_path, **own(world, b1=before, b2=np.round(before - world.amount, 2)))
    proposal = propose(survey(open_source(path)).sample, "proposed")
    assert proposal.future.keys() == {"b1", "b2"}
    assert {"b1", "b2"}.isdisjoint(one.name for one in proposal.attributes)
    said = said_of(path)
    assert any(one.startswith("the column b1 knows the future: b1 less b2 is the amount in 100%") for one in said)


def test_what_only_adds_up_to_the_amount_is_no_balance(world: World, tmp_path: Path) -> None:
    """The amount again beside a column of zeros, a total with its fee, and what has few values."""
    fee = np.round(world.amount * 0.02 + 0.3, 2)
    honest = {
        "amount_in_usd": world.amount,
        "prior_failures_24h": (world.noise > 1.5).astype(int),
        "total": np.round(world.amount + fee, 2),
        "fee": fee,
        "gross": np.round(world.amount + 500, 2),
        "fixed": np.full(len(fee), 500.0),
    }
    proposal = propose(survey(open_source(saved(tmp_path, **own(world, **honest)))).sample, "proposed")
    assert not proposal.future
    assert honest.keys() - {"fixed"} <= {one.name for one in proposal.attributes}


@pytest.mark.parametrize(
    "name",
    [
        "newbalanceOrig",
        "newbalanceDest",
        "isFlaggedFraud",
        "isFlagged",
        "is_flagged",
        "transaction_flagged",
        "flagged_at",
        "balance_after",
        "balance_after_transaction",
        "afterBalance",
        "chargeback_date",
        "settled",
        "days_until_chargeback",
        "resolution_hours",
    ],
)
def test_names_that_say_later(name: str) -> None:
    assert named_after(name)


@pytest.mark.parametrize(
    "name",
    [
        "oldbalanceOrg",
        "new_customer",
        "age",
        "balance",
        "newsletter",
        "days_after_signup",
        "hours_after_last_login",
        "minutes_after_midnight",
        "flagged_country",
        "is_flagged_ip",
        "previous_chargebacks",
        "chargebacks_last_90d",
        "chargebacks_90_days",
        "refunded_before",
        "customer_dispute_count",
        "days_since_dispute",
        "priorChargebacks",
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert not named_after(name)


def test_what_train_would_refuse_is_said_in_its_words(world: World, tmp_path: Path) -> None:
    """Too few days for the split and its gaps; too few frauds in one of its periods."""
    few = [str(one) for one in pd.Timestamp("2024-01-01") + pd.to_timedelta(world.seconds / 3, unit="s")]
    said = "\n".join(said_of(saved(tmp_path, **own(world, event_time=few))))
    assert "train would refuse this file: too few days to split" in said
    rare = np.zeros(len(world.fraud), int)
    rare[::100] = 1
    said = "\n".join(said_of(saved(tmp_path, **own(world, is_fraud=rare))))
    assert "known frauds among" in said
    assert "in the fit period" in said


def figures(area: float, precision: float, lost: float, name: str = "newbalanceOrig") -> Evaluation:
    return evaluation_of("m", precision, area, importances=(("age", 0.01), (name, lost)))


def test_a_report_that_is_too_good_says_so_with_the_feature() -> None:
    said = caution(figures(0.999, 0.9, 0.5))
    assert said is not None
    assert "too good to be true: a ROC-AUC of 0.999, most of it from newbalanceOrig" in said
    said = caution(figures(0.97, 0.8, 0.76))
    assert said is not None
    assert said.startswith("newbalanceOrig carries nearly everything: without it 95% of the average precision are lost")
    assert caution(figures(0.97, 0.8, 0.4)) is None


@pytest.mark.parametrize("name", ["seconds_since_last", "merchant_risk_30d"])
def test_a_feature_of_the_past_that_is_too_good_sends_to_the_columns_that_it_is_made_of(name: str) -> None:
    """Nobody has a column of this name, and it is never known only afterwards."""
    said = caution(figures(0.999, 0.9, 0.5, name))
    assert said is not None
    assert f"{name} is computed from earlier transactions: check that their times, customers and merchants" in said
    assert f"{name} is known" not in said


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_texts_of_a_dataset_are_no_formulas_in_a_spreadsheet(text: str) -> None:
    assert spreadsheet_cell(text) == f"'{text}"
    assert spreadsheet_cell(-1.5) == -1.5
    assert spreadsheet_cell("plain") == "plain"
