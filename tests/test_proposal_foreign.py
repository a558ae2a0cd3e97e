"""Maps for files of other countries, for small dirty ones, and the reason for every column that is left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from risk.catalogue import Kind
from risk.clock import DAY
from risk.dataset import open_dataset
from risk.dataset.column_map import AmountColumn, Attribute, LabelColumn, TextColumn, TimeColumn
from tests.foreign_files import ROWS, World, german_bank, own, proposed, saved, world
from trainer.inspection.words import names_a_person, sensitive_by_name, words_of

__all__ = ["world"]  # a fixture is used by its name


def test_a_german_bank_export(world: World, tmp_path: Path) -> None:
    """A date and a time of day, a decimal comma, ja and nein: the map reads every row and no value is lost."""
    path = saved(tmp_path, separator=";", **german_bank(world))
    made = proposed(path).column_map
    assert made is not None
    assert made.event_time == TimeColumn("Buchungsdatum", "%d.%m.%Y %H:%M", beside=("Uhrzeit",))
    assert made.amount == AmountColumn("Betrag", ",")
    assert made.is_fraud == LabelColumn("Betrug", ("ja",), ("nein",))
    assert made.attributes == (Attribute("Kontostand", "Kontostand", Kind.NUMBER, ","),)
    named = {name: one.column for name, one in made.texts.items() if isinstance(one, TextColumn)}
    assert named == {
        "transaction_id": "Buchungsnummer", "customer_id": "Kundennummer", "currency": "Währung",
        "merchant_id": "Händler", "country": "Land",
    }  # fmt: skip
    dataset = open_dataset(path, made)
    (rows,) = dataset.rows()
    assert dataset.bad.count == 0
    assert [one.amount for one in rows.block] == np.rint(world.amount * 100).astype(int).tolist()
    assert rows.is_fraud.tolist() == world.fraud.tolist()
    assert [one.event_time // 60_000 for one in rows.block] == ((1_682_899_200 + world.seconds) // 60).tolist()


@pytest.mark.parametrize(
    ("name", "fraud", "genuine"),
    [
        ("is_fraud", "Y", "N"), ("Class", "fraud", "legit"), ("label", "1", "-1"), ("target", "t", "f"),
        ("Betrug", "ja", "nein"), ("fraude", "oui", "non"), ("es_fraude", "sí", "no"), ("frode", "vero", "falso"),
        ("isFraud", "Fraudulent", "Genuine"),
    ],
)  # fmt: skip
def test_a_label_in_other_words_is_understood(
    world: World, tmp_path: Path, name: str, fraud: str, genuine: str
) -> None:
    """With its two values in the map, and a remark to check them; it is never an attribute."""
    columns = own(world)
    del columns["is_fraud"]
    columns[name] = np.where(world.fraud == 1, fraud, genuine)
    path = saved(tmp_path, **columns)
    proposal = proposed(path)
    made = proposal.column_map
    assert made is not None
    assert made.is_fraud == LabelColumn(name, (fraud,), (genuine,))
    assert [one.name for one in made.attributes] == ["age"]
    assert proposal.comments["is_fraud"] == [f"{name}: {fraud} was taken for fraud, {genuine} for genuine: check it"]
    assert sum(int((rows.is_fraud == 1).sum()) for rows in open_dataset(path, made).rows()) == world.fraud.sum()


@pytest.mark.parametrize("name", ["label", "is_fraud", "Betrug", "Betrugsfall", "fraud_flag"])
def test_a_label_that_is_not_understood_is_left_out_and_it_says_what_to_write(
    world: World, tmp_path: Path, name: str
) -> None:
    """Two letters may mean anything; as an attribute they would give the answer away."""
    columns = own(world)
    del columns["is_fraud"]
    columns[name] = np.where(world.fraud == 1, "A", "B")
    proposal = proposed(saved(tmp_path, **columns))
    made = proposal.column_map
    assert made is not None
    assert made.is_fraud is None
    assert [one.name for one in made.attributes] == ["age"]
    (said,) = [remark for remark in proposal.remarks if remark.startswith(f"{name}: left out")]
    frauds = int(world.fraud.sum())
    assert f"'B' ({ROWS - frauds:,}), 'A' ({frauds:,})" in said
    assert f'is_fraud = {{ column = "{name}", fraud = ["A"], genuine = ["B"] }}' in said


@pytest.mark.parametrize("order", ["filtered", "filtered and sorted anew", "put together", "backwards"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_saved_index_is_no_attribute(world: World, tmp_path: Path, ending: str, order: str) -> None:
    """pandas saves the numbers of the rows that are left: a clock, and no message has it."""
    kept = pd.DataFrame(own(world, seen=world.noise.cumsum()))[world.amount > 5]
    if order == "filtered and sorted anew":
        kept = kept.sort_values("amount", kind="stable")
    elif order == "put together":
        kept = pd.concat([kept[:700], kept[:70]])
    elif order == "backwards":
        kept = kept[::-1]
    path = tmp_path / f"file.{ending}"
    kept.to_csv(path) if ending == "csv" else kept.to_parquet(path)
    proposal = proposed(path)
    name = "column_1" if ending == "csv" else "__index_level_0__"
    assert proposal.column_map is not None
    assert [one.name for one in proposal.column_map.attributes] == ["age", "seen"]
    assert f"{name}: left out, for it only counts the rows" in proposal.remarks
    without = open_dataset(path)
    assert without.feature_set.number_attributes == ("age", "seen")
    assert not any(name in notice for notice in without.notices)


@pytest.mark.parametrize(
    "name", ["fraud_flag", "flag_fraud", "is_fraud_flag", "FraudFlag", "chargeback_flag", "flag", "antifraud_flag"]
)
def test_a_label_that_is_called_a_flag_is_found(world: World, tmp_path: Path, name: str) -> None:
    """It may be what a rule suspected, so it is said; a label beside it goes first."""
    columns = own(world)
    is_fraud = columns.pop("is_fraud")
    columns[name] = is_fraud
    proposal = proposed(saved(tmp_path, **columns))
    assert proposal.column_map is not None
    assert proposal.column_map.is_fraud == LabelColumn(name)
    assert f"{name}: check that it holds what was found out, not what a rule suspected" in proposal.remarks
    columns["isFraud"] = is_fraud
    beside = proposed(saved(tmp_path, **columns)).column_map
    assert beside is not None
    assert beside.is_fraud == LabelColumn("isFraud")


@pytest.mark.parametrize("name", ["isFlaggedFraud", "flagged", "prior_fraud", "fraud_rule_flag"])
def test_a_guess_is_no_label_and_it_says_what_to_write_if_it_is_one(world: World, tmp_path: Path, name: str) -> None:
    """What a rule flagged, or what a customer did before, would be learned as if it had been found out."""
    columns = own(world)
    columns[name] = columns.pop("is_fraud")
    proposal = proposed(saved(tmp_path, **columns))
    assert proposal.column_map is not None
    assert proposal.column_map.is_fraud is None
    (said,) = [remark for remark in proposal.remarks if remark.startswith(f"{name}: not taken")]
    assert said.endswith(f'of the past. If it is the label, write is_fraud = "{name}"')


def test_a_lone_f_may_be_fraud_or_false(world: World, tmp_path: Path) -> None:
    """Beside t it is false; beside another letter (fraud and ok? false and oui?) it is not guessed."""
    columns = own(world, is_fraud=np.where(world.fraud == 1, "F", "O"))
    made = proposed(saved(tmp_path, **columns)).column_map
    assert made is not None
    assert made.is_fraud is None


def test_yes_and_no_without_a_telling_name_stay_an_attribute(world: World, tmp_path: Path) -> None:
    """Only a name that says label makes Y and N one."""
    present = np.where(world.customer % 9 == 1, "Y", "N")
    made = proposed(saved(tmp_path, **own(world, card_present=present))).column_map
    assert made is not None
    assert made.is_fraud == LabelColumn("is_fraud")
    assert made.attributes[-1] == Attribute("card_present", "card_present", Kind.CATEGORY)


@pytest.mark.parametrize("name", ["gemeldet am", "Meldedatum", "bestätigt_am", "date_signalé"])
def test_when_a_fraud_was_found_out_is_not_left_out(world: World, tmp_path: Path, name: str) -> None:
    """Without it every label would be taken to be known three days later."""
    when = (world.moments + pd.Timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = proposed(saved(tmp_path, **own(world, **{name: np.where(world.fraud == 1, when, "")}))).column_map
    assert made is not None
    assert made.labelled_at is not None
    assert made.labelled_at.column == name


def test_another_time_may_be_when_a_fraud_was_found_out(world: World, tmp_path: Path) -> None:
    when = (world.moments + pd.Timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    proposal = proposed(saved(tmp_path, **own(world, Ergebnis=when)))
    (remark,) = proposal.comments["labelled_at"]
    assert remark.startswith("if Ergebnis is when a fraud was found out, write it as labelled_at")


def test_a_file_without_its_label_has_a_map(world: World, tmp_path: Path) -> None:
    """Also one whose other label columns are there: they are left out, not mapped."""
    columns = own(world, labelled_at=np.array(["soon", "late"])[world.customer % 2], fraud_kind="burst")
    del columns["is_fraud"]
    path = saved(tmp_path, **columns)
    made = proposed(path).column_map
    assert made is not None
    assert (made.is_fraud, made.labelled_at, made.fraud_kind) == (None, None, None)
    assert open_dataset(path, made).row_count == ROWS


@pytest.mark.parametrize(
    ("values", "count", "first"),
    [
        (
            ["2024-01-01", "never", "2024-01-02", "?", "2024-01-03", "31/12/2023", "2024-01-04", "2024-01-05"],
            3,
            "never",
        ),
        (["01.01.2024 10:00", "02.01.2024 10:00", "x", "03.01.2024 10:00"], 1, "x"),
        (["1704110400", "soon", "1704110500", "1704110600", "5"], 2, "soon"),
    ],
)
def test_a_small_dirty_file_has_a_map(tmp_path: Path, values: list[str], count: int, first: str) -> None:
    """A time of which most values are times; the others are counted, with the first of them."""
    amounts = [str(place) for place in range(len(values))]
    path = saved(tmp_path, when=values, amount=["much", *amounts[1:]])
    proposal = proposed(path)
    assert proposal.column_map is not None
    assert proposal.column_map.event_time.column == "when"
    assert proposal.column_map.amount == AmountColumn("amount")
    are = "1 value is no time, it is" if count == 1 else f"{count} values are no times, the first is"
    assert f"when: {are} {first!r}" in proposal.remarks
    dataset = open_dataset(path, proposal.column_map)
    assert sum(len(rows.block) for rows in dataset.rows()) > 0


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    "pattern", ["%d.%m.%y %H:%M", "%d.%m.%y", "%d/%m/%y %H:%M:%S", "%Y%m%d", "%Y%m%d%H%M%S", "%m/%d/%y %I:%M %p"]
)
def test_years_of_two_digits_and_dates_without_signs_are_times(
    world: World, tmp_path: Path, ending: str, pattern: str
) -> None:
    """As Excel and hosts write them, as a text or as a number: every row is read, on its day."""
    columns = own(world)
    columns["Zeitpunkt"] = world.moments.strftime(pattern)
    if pattern.startswith("%Y"):
        columns["Zeitpunkt"] = columns["Zeitpunkt"].astype("int64")
    del columns["event_time"]
    path = tmp_path / f"file.{ending}"
    table = pd.DataFrame(columns)
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    made = proposed(path).column_map
    assert made is not None
    assert made.event_time == TimeColumn("Zeitpunkt", pattern)
    days = [one.event_time // DAY for rows in open_dataset(path, made).rows() for one in rows.block]
    assert days == ((1_682_899_200 + world.seconds) * 1_000 // DAY).tolist()


@pytest.mark.parametrize("numbers", [np.arange(ROWS) + 200_000, np.arange(ROWS) * 997 % 10**8 + 20_100_101])
def test_numbers_that_a_date_could_be_made_of_are_none(world: World, tmp_path: Path, numbers: np.ndarray) -> None:
    """201011 would be January 1, 2010 to a reader that takes a month of one digit."""
    columns = own(world, Kostenstelle=np.random.default_rng(1).permutation(numbers))
    del columns["event_time"]
    assert proposed(saved(tmp_path, **columns)).column_map is None


def test_a_time_that_is_not_understood_is_named_with_what_to_write(world: World, tmp_path: Path) -> None:
    columns = own(world, event_time="1. Mai", Zeitpunkt="am 1. Mai")
    remarks = proposed(saved(tmp_path, **columns)).comments["event_time"]
    write = 'event_time = { column = "Zeitpunkt", format = "%d.%m.%Y %H:%M" } with the directives of its form'
    assert remarks[-1] == f"if Zeitpunkt is the time, write {write}"


def test_two_times_among_texts_are_no_time(tmp_path: Path) -> None:
    """Fewer than three, or less than most of them."""
    for values in (["2024-01-01", "2024-01-02", "x"], ["2024-01-01", "2024-01-02", "2024-01-03", "x", "y", "z"]):
        assert proposed(saved(tmp_path, when=values, amount=range(len(values)))).column_map is None


def test_amounts_are_no_times_of_day(tmp_path: Path) -> None:
    """16.13 could be both; only a name makes it a time."""
    dates = pd.date_range("2024-01-01", periods=40).strftime("%d.%m.%Y")
    values = [f"{place % 24}.{place + 10}" for place in range(40)]
    made = proposed(saved(tmp_path, Datum=dates, Preis=values)).column_map
    assert made is not None
    assert (made.event_time, made.amount) == (TimeColumn("Datum", "%d.%m.%Y"), AmountColumn("Preis"))


def test_every_column_that_is_left_out_has_its_true_reason(world: World, tmp_path: Path) -> None:
    """What it is, not only what it is not."""
    columns = own(
        world, dob="19" + pd.Series(world.customer % 40 + 50).astype(str) + "-03-01", version="v2", nothing="",
        voucher=[f"V{x}" for x in world.unique], remark=[f"bought the thing number {x} today" for x in world.unique],
        opening=world.moments.strftime("%H:%M:%S"), surname=[f"L{x % 70}" for x in world.customer],
        line=np.arange(ROWS), fraud_score=world.noise, seconds_since_last=world.seconds % 999,
        product_name=np.array(["pen", "cup"])[world.customer % 2],
    )  # fmt: skip
    proposal = proposed(saved(tmp_path, **columns))
    assert proposal.column_map is not None
    assert [one.name for one in proposal.column_map.attributes] == ["age", "seconds_since_last", "product_name"]
    said = dict(remark.split(": left out, for ") for remark in proposal.remarks if ": left out" in remark)
    assert said == {
        "dob": "it is a date",
        "version": "it is 'v2' in every row that has it",
        "nothing": "it is empty in every row",
        "voucher": "it is an id or a name: nearly every row has its own, 1,000 different ones",
        "remark": "it is free text, 1,000 different ones",
        "opening": "it is a time of day",
        "surname": "it names a person rather than a behaviour",
        "line": "it only counts the rows",
        "fraud_score": "its name says that it knows about fraud",
    }
    assert proposal.comments["attributes"] == [remark for remark in proposal.remarks if ": left out" in remark]


@pytest.mark.parametrize("name", ["Händler", "haendler", "Commerçant", "comercio", "HÄNDLER_ID", "esercente"])
def test_the_merchant_has_other_names_elsewhere(world: World, tmp_path: Path, name: str) -> None:
    """With marks on the letters or without."""
    columns = own(world)
    del columns["merchant_id"]
    columns[name] = [f"Laden {x}" for x in world.merchant]
    made = proposed(saved(tmp_path, **columns)).column_map
    assert made is not None
    assert made.texts["merchant_id"] == TextColumn(name)


@pytest.mark.parametrize(
    ("name", "field"),
    [("Vertriebsweg", "channel"), ("ctry", "country"), ("shop_type", "merchant_category"), ("SHOP_CTRY", "country")],
)
def test_a_field_is_known_by_the_words_of_banks(world: World, tmp_path: Path, name: str, field: str) -> None:
    columns = own(world)
    columns[name] = np.array(["A", "B", "C"])[world.customer % 3]
    made = proposed(saved(tmp_path, **columns)).column_map
    assert made is not None
    assert made.texts[field] == TextColumn(name)


@pytest.mark.parametrize("name", ["Buchungs-Nr.", "order_no", "TransactionID"])
def test_a_number_that_is_named_an_id_is_no_time(world: World, tmp_path: Path, name: str) -> None:
    """2024000001, read as seconds since 1970, is a day in 2034."""
    columns = own(world)
    del columns["transaction_id"]
    columns[name] = [2_024_000_000 + x for x in range(ROWS)]
    proposal = proposed(saved(tmp_path, **columns))
    assert proposal.column_map is not None
    assert proposal.column_map.texts["transaction_id"] == TextColumn(name)
    assert proposal.column_map.event_time == TimeColumn("event_time")


@pytest.mark.parametrize("name", ["Kontoinhaber-Nr.", "Karteninhaber", "Kontoinhabernummer", "Kunden-Nr."])
def test_the_holder_of_an_account_or_a_card_is_the_customer(world: World, tmp_path: Path, name: str) -> None:
    columns = own(world)
    del columns["customer_id"]
    columns[name] = [70_000 + x for x in world.customer]
    made = proposed(saved(tmp_path, **columns)).column_map
    assert made is not None
    assert made.texts["customer_id"] == TextColumn(name)
    assert name not in [one.column for one in made.attributes]


def test_words_are_found_in_names() -> None:
    """Whole words: the last of seconds_since_last is no last name."""
    assert {"kunden", "nummer"} <= words_of("Kundennummer")
    assert {"buchung", "datum"} <= words_of("Buchungsdatum")
    assert {"haendler", "id"} <= words_of("HändlerID")
    for name in ("last", "first", "customer_name", "Last Name", "Vorname", "street", "user_email"):
        assert names_a_person(name), name
    for name in ("seconds_since_last", "first_use", "product_name", "email_domain", "ip_address", "lasting"):
        assert not names_a_person(name), name


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("age", ["age", "age_band", "customerAge", "Alter", "birth_year", "edad"]),
        ("gender", ["gender", "SEX", "Geschlecht", "kunde_geschlecht", "sexe"]),
        ("nationality", ["nationality", "Nationalität", "Staatsangehörigkeit", "citizenship"]),
        ("religion", ["religion", "Konfession"]),
        ("marital status", ["marital_status", "Familienstand", "estado_civil"]),
        ("postcode", ["postcode", "zip", "customer_zip", "PLZ", "code_postal"]),
        (None, ["account_age_days", "merchant_zip", "merch_zipcode", "card_age", "zip_count_4w", "amount", "average",
                "usage", "device_age", "email_domain_age", "message", "page"]),
    ],
)  # fmt: skip
def test_names_say_what_is_sensitive(what: str | None, names: list[str]) -> None:
    """Of a person, not of an account, a card or a shop."""
    assert {name: sensitive_by_name(words_of(name)) for name in names} == dict.fromkeys(names, what)


def test_a_postcode_of_the_customer_is_not_the_customer(world: World, tmp_path: Path) -> None:
    columns = own(world, customer_postcode=[f"AB{x % 40}" for x in world.customer], age=1)
    del columns["customer_id"]
    made = proposed(saved(tmp_path, **columns)).column_map
    assert made is not None
    assert "customer_id" not in made.texts
    assert made.sensitive == ("customer_postcode",)
