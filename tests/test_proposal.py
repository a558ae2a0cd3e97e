"""A map is proposed by names and by values, for public files and for ones never seen, and it works."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from risk.dataset import open_dataset
from risk.dataset.column_map import AmountColumn, Constant, LabelColumn, TextColumn
from risk.dataset.map_file import parse_map
from risk.dataset.written_map import write_map
from tests.foreign_files import ROWS, World, own, proposed, saved, world
from trainer.inspection.giveaway import auc, gives_away
from trainer.inspection.proposal import Proposal

__all__ = ["world"]  # a fixture is used by its name


def assert_proposes(path: Path, expected: str) -> Proposal:
    """The map is the expected one, and the file can be read with it, every row."""
    proposal = proposed(path)
    assert proposal.column_map is not None
    assert write_map(proposal.column_map) == write_map(parse_map(expected))
    assert sum(len(rows.block) for rows in open_dataset(path, proposal.column_map).rows()) == ROWS
    return proposal


def test_a_file_like_the_fraud_detection_handbook(world: World, tmp_path: Path) -> None:
    """The scenario becomes the kind of fraud; the doubled times are left out."""
    path = saved(
        tmp_path, TRANSACTION_ID=np.arange(ROWS), TX_DATETIME=world.moments, CUSTOMER_ID=world.customer,
        TERMINAL_ID=world.merchant, TX_AMOUNT=world.amount, TX_TIME_SECONDS=world.seconds,
        TX_TIME_DAYS=world.seconds // 86_400, TX_FRAUD=world.fraud, TX_FRAUD_SCENARIO=world.scenario,
    )  # fmt: skip
    assert_proposes(
        path,
        """
        transaction_id = "TRANSACTION_ID"
        customer_id = "CUSTOMER_ID"
        currency = { constant = "USD" }
        merchant_id = "TERMINAL_ID"
        event_time = "TX_DATETIME"
        amount = "TX_AMOUNT"
        is_fraud = "TX_FRAUD"
        fraud_kind = "TX_FRAUD_SCENARIO"
        """,
    )


def test_a_file_like_paysim(world: World, tmp_path: Path) -> None:
    """Hours from an unknown start, no id, and what is known only afterwards: balances and a rule's verdict."""
    path = saved(
        tmp_path, step=world.seconds // 3_600 + 1, type=np.array(["CASH_OUT", "PAYMENT"])[world.customer % 2],
        amount=world.amount, nameOrig=[f"C{x}" for x in world.unique], oldbalanceOrg=world.amount * 3,
        newbalanceOrig=world.amount * 2, nameDest=[f"M{x}" for x in world.merchant], oldbalanceDest=world.noise**2,
        newbalanceDest=world.noise**2 + 5, isFraud=world.fraud, isFlaggedFraud=np.arange(ROWS) % 1_000 // 999,
    )  # fmt: skip
    proposal = assert_proposes(
        path,
        """
        transaction_id = { row = true }
        customer_id = "nameOrig"
        currency = { constant = "USD" }
        merchant_id = "nameDest"
        channel = "type"
        event_time = { column = "step", unit = "hours", origin = "2024-01-01" }
        amount = "amount"
        is_fraud = "isFraud"
        [attributes]
        oldbalanceOrg = "number"
        oldbalanceDest = "number"
        """,
    )
    assert any("isFlaggedFraud: left out" in remark for remark in proposal.remarks)
    assert any(
        "step: counts hours from an unknown start; 2024-01-01 was taken" in remark for remark in proposal.remarks
    )


