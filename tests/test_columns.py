"""The column map: TOML in and out, and what it says to a mistake."""

import json
import re
from contextlib import suppress
from datetime import date, timedelta, timezone
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from risk.catalogue import Kind
from risk.clock import to_text
from risk.dataset.column_map import (
    ALL_NAMES,
    AmountColumn,
    Attribute,
    ColumnMap,
    Constant,
    LabelColumn,
    RowNumber,
    TextColumn,
    TimeColumn,
)
from risk.dataset.map_file import load_map, parse_map
from risk.dataset.written_map import write_map
from risk.errors import DatasetError, OptionError
from trainer.families.parameters import read_parameters

LEAST = 'transaction_id = "id"\nevent_time = "when"\ncurrency = { constant = "USD" }\n'


def map_with(line: str) -> ColumnMap:
    """The least map, in which one line replaces or adds its key."""
    key = line.split(" ")[0]
    return parse_map(
        "".join(f"{kept}\n" for kept in LEAST.splitlines() if not kept.startswith(f"{key} ")) + line, "m.toml"
    )


def test_every_form_is_read() -> None:
    """Rename, constant, row, unit and origin, attributes by name and by column."""
    made = parse_map(
        """
        transaction_id = { row = true }
        customer_id = "cc_num"
        currency = { constant = "EUR" }
        merchant_id = { column = "shop" }
        event_time = { column = "step", unit = "hours", origin = "2024-01-01" }
        amount = "amt"
        is_fraud = "Class"
        labelled_at = { column = "known", format = "%d.%m.%Y" }
        fraud_kind = "scenario"
        sensitive = ["sex"]
        learn_sensitive = ["sex"]
        [attributes]
        V1 = "number"
        sex = { column = "gender", kind = "category" }
        """
    )
    assert made == ColumnMap(
        texts={
            "transaction_id": RowNumber(),
            "customer_id": TextColumn("cc_num"),
            "currency": Constant("EUR"),
            "merchant_id": TextColumn("shop"),
        },
        event_time=TimeColumn("step", unit="hours", origin=1_704_067_200_000),
        amount=AmountColumn("amt"),
        is_fraud=LabelColumn("Class"),
        labelled_at=TimeColumn("known", format="%d.%m.%Y"),
        fraud_kind="scenario",
        attributes=(Attribute("V1", "V1", Kind.NUMBER), Attribute("sex", "gender", Kind.CATEGORY)),
        sensitive=("sex",),
        learn_sensitive=("sex",),
    )
    assert parse_map(write_map(made)) == made


@pytest.mark.parametrize(
    "name", ['with "quotes"', "back\\slash", "tab\tand\x7f", "ünïcode 🙂", "a.b", "  ", "[x]", "#"]
)
def test_strange_column_names_survive_toml(name: str) -> None:
    """Whatever a column is called, the map that is written can be read."""
    made = ColumnMap(
        texts={"transaction_id": TextColumn(name), "currency": Constant("EUR"), "channel": Constant(name)},
        event_time=TimeColumn(name, format="%Y-%m-%d", beside=(name, "x")),
        amount=AmountColumn(name, ","),
        attributes=(Attribute(name, name, Kind.NUMBER, ","), Attribute("x", name, Kind.CATEGORY)),
    )
    assert parse_map(write_map(made)) == made


def test_the_forms_of_other_countries_are_read_and_written() -> None:
    """A decimal comma, labels in words of the file's own, a date and a time of day in two columns."""
    made = map_with(
        """
        amount = { column = "Betrag", decimal = "," }
        is_fraud = { column = "Betrug", fraud = ["ja", 1], genuine = ["nein", -1, false] }
        labelled_at = { columns = ["Tag", "Zeit"], format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin" }
        attributes = { Saldo = { kind = "number", decimal = "," } }
        """
    )
    assert made.amount == AmountColumn("Betrag", ",")
    assert made.is_fraud == LabelColumn("Betrug", ("ja", "1"), ("nein", "-1", "false"))
    assert made.labelled_at == TimeColumn("Tag", format="%d.%m.%Y %H:%M", beside=("Zeit",), zone="Europe/Berlin")
    assert made.attributes == (Attribute("Saldo", "Saldo", Kind.NUMBER, ","),)
    assert parse_map(write_map(made), "m.toml") == made
    assert [column for key, column in made.columns_by_key() if key == "labelled_at"] == ["Tag", "Zeit"]


