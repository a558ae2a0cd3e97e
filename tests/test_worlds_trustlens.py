"""The world trustlens is the published formula, and its noise comes after the label."""

import math
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from console.terminal import progress
from trainer.generate import generate
from worlds import WORLDS
from worlds.trustlens import CATEGORIES, TRUSTLENS, history

COLUMNS = [
    "transaction_id", "event_time", "customer_id", "merchant_category", "amount", "currency", "age", "credit_score",
    "tenure_months", "monthly_frequency", "is_fraud",
]  # fmt: skip


def with_truth(folder: Path, rows: int) -> pd.DataFrame:
    """A generated history with its side file beside it, joined by transaction id."""
    path = folder / f"{rows}.parquet"
    generate(TRUSTLENS, path, {"rows": rows}, 42)
    truth = pq.read_table(f"{path}.truth.parquet").to_pandas()
    return pq.read_table(path).to_pandas().merge(truth, on="transaction_id", validate="one_to_one")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return with_truth(tmp_path_factory.mktemp("small"), 5000)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return with_truth(tmp_path_factory.mktemp("large"), 200_000)


def published_logit(row: dict[str, float | str], amount: float, frequency: float) -> float:
    """The formula once more, in plain Python, from the issue's words."""
    logit = -3.5 + 0.015 * (amount / 100) - 0.004 * (row["credit_score"] - 500) + 0.008 * frequency
    logit -= 0.003 * row["tenure_months"]
    if row["merchant_category"] == "Travel":
        logit += 0.6
    if row["merchant_category"] == "Electronics":
        logit += 0.4
    if row["age"] < 25:
        logit += 0.4
    return logit


def test_the_truth_is_the_formula_wherever_nothing_was_hidden(small: pd.DataFrame) -> None:
    """Row by row: either the probability is the formula's, or the amount is 10 to 30 times what the formula says."""
    inflated = 0
    known = small[small.amount.notna() & small.monthly_frequency.notna()]
    for row in known.to_dict("records"):
        expected = published_logit(row, row["amount"], row["monthly_frequency"])
        if abs(1 / (1 + math.exp(-expected)) - row["probability"]) < 2e-12:
            continue
        inflated += 1
        true_logit = math.log(row["probability"] / (1 - row["probability"]))
        true_amount = (true_logit - published_logit(row, 0.0, row["monthly_frequency"])) / 0.015 * 100
        assert 9.99 < row["amount"] / true_amount < 30.01, row
    assert 0.006 < inflated / len(known) < 0.014


def test_a_hidden_frequency_was_a_whole_number_from_1_to_150(small: pd.DataFrame) -> None:
    hidden = small[small.amount.notna() & small.monthly_frequency.isna()]
    assert len(hidden) > 50
    whole = 0
    for row in hidden.to_dict("records"):
        true_logit = math.log(row["probability"] / (1 - row["probability"]))
        frequency = (true_logit - published_logit(row, row["amount"], 0.0)) / 0.008
        whole += abs(frequency - round(frequency)) < 1e-5 and 1 <= round(frequency) <= 150
    assert whole / len(hidden) > 0.95  # the others have an inflated amount


def test_there_is_a_customer_for_every_forty_rows_but_never_fewer_than_500(
    small: pd.DataFrame, large: pd.DataFrame
) -> None:
    """max(500, rows / 40) customers, and each keeps its own age, score and tenure."""
    assert small.customer_id.nunique() == 500
    assert large.customer_id.nunique() == 5000
    own = large.groupby("customer_id")[["age", "credit_score", "tenure_months"]].nunique()
    assert (own == 1).all(axis=None)


def test_what_is_drawn_has_the_published_ranges(large: pd.DataFrame) -> None:
    ranges = {"age": (18, 80), "credit_score": (300, 850), "tenure_months": (1, 240), "monthly_frequency": (1, 150)}
    for column, (least, most) in ranges.items():
        assert (large[column].min(), large[column].max()) >= (least, least), column
        assert large[column].max() <= most, column
    assert large.age.nunique() == 63
    assert large.tenure_months.nunique() == 240
    assert large.monthly_frequency.nunique() == 150
    assert large.groupby("customer_id").credit_score.first().mean() == pytest.approx(650, abs=5)
    assert large.groupby("customer_id").credit_score.first().std() == pytest.approx(88, abs=4)
    assert large.event_time.min() == pytest.approx(pd.Timestamp("2023-01-01", tz="UTC"), abs=pd.Timedelta(hours=1))
    assert large.event_time.max() < pd.Timestamp("2025-01-01", tz="UTC")
    assert large.event_time.max() > pd.Timestamp("2024-12-31T23:00", tz="UTC")