def test_a_file_like_sparkov(world: World, tmp_path: Path) -> None:
    """A column without a name, a card number as the customer, names and birthdays left out."""
    person = world.customer
    path = saved(
        tmp_path, **{"": np.arange(ROWS)}, trans_date_trans_time=world.moments, cc_num=4_000_000_000_000_000 + person,
        merchant=[f'fraud_Shop, "{x}" & Co' for x in world.merchant],
        category=np.array(["misc_net", "grocery_pos"])[world.merchant % 2], amt=world.amount,
        first=[f"F{x % 50}" for x in person], last=[f"L{x % 70}" for x in person],
        gender=np.array(["F", "M"])[person % 2], street=[f"{x} Main" for x in person],
        city=[f"Town{x % 80}" for x in person], state=[f"S{x % 40}" for x in person], zip=10_000 + person,
        lat=world.noise, long=world.noise * 2, city_pop=person * 1_000, job=[f"job{x % 90}" for x in person],
        dob=[f"19{50 + x % 50}-03-0{1 + x % 9}" for x in person], trans_num=[f"{x:032x}" for x in world.unique],
        unix_time=1_682_899_200 + world.seconds, merch_lat=world.noise * 3, merch_long=world.noise * 4,
        is_fraud=world.fraud,
    )  # fmt: skip
    assert_proposes(
        path,
        """
        transaction_id = "trans_num"
        customer_id = "cc_num"
        currency = { constant = "USD" }
        merchant_id = "merchant"
        merchant_category = "category"
        event_time = "trans_date_trans_time"
        amount = "amt"
        is_fraud = "is_fraud"
        sensitive = ["gender", "zip"]
        [attributes]
        gender = "category"
        city = "category"
        state = "category"
        zip = "number"
        lat = "number"
        long = "number"
        city_pop = "number"
        job = "category"
        merch_lat = "number"
        merch_long = "number"
        """,
    )


def test_a_file_like_the_european_card_file(world: World, tmp_path: Path) -> None:
    """No ids at all: rows are numbered, there are no customers, and the numbers become attributes."""
    numbers = {f"V{i}": world.noise * i for i in range(1, 29)}
    path = saved(tmp_path, Time=world.seconds.astype(float), **numbers, Amount=world.amount, Class=world.fraud)
    assert_proposes(
        path,
        """
        transaction_id = { row = true }
        currency = { constant = "USD" }
        event_time = { column = "Time", unit = "seconds", origin = "2024-01-01" }
        amount = "Amount"
        is_fraud = "Class"
        [attributes]
        """
        + "\n".join(f'{name} = "number"' for name in numbers),
    )


def test_a_file_in_another_language_is_understood_by_its_values(world: World, tmp_path: Path) -> None:
    """Time, amount, label and ids without a single known word; a note on frauds only gives the label away."""
    path = saved(
        tmp_path, separator=";", tapahtuma=[f"BX{x:08d}" for x in world.unique],
        aika=world.moments.strftime("%d.%m.%Y %H:%M"), asiakas=[f"K-{x}" for x in world.customer],
        kauppa=[f"L-{x}" for x in world.merchant], summa=world.amount, valuutta="EUR", petos=world.fraud,
        huomio=np.where(world.fraud == 1, "estetty", ""), paikka=np.array(["Turku", "Oulu"])[world.customer % 2],
    )  # fmt: skip
    proposal = assert_proposes(
        path,
        """
        transaction_id = "tapahtuma"
        customer_id = "asiakas"
        currency = "valuutta"
        merchant_id = "kauppa"
        event_time = { column = "aika", format = "%d.%m.%Y %H:%M" }
        amount = "summa"
        is_fraud = "petos"
        [attributes]
        paikka = "category"
        """,
    )
    assert list(proposal.giveaways) == ["huomio"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "ndjson"])