def test_comments_stand_at_their_keys_and_are_read_over() -> None:
    """Also those of a key that the map does not have; whatever a remark says, it stays one comment."""
    made = map_with('attributes = { V1 = "number" }')
    text = write_map(made, {"currency": ["assumed\namount = 3"], "is_fraud": ["none found"], "attributes": ["x: out"]})
    lines = text.splitlines()
    assert lines[lines.index('currency = { constant = "USD" }') - 1] == "# assumed?amount = 3"
    assert lines[lines.index("[attributes]") - 1] == "# x: out"
    assert "# none found" in lines
    assert parse_map(text, "m.toml") == made


@pytest.mark.parametrize(
    "origin",
    ['"2024-01-01"', "2024-01-01", '"2024-01-01T00:00:00Z"', "2024-01-01T00:00:00", '"2024-01-01T02:00:00+02:00"'],
)
def test_an_origin_is_a_date_or_a_time(origin: str) -> None:
    """As text or in TOML's own notation; without a zone it is UTC."""
    made = map_with(f'event_time = {{ column = "step", unit = "days", origin = {origin} }}')
    assert to_text(made.event_time.origin) == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('amout = "x"', ["amout = 'x'", "expected one of", "Did you mean amount?"]),
        ('event_time = { column = "t", unit = "second" }', ["event_time.unit = 'second'", "Did you mean seconds"]),
        ('event_time = { column = "t", format = "%H:%M" }', ["event_time.format = '%H:%M'", "full date"]),
        ('event_time = { column = "t", format = "%Q" }', ["event_time.format = '%Q'", "full date"]),
        ('event_time = { column = "t", format = 3 }', ["event_time.format = 3", "directives"]),
        ('event_time = { column = "t", format = "%Y-%m-%d", unit = "days" }', ["not both"]),
        ('event_time = { column = "t", origin = "2024-01-01" }', ["event_time.origin", "a unit beside it"]),
        ('event_time = { column = "t", unit = "days", origin = "soon" }', ["event_time.origin = 'soon'", "2024-01-01"]),
        ('event_time = { colum = "t" }', ["event_time.colum", "Did you mean column"]),
        (
            "event_time = { constant = 5 }",
            ["event_time.constant = 5", "expected one of column, columns, format, unit, origin, zone"],
        ),
        (
            'event_time = { column = "t", zone = "Europe/Berln" }',
            ["event_time.zone = 'Europe/Berln'", "mean Europe/Berlin"],
        ),
        ('event_time = { column = "t", zone = 2 }', ["event_time.zone = 2", "a time zone such as Europe/Berlin"]),
        (
            'event_time = { column = "t", zone = "UTC", unit = "days" }',
            ["event_time.zone", "no zone, for numbers count"],
        ),
        ('event_time = { column = "t", format = "%Y-%m-%d %z", zone = "UTC" }', ["event_time.zone", "bring their own"]),
        ("transaction_id = { row = false }", ["transaction_id.row = False", "expected true"]),
        ("customer_id = { row = true }", ["customer_id", "only transaction_id"]),
        ('customer_id = { constant = "me" }', ["customer_id", "every row needs its own"]),
        ('currency = { constant = "" }', ["currency.constant = ''", "not empty"]),
        ('currency = { constant = "USD", column = "c" }', ["currency", "exactly one of"]),
        ("amount = 3", ["amount = 3", "name of a column"]),
        ('amount = { column = "a", decimal = ";" }', ["amount.decimal = ';'", """"," or "."."""]),
        ('is_fraud = { column = "f", fraud = ["ja"] }', ["is_fraud.genuine = None", "a list of the values"]),
        ('is_fraud = { column = "f", fraud = [], genuine = ["n"] }', ["is_fraud.fraud = []", "a list of the values"]),
        ('is_fraud = { column = "f", fraud = ["a"], genuine = ["a"] }', ["is_fraud.genuine = 'a'", "not in fraud too"]),
        ('is_fraud = { column = "f", fraud = [""], genuine = ["a"] }', ["is_fraud.fraud = ''", "means not known"]),
        ('event_time = { columns = ["d", "t"] }', ["event_time", "a format of the columns joined by one space"]),
        ('event_time = { columns = "d", format = "%Y-%m-%d" }', ["event_time.columns = 'd'", "a list of columns"]),
        (
            'event_time = { column = "d", columns = ["t"], format = "%Y-%m-%d" }',
            ["column (one) or columns (several), not both"],
        ),
        ('currency = { constant = "EURO" }', ["currency.constant = 'EURO'", "ISO 4217", "Did you mean EUR?"]),
        ('currency = { constant = "usd" }', ["currency.constant = 'usd'", "ISO 4217", "Did you mean USD"]),
        ('labelled_at = "known"', ["labelled_at = 'known'", "is_fraud too"]),
        ('attributes = "V1"', ["attributes = 'V1'", "a table"]),
        ('attributes = { V1 = "numbr" }', ["attributes.V1 = 'numbr'", "Did you mean number?"]),
        (
            'attributes = { V1 = { column = "V1", sort = "number" } }',
            ["attributes.V1.sort", "expected one of column, kind"],
        ),
        ('sensitive = "age"', ["sensitive = 'age'", "a list of names"]),
        ('sensitive = ["age"]', ["sensitive = 'age'", "and there is none. Add it below [attributes]"]),
        ('sensitive = [["a"]]\nattributes = { a = "number" }', ["sensitive = ['a']: expected one of a. Add it"]),
        (
            'sensitive = ["age_bnd"]\nchannel = "c"\nattributes = { age_band = "category" }',
            ["sensitive = 'age_bnd'", "expected one of age_band, channel", "Did you mean age_band?"],
        ),
        (
            'sensitive = ["a"]\nlearn_sensitive = ["b"]\nattributes = { a = "number", b = "number" }',
            ["learn_sensitive = 'b'", "expected one of a", "Add it to sensitive"],
        ),
        (
            'sensitive = ["a"]\nattributes = { a = "number", b = { column = "a", kind = "number" } }',
            ["attributes.b = 'a'", "expected a column that is not sensitive, as attributes.a is. A model would"],
        ),
        (
            'sensitive = ["zip"]\ncustomer_id = "zip"\nattributes = { zip = "category" }',
            ["customer_id = 'zip'", "expected a column that is not sensitive, as attributes.zip is"],
        ),
        ('attributes = { sensitive = ["a"] }', ["attributes.sensitive = ['a']", "above the line [attributes]"]),
    ],
)
def test_a_mistake_is_named(line: str, words: list[str]) -> None:
    """The file, the key, the value and what was expected."""
    with pytest.raises(DatasetError) as raised:
        map_with(line)
    for word in ["m.toml", *words]:
        assert word in str(raised.value)