def test_amounts_are_log_normal_times_the_multiplier_of_the_category(large: pd.DataFrame) -> None:
    for category, (weight, multiplier) in CATEGORIES.items():
        chosen = large[large.merchant_category == category]
        assert len(chosen) / len(large) == pytest.approx(weight, abs=0.004), category
        assert chosen.amount.median() == pytest.approx(math.exp(5.2) * multiplier, rel=0.05), category
    travel = large[large.merchant_category == "Travel"].amount.dropna()
    logs = travel.map(math.log)
    assert logs.quantile(0.84) - logs.quantile(0.5) == pytest.approx(1.1, abs=0.06)


def test_two_in_a_hundred_amounts_and_frequencies_are_missing(large: pd.DataFrame) -> None:
    assert large.amount.isna().mean() == pytest.approx(0.02, abs=0.002)
    assert large.monthly_frequency.isna().mean() == pytest.approx(0.02, abs=0.002)
    others = [name for name in COLUMNS if name not in {"amount", "monthly_frequency"}]
    assert not large[others].isna().any(axis=None)


def test_missing_and_fraud_have_nothing_to_do_with_each_other(large: pd.DataFrame) -> None:
    """The label is drawn before the noise, so what is missing says nothing about it."""
    for column in ("amount", "monthly_frequency"):
        assert large.is_fraud[large[column].isna()].mean() == pytest.approx(large.is_fraud.mean(), abs=0.01)


def test_the_best_possible_scores_are_the_published_ones(large: pd.DataFrame) -> None:
    """About 0.67 of ROC-AUC, 0.066 of average precision, and a base rate of 3.0 %."""
    assert large.is_fraud.mean() == pytest.approx(0.030, abs=0.001)
    assert large.probability.mean() == pytest.approx(0.030, abs=0.001)
    assert roc_auc_score(large.is_fraud, large.probability) == pytest.approx(0.67, abs=0.01)
    assert average_precision_score(large.is_fraud, large.probability) == pytest.approx(0.066, abs=0.006)


def test_the_truth_is_never_in_the_history(tmp_path: Path) -> None:
    generate(TRUSTLENS, tmp_path / "history.csv", {"rows": 100}, 42)
    assert (tmp_path / "history.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    truth = pq.read_table(tmp_path / "history.csv.truth.parquet")
    assert truth.schema.names == ["transaction_id", "probability"]


def test_sorted_by_time_and_every_id_once(large: pd.DataFrame) -> None:
    assert large.event_time.is_monotonic_increasing
    assert large.transaction_id.is_unique


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_two_runs_have_the_same_bytes_and_another_seed_has_others(tmp_path: Path, suffix: str) -> None:
    runs = [
        generate(TRUSTLENS, tmp_path / f"{run}.{suffix}", {"rows": 70_000}, seed)
        for run, seed in enumerate([42, 42, 43])
    ]
    contents = [run.path.read_bytes() for run in runs]
    assert contents[0] == contents[1] != contents[2]
    assert runs[0].sha256 == runs[1].sha256 != runs[2].sha256
    truths = [run.truth.read_bytes() for run in runs if run.truth]
    assert truths[0] == truths[1] != truths[2]


def test_the_size_of_the_parts_changes_nothing() -> None:
    whole = pa.Table.from_batches(history({"rows": 3000}, 42, progress))
    parts = pa.Table.from_batches(history({"rows": 3000}, 42, progress, block=7))
    assert parts.num_rows == 3000
    assert parts.combine_chunks().equals(whole.combine_chunks())


def test_a_seed_means_the_same_history_next_year(tmp_path: Path) -> None:
    """If this fails, seeds mean something new: say so in CHANGELOG.md and write the new digest here."""
    written = generate(TRUSTLENS, tmp_path / "history.csv", {"rows": 5000}, 42)
    assert written.sha256 == "91b5e5a4510268b8e802b9f05c741cf1bf955d75e850a91bc5cbb6e71477883f"


def test_docs_state_every_category_with_its_weight_and_multiplier() -> None:
    text = (Path(__file__).parent.parent / "docs" / "worlds.md").read_text()
    stated = re.findall(r"^\| (\w+) \| (\d\.\d\d) \| (\d\.\d) \|$", text, re.MULTILINE)
    assert {name: (float(weight), float(multiplier)) for name, weight, multiplier in stated} == CATEGORIES


def test_the_world_is_registered_under_its_name() -> None:
    assert WORLDS["trustlens"] is TRUSTLENS