def test_our_own_names_map_to_themselves(world: World, tmp_path: Path, ending: str) -> None:
    """As the two worlds write them, in every format."""
    moments = pd.Series(world.moments.tz_localize("UTC"))
    frame = pd.DataFrame(
        {
            "transaction_id": [f"T{x}" for x in world.unique], "event_time": moments,
            "customer_id": [f"C{x}" for x in world.customer], "merchant_id": [f"M{x}" for x in world.merchant],
            "merchant_category": np.array(["Travel", "Grocery"])[world.merchant % 2], "amount": world.amount,
            "currency": "EUR", "channel": "online", "device_id": [f"D{x}" for x in world.customer],
            "country": np.array(["DE", "FR"])[world.customer % 2], "is_fraud": world.fraud,
            "labelled_at": (moments + pd.Timedelta(days=2)).where(world.noise > 0), "age": world.customer % 60 + 18,
            "fraud_kind": np.where(world.fraud == 1, "burst", None),
        }
    )  # fmt: skip
    path = tmp_path / f"own.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    else:
        for name in ("event_time", "labelled_at"):
            frame[name] = frame[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        if ending == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_json(path, orient="records", lines=True)
    last_lines = '\nsensitive = ["age"]\n[attributes]\nage = "number"'
    names = (
        "transaction_id", "customer_id", "currency", "merchant_id", "merchant_category", "channel", "device_id",
        "country", "event_time", "amount", "is_fraud", "labelled_at", "fraud_kind",
    )  # fmt: skip
    assert_proposes(path, "\n".join(f'{name} = "{name}"' for name in names) + last_lines)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("Betrag EUR", "EUR"),
        ("amount_usd", "USD"),
        ("Amount (GBP)", "GBP"),
        ("CHFAmount", "CHF"),
        ("Amount TRY", "TRY"),
    ],
)
def test_the_name_of_the_amount_tells_the_currency(world: World, tmp_path: Path, amount: str, currency: str) -> None:
    """Where no column does. The other amount's name says nothing of this one."""
    columns = {**own(world), amount: world.amount, "refund_jpy": world.noise}
    del columns["currency"], columns["amount"]
    proposal = proposed(saved(tmp_path, **columns))
    assert proposal.column_map is not None
    assert proposal.column_map.amount == AmountColumn(amount)
    assert proposal.column_map.texts["currency"] == Constant(currency)
    assert proposal.comments["currency"] == [
        f"no column holds the currency: {currency} is taken from the name {amount}"
    ]


@pytest.mark.parametrize("amount", ["amount", "amount_all", "AMOUNT_TRY", "amount_usd_eur", "betrageur"])
def test_a_name_without_one_code_tells_no_currency(world: World, tmp_path: Path, amount: str) -> None:
    """None, a word that happens to be one, two that disagree, and letters within a word."""
    columns = {**own(world), amount: world.amount}
    del columns["currency"]
    if amount != "amount":
        del columns["amount"]
    proposal = proposed(saved(tmp_path, **columns))
    assert proposal.column_map is not None
    assert proposal.column_map.texts["currency"] == Constant("USD")
    assert proposal.comments["currency"] == ["no column holds the currency: USD is assumed, correct it where it is not"]


def test_a_column_with_the_currency_goes_before_the_name_of_the_amount(world: World, tmp_path: Path) -> None:
    columns = {**own(world), "amount_usd": world.amount}
    del columns["amount"]
    made = proposed(saved(tmp_path, **columns)).column_map
    assert made is not None
    assert made.texts["currency"] == TextColumn("currency")


def test_epochs_are_told_apart_by_size(world: World, tmp_path: Path) -> None:
    """Seconds, milliseconds, microseconds, nanoseconds."""
    seconds = 1_682_899_200 + world.seconds
    for unit, factor in {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}.items():
        path = saved(tmp_path, id=[f"a{x:07d}" for x in world.unique], ts=seconds * factor, amount=world.amount)
        proposal = proposed(path)
        assert proposal.column_map is not None
        assert (proposal.column_map.event_time.column, proposal.column_map.event_time.unit) == ("ts", unit)