@pytest.mark.parametrize("key", ["transaction_id", "event_time", "currency"])
def test_a_required_key_that_is_missing_is_named(key: str) -> None:
    """With an example of what to write."""
    text = "\n".join(line for line in LEAST.splitlines() if not line.startswith(key))
    with pytest.raises(DatasetError, match=rf"m\.toml: {key} is missing: expected \"column name\""):
        parse_map(text, "m.toml")


@pytest.mark.parametrize(
    "lines",
    [
        'is_fraud = "f"\nattributes = { f = "number" }',
        'is_fraud = "f"\nattributes = { harmless = { column = "f", kind = "number" } }',
        'is_fraud = "f"\nlabelled_at = "k"\nattributes = { k = "category" }',
        'is_fraud = "f"\nfraud_kind = "k"\nattributes = { k = "category" }',
        'attributes = { is_fraud = "number" }',
        'attributes = { x = { column = "fraud_kind", kind = "category" } }',
        'attributes = { labelled_at = { column = "x", kind = "category" } }',
        'is_fraud = "f"\nchannel = "f"',
        'merchant_category = "fraud_kind"',
    ],
)
def test_the_label_is_never_a_part_of_the_transaction(lines: str) -> None:
    """Neither under its own name nor under another, neither as an attribute nor as a field."""
    with pytest.raises(DatasetError, match="can never be an attribute or a field"):
        parse_map(LEAST + lines)


def test_a_column_that_the_file_does_not_have_is_named_with_near_ones() -> None:
    """So that a slip is mended at a glance."""
    made = map_with('amount = "TX_AMOUT"')
    with pytest.raises(DatasetError, match=r"m\.toml: amount = 'TX_AMOUT'.*a column of x\.csv.*mean TX_AMOUNT\?"):
        made.check_columns(["id", "when", "TX_AMOUNT"], "x.csv")


