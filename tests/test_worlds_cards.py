"""The world cards has its five kinds of fraud in the stated shares, and gives none of them away."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score

from console.terminal import progress
from risk.errors import OptionError
from trainer.generate import generate
from worlds.cards import CARDS, CUSTOMERS_AT_ONCE, history
from worlds.cards.fraud import SHARES
from worlds.cards.rows import KINDS

DEFAULT = {option.name: option.default for option in CARDS.options}
TINY = {"customers": 60, "merchants": 40, "days": 20}
DAY = pd.Timedelta(days=1)

COLUMNS = [
    "transaction_id", "event_time", "customer_id", "merchant_id", "merchant_category", "amount", "currency", "channel",
    "device_id", "country", "is_fraud", "labelled_at", "fraud_kind",
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("cards") / "cards.parquet"
    generate(CARDS, path, DEFAULT, 42)
    return pq.read_table(path).to_pandas()


@pytest.fixture(scope="module")
def frauds(world: pd.DataFrame) -> pd.DataFrame:
    return world[world.is_fraud == 1]


def homes(genuine: pd.DataFrame) -> pd.Series:
    """By customer: the country where most of what is genuine happened."""
    counts = genuine.groupby(["customer_id", "country"], observed=True).size().sort_values(kind="stable")
    return counts.reset_index().drop_duplicates("customer_id", keep="last").set_index("customer_id").country


# What is in it


def test_its_columns_are_the_stated_ones_in_their_order(world: pd.DataFrame) -> None:
    assert list(world.columns) == COLUMNS


def test_about_two_transactions_per_customer_and_day(world: pd.DataFrame) -> None:
    assert len(world) / (DEFAULT["customers"] * DEFAULT["days"]) == pytest.approx(2.0, abs=0.1)
    assert world.customer_id.nunique() <= DEFAULT["customers"]
    assert world.merchant_id.nunique() <= DEFAULT["merchants"]


def test_sorted_by_time_every_id_once_and_all_in_the_past(world: pd.DataFrame) -> None:
    assert world.event_time.is_monotonic_increasing
    assert world.transaction_id.is_unique
    assert world.event_time.min() >= pd.Timestamp("2024-09-03", tz="UTC")
    assert world.event_time.max() < pd.Timestamp("2025-01-01", tz="UTC")
    assert world.labelled_at.max() < pd.Timestamp("2025-02-16", tz="UTC")


def test_amounts_are_whole_cents_and_more_than_nothing(world: pd.DataFrame) -> None:
    assert (world.amount > 0).all()
    assert (world.amount == (world.amount * 100).round() / 100).all()


def test_every_customer_keeps_a_rhythm_of_week_and_day(world: pd.DataFrame) -> None:
    by_hour = world.event_time.dt.hour.value_counts(normalize=True)
    assert by_hour[[1, 2, 3]].sum() < 0.05 < by_hour[17]
    by_weekday = world.event_time.dt.day_name().value_counts()
    assert by_weekday["Sunday"] < 0.75 * by_weekday["Saturday"]


def test_favourite_merchants_take_most_of_what_a_customer_spends(world: pd.DataFrame) -> None:
    visits = world.groupby(["customer_id", "merchant_id"]).size().sort_values(ascending=False)
    top = visits.groupby("customer_id").head(12).groupby("customer_id").sum()
    assert (top / world.groupby("customer_id").size()).median() > 0.7


def test_genuine_customers_travel_change_devices_buy_large_and_in_bursts(world: pd.DataFrame) -> None:
    genuine = world[world.is_fraud == 0]
    by_customer = genuine.groupby("customer_id")
    abroad = genuine.country != genuine.customer_id.map(homes(genuine))
    assert 0.01 < abroad.mean() < 0.15
    assert (by_customer.device_id.nunique() >= 2).mean() > 0.4
    usual = genuine.groupby(["customer_id", "merchant_category"]).amount.transform("median")
    assert (genuine.amount > 5 * usual).mean() > 0.003
    ordered = genuine.sort_values(["customer_id", "event_time"])
    third_last = ordered.groupby("customer_id").event_time.shift(3)
    assert (ordered.event_time - third_last < pd.Timedelta(hours=3)).mean() > 0.005


# Fraud


def test_eight_in_a_thousand_are_frauds_and_each_has_its_kind(world: pd.DataFrame) -> None:
    assert world.is_fraud.mean() == pytest.approx(0.008, abs=0.0003)
    assert (world.fraud_kind.notna() == (world.is_fraud == 1)).all()


@pytest.mark.parametrize("kind", list(SHARES))
def test_the_five_kinds_have_the_stated_shares(frauds: pd.DataFrame, kind: int) -> None:
    assert (frauds.fraud_kind == KINDS[kind]).mean() == pytest.approx(SHARES[kind], abs=0.01)


def test_even_a_tiny_world_shows_all_five_kinds() -> None:
    table = pa.Table.from_batches(history({"customers": 50, "merchants": 30, "days": 30}, 42, progress))
    assert set(table["fraud_kind"].to_pylist()) == set(KINDS)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 500, 1), (1, 3, 40), (700, 1, 2)])
def test_worlds_of_the_smallest_sizes_are_worlds(sizes: tuple[int, int, int]) -> None:
    customers, merchants, days = sizes
    batches = list(history({"customers": customers, "merchants": merchants, "days": days}, 5, progress))
    assert sum(batch.num_rows for batch in batches) >= 1


def test_card_testing_is_tiny_and_then_large(frauds: pd.DataFrame) -> None:
    chosen = frauds[frauds.fraud_kind == "card_testing"]
    assert (chosen.amount < 4).mean() == pytest.approx(5 / 7.5, abs=0.06)
    assert set(chosen.channel) <= {"online", "app"}
    last = chosen.groupby("customer_id").tail(1)
    assert last.amount.median() > 20 * chosen.groupby("customer_id").head(1).amount.median()


def test_a_stolen_card_visits_many_merchants_within_hours(frauds: pd.DataFrame) -> None:
    by_customer = frauds[frauds.fraud_kind == "stolen_card_burst"].groupby("customer_id")
    assert by_customer.merchant_id.nunique().median() >= 6
    assert (by_customer.event_time.max() - by_customer.event_time.min()).median() < pd.Timedelta(hours=4)


def test_a_taken_over_account_shows_new_devices_and_high_amounts(world: pd.DataFrame, frauds: pd.DataFrame) -> None:
    chosen = frauds[frauds.fraud_kind == "account_takeover"]
    genuine = world[world.is_fraud == 0]
    used = genuine[["customer_id", "device_id"]].drop_duplicates()
    known = set(zip(used.customer_id, used.device_id, strict=True))
    assert not any(pair in known for pair in zip(chosen.customer_id, chosen.device_id, strict=True))
    usual = genuine.groupby("customer_id").amount.median()
    assert (chosen.amount / chosen.customer_id.map(usual)).median() > 4
    assert (chosen.country != chosen.customer_id.map(homes(genuine))).mean() == pytest.approx(0.75, abs=0.12)


def test_a_compromised_merchant_books_frauds_for_weeks(world: pd.DataFrame, frauds: pd.DataFrame) -> None:
    by_merchant = frauds[frauds.fraud_kind == "compromised_merchant"].groupby("merchant_id")
    assert 5 <= len(by_merchant) <= 60
    busy = by_merchant.event_time.agg(["min", "max", "size"])
    busy = busy[busy["size"] >= 15]
    assert (busy["max"] - busy["min"]).median() > 18 * DAY
    for merchant, (first, last, count) in busy.iterrows():
        booked = world[(world.merchant_id == merchant) & world.event_time.between(first, last)]
        assert 0.15 < count / len(booked) < 0.5, merchant


def test_slow_bleed_looks_like_the_customers_own(world: pd.DataFrame, frauds: pd.DataFrame) -> None:
    chosen = frauds[frauds.fraud_kind == "slow_bleed"]
    genuine = world[world.is_fraud == 0]
    visits = genuine[["customer_id", "merchant_id"]].drop_duplicates()
    visited = set(zip(visits.customer_id, visits.merchant_id, strict=True))
    pairs = list(zip(chosen.customer_id, chosen.merchant_id, strict=True))
    assert sum(pair in visited for pair in pairs) / len(pairs) > 0.6
    assert chosen.amount.median() < 2 * genuine.amount.median()


# Labels


def test_frauds_are_reported_within_five_days_a_few_later_a_few_never(frauds: pd.DataFrame) -> None:
    assert frauds.labelled_at.isna().mean() == pytest.approx(0.03, abs=0.01)
    delays = (frauds.labelled_at - frauds.event_time).dropna()
    assert delays.min() >= DAY
    prompt = delays <= 5 * DAY
    assert (~prompt).mean() == pytest.approx(0.03, abs=0.01)
    assert delays[~prompt].between(10 * DAY, 45 * DAY).all()
    assert delays[prompt].mean() / DAY == pytest.approx(3.0, abs=0.1)


def test_having_a_label_gives_nothing_away(world: pd.DataFrame) -> None:
    """Most labelled transactions are genuine, and their labels come as quickly."""
    labelled = world[world.labelled_at.notna()]
    assert labelled.is_fraud.mean() < 0.5
    delays = (labelled.labelled_at - labelled.event_time) / DAY
    assert delays[labelled.is_fraud == 0].mean() == pytest.approx(delays[labelled.is_fraud == 1].mean(), abs=0.3)


def test_odd_transactions_are_looked_into_rather_than_others(world: pd.DataFrame) -> None:
    genuine = world[world.is_fraud == 0]
    share = genuine.labelled_at.notna().mean()
    assert 0.01 < share < 0.03
    large = genuine[genuine.amount > genuine.amount.quantile(0.995)]
    assert large.labelled_at.notna().mean() > 1.5 * share


# Nothing gives the label away


def numbers_of(world: pd.DataFrame) -> dict[str, pd.Series]:
    """Everything that one column alone could tell, as numbers."""
    cents = (world.amount * 100).round().astype("int64")
    ms = world.event_time.astype("datetime64[ms, UTC]").astype("int64")
    delay = (world.labelled_at - world.event_time) / DAY
    return {
        "transaction number": world.transaction_id.str[2:].astype("int64"),
        "customer number": world.customer_id.str[1:].astype("int64"),
        "merchant number": world.merchant_id.str[1:].astype("int64"),
        "device number": world.device_id.str[1:].map(lambda text: int(text, 16), na_action="ignore").fillna(-1),
        "has a device": world.device_id.notna().astype(int),
        "amount": cents,
        "last digit of the cents": cents % 10,
        "cents": cents % 100,
        "millisecond": ms % 1000,
        "second": ms // 1000 % 60,
        "hour": ms // 3_600_000 % 24,
        "day": ms // 86_400_000,
        "has a label": world.labelled_at.notna().astype(int),
        "label delay": delay.fillna(99.0),
    }


def test_no_column_gives_the_label_away(world: pd.DataFrame) -> None:
    """Ranked by any one of them, up or down, the average precision stays far from what a model reaches."""
    for name, values in numbers_of(world).items():
        best = max(average_precision_score(world.is_fraud, sign * values) for sign in (1, -1))
        assert best < (0.30 if "label" in name else 0.06), f"{name}: {best:.3f}"


def test_no_value_of_a_column_is_mostly_fraud(world: pd.DataFrame) -> None:
    """Whatever a column says often enough to be learned, most of it is genuine."""
    texts = {name: world[name].fillna("") for name in
             ["merchant_id", "merchant_category", "currency", "channel", "country", "customer_id"]}  # fmt: skip
    for name, values in {**texts, **numbers_of(world)}.items():
        shares = world.is_fraud.groupby(values).agg(["mean", "size"])
        often = shares[shares["size"] >= 100]
        assert not len(often) or often["mean"].max() < 0.4, name


def test_ids_of_thieves_devices_look_like_everybodys(world: pd.DataFrame) -> None:
    genuine = world[(world.is_fraud == 0) & world.device_id.notna()].device_id
    stolen = world[(world.fraud_kind == "account_takeover") & world.device_id.notna()].device_id
    assert genuine.str.fullmatch("D[0-9a-f]{10}").all()
    assert stolen.str.fullmatch("D[0-9a-f]{10}").all()
    for place in range(1, 11):
        assert set(stolen.str[place]) == set("0123456789abcdef")
        assert stolen.str[place].value_counts(normalize=True).max() < 0.12


def test_a_device_belongs_to_one_customer(world: pd.DataFrame) -> None:
    assert world.groupby("device_id").customer_id.nunique().max() == 1


# Determinism


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_two_runs_have_the_same_bytes_and_another_seed_has_others(tmp_path: Path, suffix: str) -> None:
    sizes = {"customers": CUSTOMERS_AT_ONCE + 44, "merchants": 50, "days": 30}
    runs = [generate(CARDS, tmp_path / f"{run}.{suffix}", sizes, seed) for run, seed in enumerate([42, 42, 43])]
    contents = [run.path.read_bytes() for run in runs]
    assert contents[0] == contents[1] != contents[2]


def test_the_size_of_the_parts_changes_nothing() -> None:
    whole = pa.Table.from_batches(history(TINY, 42, progress)).combine_chunks()
    parts = pa.Table.from_batches(history(TINY, 42, progress, block=7)).combine_chunks()
    assert parts.equals(whole)


def test_a_seed_means_the_same_history_next_year(tmp_path: Path) -> None:
    """If this fails, seeds mean something new: say so in CHANGELOG.md and write the new digest here."""
    assert (
        generate(CARDS, tmp_path / "cards.csv", TINY, 42).sha256
        == "895acabd6d0f23819c77aa904503d53ada228f3ba283c35c993ce0deb361b140"
    )


# What the documents and the errors say


def test_docs_state_the_share_of_every_kind() -> None:
    text = (Path(__file__).parent.parent / "docs" / "worlds.md").read_text()
    stated = re.findall(r"^\| `(\w+)` \| (\d+) % \|", text, re.MULTILINE)
    assert {name: int(share) / 100 for name, share in stated} == {KINDS[kind]: share for kind, share in SHARES.items()}
    assert np.isclose(sum(SHARES.values()), 1.0)


def test_a_world_that_does_not_fit_in_memory_is_refused(tmp_path: Path) -> None:
    sizes = {"customers": 1_000_000, "merchants": 500, "days": 3650}
    with pytest.raises(OptionError, match=r"about 7,300,000,000 rows; expected at most 50,000,000.*make one smaller"):
        generate(CARDS, tmp_path / "cards.csv", sizes, 42)
    assert list(tmp_path.iterdir()) == []