def test_day_and_month_are_told_apart_or_doubted(world: World, tmp_path: Path) -> None:
    """By values over twelve, else by order; and where either fits, it says so."""
    path = saved(tmp_path, date=world.moments.strftime("%m/%d/%Y %H:%M:%S"), amount=world.amount)
    made = proposed(path).column_map
    assert made is not None
    assert made.event_time.format == "%m/%d/%Y %H:%M:%S"
    days = pd.to_datetime([f"2023-{month:02}-{day:02}" for month in range(1, 7) for day in range(1, 13)])
    for pattern in ("%d/%m/%Y", "%m/%d/%Y"):
        made = proposed(saved(tmp_path, date=days.strftime(pattern), amount=world.amount[: len(days)])).column_map
        assert made is not None
        assert made.event_time.format == pattern
    early = pd.Timestamp("2023-05-01") + pd.to_timedelta(world.seconds // 4, unit="s")
    path = saved(tmp_path, date=early.strftime("%d/%m/%Y %H:%M:%S"), amount=world.amount)
    proposal = proposed(path)
    assert any("check day and month" in remark for remark in proposal.remarks)


def test_a_column_that_gives_the_label_away_is_left_out(world: World, tmp_path: Path) -> None:
    """A number that parts them, a word that only frauds have, a value that only genuine rows have."""
    fraud = world.fraud == 1
    columns = own(
        world,
        number=np.where(fraud, 5.0, world.noise),
        backwards=np.where(fraud, -5.0, world.noise),
        word=np.where(fraud, "bad", np.array(["good", "fine"])[world.customer % 2]),
        there=np.where(fraud, np.array(["x", "y", "z"])[world.merchant % 3], ""),
        missing=np.where(fraud, np.nan, world.noise),
        harmless=np.where(fraud, world.noise + 0.5, world.noise),
    )
    proposal = proposed(saved(tmp_path, **columns))
    assert set(proposal.giveaways) == {"number", "backwards", "word", "there", "missing"}
    assert proposal.column_map is not None
    assert [one.name for one in proposal.column_map.attributes] == ["age", "harmless"]


def test_a_little_dirt_does_not_hide_what_a_column_is(world: World, tmp_path: Path) -> None:
    """A label, an amount and a time with some nonsense in them are still found."""
    dirty = own(world, is_fraud=0, amount=0)
    del dirty["is_fraud"], dirty["event_time"], dirty["amount"]
    dirty["Class"] = ["?", "unknown", *map(str, world.fraud[2:])]
    dirty["TX_AMOUNT"] = ["much", *map(str, world.amount[1:])]
    dirty["TX_DATETIME"] = ["never", *world.moments.astype(str)[1:]]
    made = proposed(saved(tmp_path, **dirty)).column_map
    assert made is not None
    assert (made.is_fraud, made.amount, made.event_time.column) == (
        LabelColumn("Class"),
        AmountColumn("TX_AMOUNT"),
        "TX_DATETIME",
    )


def test_giveaways_need_enough_frauds_and_enough_rows() -> None:
    """Four frauds may lie apart by chance, and unique ids part everything from everything."""
    labels = np.zeros(1_000, np.int8)
    labels[:4] = 1
    assert gives_away(pa.array(labels.astype(float)), labels) is None
    labels[:8] = 1
    assert gives_away(pa.array(labels.astype(float)), labels) is not None
    assert gives_away(pa.array([f"id{i}" for i in range(1_000)]), labels) is None


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    """Counted by hand, ties as half."""
    random = np.random.default_rng(3)
    scores, fraud = random.integers(0, 10, 200).astype(float), random.random(200) < 0.3
    above = scores[fraud][:, None] - scores[~fraud][None, :]
    assert auc(scores, fraud) == pytest.approx(((above > 0) + 0.5 * (above == 0)).mean())


def test_a_field_of_our_own_name_is_taken_for_nothing_else(world: World, tmp_path: Path) -> None:
    """A channel of 0 and 1 with few 1 looks like a label, a country of dates like a time."""
    rare = (np.arange(ROWS) % 20 == 0).astype(int)
    path = saved(
        tmp_path, transaction_id=np.arange(ROWS), event_time=world.moments, customer_id=world.customer,
        amount=world.amount, currency=["EUR"] * ROWS, channel=rare, country=world.moments,
    )  # fmt: skip
    assert_proposes(
        path,
        """
        transaction_id = "transaction_id"
        customer_id = "customer_id"
        currency = "currency"
        channel = "channel"
        country = "country"
        event_time = "event_time"
        amount = "amount"
        """,
    )