def test_a_map_that_is_no_toml_or_no_file_is_named(tmp_path: Path) -> None:
    """The path and what is wrong with it."""
    with pytest.raises(DatasetError, match=r"m\.toml: is not TOML"):
        parse_map("amount: x", "m.toml")
    with pytest.raises(DatasetError, match=r"none\.toml: cannot be read"):
        load_map(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(DatasetError, match=r"binary\.toml: byte 0 is not UTF-8"):
        load_map(binary)


def test_a_map_from_a_file_knows_its_path(tmp_path: Path) -> None:
    """Messages later on can name it."""
    file = tmp_path / "map.toml"
    file.write_text(LEAST)
    assert load_map(file).path == str(file)


def test_every_example_of_the_docs_is_a_map() -> None:
    """docs/datasets.md shows nothing that would be refused."""
    page = (Path(__file__).parent.parent / "docs" / "datasets.md").read_text(encoding="utf-8")
    section = page.split("## The map\n")[1].split("\n## ")[0]
    examples = [dedent(lines) for lines in re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)]
    with_attributes = [each for each in examples if "[attributes]" in each]
    singles = [line for each in examples if each not in with_attributes for line in each.strip().splitlines()]
    assert len(with_attributes) == 2
    assert len(singles) >= 13
    needed = {
        "labelled_at": 'is_fraud = "f"\n',
        "fraud_kind": 'is_fraud = "f"\n',
        "learn_sensitive": next(each for each in with_attributes if "sensitive" in each),
    }
    for line in singles:
        map_with(f"{line}\n{needed.get(line.split()[0], '')}")
    for each in with_attributes:
        table = each.split("[attributes]\n")[1].strip().splitlines()
        assert len(map_with(f"\n{each}").attributes) == len(table)


# Whatever a map says

KEYS = (*ALL_NAMES, "attributes", "amounts")
PARTS = (
    "column",
    "columns",
    "constant",
    "row",
    "unit",
    "format",
    "origin",
    "zone",
    "kind",
    "decimal",
    "fraud",
    "genuine",
)
WORDS = (
    "x",
    "",
    ",",
    "EUR",
    "UTC",
    "hours",
    "%Y-%m-%d %H:%M",
    "%d.%m.%y",
    "2024-01-01",
    "number",
    "ja",
    "Not a number",
)
PLAIN = st.sampled_from(WORDS) | st.text(max_size=8) | st.integers() | st.booleans() | st.floats() | st.dates()
SAID = PLAIN | st.datetimes() | st.datetimes(timezones=st.just(timezone(timedelta(hours=-14))))
VALUES = st.recursive(
    SAID, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PARTS), inner, max_size=3)
)


def toml(value: object) -> str:
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case bool():
            return str(value).lower()
        case date():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return f"{{ {', '.join(f'{toml(key)} = {toml(one)}' for key, one in value.items())} }}"
    return repr(value)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
@example({"event_time": {"column": "x", "unit": ["hours"]}})
@example({"event_time": {"column": "x", "unit": {"hours": 1}}})
def test_whatever_a_map_says_it_is_a_map_or_refused_in_words(said: dict[str, object]) -> None:
    """And what is read can be written and read again."""
    least: dict[str, object] = {"transaction_id": "id", "event_time": "when", "currency": {"constant": "USD"}}
    text = "".join(f"{key} = {toml(value)}\n" for key, value in (least | said).items())
    try:
        made = parse_map(text)
    except DatasetError:
        return
    assert parse_map(write_map(made)) == made


@given(st.integers(0), st.text(max_size=3), st.integers(0, 5))
def test_a_map_that_was_changed_anywhere_is_a_map_or_refused_in_words(place: int, put: str, instead_of: int) -> None:
    text = LEAST + 'amount = { column = "a", decimal = "," }\n[attributes]\nage = "number"\n'
    place %= len(text)
    with suppress(DatasetError):
        parse_map(text[:place] + put + text[place + instead_of :])


@pytest.mark.parametrize("value", ["1" * 5_000, "[" * 20_000])
def test_what_the_reader_of_toml_cannot_take_is_refused_in_words(value: str, tmp_path: Path) -> None:
    """Numbers of thousands of digits, and brackets thousands deep."""
    with pytest.raises(DatasetError, match=r"the column map: is not TOML \("):
        parse_map(f"{LEAST}amount = {value}")
    (tmp_path / "params.toml").write_text(f"[lightgbm]\nn_estimators = {value}")
    with pytest.raises(OptionError, match=r"params\.toml: is not TOML \("):
        read_parameters(tmp_path / "params.toml")
