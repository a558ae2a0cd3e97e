"""The column map out of TOML. docs/datasets.md explains its forms."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from risk.catalogue import Kind
from risk.clock import to_ms
from risk.dataset.column_map import (
    ALL_NAMES,
    CATEGORY_FIELDS,
    DECIMAL_MARKS,
    NAME_LISTS,
    REQUIRED,
    TEXT_FIELDS,
    UNITS,
    AmountColumn,
    Attribute,
    ColumnMap,
    Constant,
    LabelColumn,
    RowNumber,
    TextColumn,
    TextSource,
    TimeColumn,
    check_apart,
    mistake,
    near_matches,
)
from risk.dataset.zones import zone_names
from risk.errors import DatasetError
from risk.money import EXPONENTS
from risk.small_file import read_small, read_toml

KINDS = tuple(kind.value for kind in Kind)
NO_CONSTANT = ("transaction_id", "customer_id")  # all rows would be one transaction, or one customer


def load_map(path: Path) -> ColumnMap:
    """Read a map from a TOML file."""
    try:
        text = read_small(path).decode()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}): expected a column map in TOML.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: byte {error.start} is not UTF-8: expected a column map in TOML.") from error
    return parse_map(text, str(path))


def parse_map(text: str, path: str = "the column map") -> ColumnMap:
    """A map, or a DatasetError that names file, key, value and what was expected."""
    try:
        table = read_toml(text)
    except ValueError as error:
        raise DatasetError(f'{path}: is not TOML ({error}): expected lines such as amount = "Amount".') from error
    known = (*ALL_NAMES, *NAME_LISTS, "attributes")
    for key, value in table.items():
        if key not in known:
            raise mistake(path, key, value, f"one of {', '.join(known)}", near_matches(key, known))
    for key in REQUIRED:
        if key not in table:
            raise DatasetError(f"{path}: {key} is missing: expected {_example(key)}. Add it.")
    texts = {key: _text_source(path, key, table[key]) for key in TEXT_FIELDS if key in table}
    attributes = _attributes(path, table.get("attributes", {}))
    may_be_sensitive = [*(one.name for one in attributes), *(name for name in CATEGORY_FIELDS if name in texts)]
    sensitive = _names(path, "sensitive", table.get("sensitive", []), may_be_sensitive, _ADD_ATTRIBUTE)
    made = ColumnMap(
        texts=texts,
        event_time=_time_column(path, "event_time", table["event_time"]),
        amount=_amount(path, "amount", table["amount"]) if "amount" in table else None,
        is_fraud=_label(path, "is_fraud", table["is_fraud"]) if "is_fraud" in table else None,
        labelled_at=_time_column(path, "labelled_at", table["labelled_at"]) if "labelled_at" in table else None,
        fraud_kind=_column(path, "fraud_kind", table.get("fraud_kind")),
        attributes=attributes,
        sensitive=sensitive,
        learn_sensitive=_names(path, "learn_sensitive", table.get("learn_sensitive", []), sensitive, _ADD_SENSITIVE),
        path=path,
    )
    return check_apart(made)


def _example(key: str) -> str:
    return {
        "transaction_id": '"column name" or {row = true}',
        "event_time": '"column name", or {column = "name", unit = "seconds"}',
        "currency": '"column name" or {constant = "USD"}',
    }[key]


def _keys(path: str, key: str, value: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for name, inner in value.items():
        if name not in allowed:
            raise mistake(path, f"{key}.{name}", inner, f"one of {', '.join(allowed)}", near_matches(name, allowed))


def _named(path: str, key: str, value: object, expected: str) -> str:
    if not isinstance(value, str) or not value:
        raise mistake(path, key, value, expected)
    return value


def _column(path: str, key: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict):
        _keys(path, key, value, ("column",))
        return _named(path, f"{key}.column", value.get("column"), "the name of a column")
    return _named(path, key, value, "the name of a column")


def _amount(path: str, key: str, value: object) -> AmountColumn:
    if not isinstance(value, dict):
        return AmountColumn(_named(path, key, value, "the name of a column, or {column, decimal}"))
    _keys(path, key, value, ("column", "decimal"))
    column = _named(path, f"{key}.column", value.get("column"), "the name of a column")
    return AmountColumn(column, _decimal(path, key, value))


def _decimal(path: str, key: str, value: Mapping[str, Any]) -> str:
    mark = value.get("decimal", ".")
    if mark not in DECIMAL_MARKS:
        raise mistake(path, f"{key}.decimal", mark, '"," or "."')
    return str(mark)


def _label(path: str, key: str, value: object) -> LabelColumn:
    if not isinstance(value, dict):
        return LabelColumn(_named(path, key, value, "the name of a column, or {column, fraud, genuine}"))
    _keys(path, key, value, ("column", "fraud", "genuine"))
    column = _named(path, f"{key}.column", value.get("column"), "the name of a column")
    if "fraud" not in value and "genuine" not in value:
        return LabelColumn(column)
    fraud, genuine = (_label_words(path, f"{key}.{side}", value.get(side)) for side in ("fraud", "genuine"))
    both = [word for word in fraud if word in genuine]
    if both:
        raise mistake(path, f"{key}.genuine", both[0], "a value that is not in fraud too")
    return LabelColumn(column, fraud, genuine)


def _label_words(path: str, key: str, value: object) -> tuple[str, ...]:
    """As the file has them: 1 and true may stand without quotes."""
    if not isinstance(value, list) or not value:
        raise mistake(path, key, value, 'a list of the values that mean it, such as ["yes"]')
    words = []
    for one in value:
        word = str(one).lower() if isinstance(one, bool) else str(one).strip() if isinstance(one, str | int) else ""
        if not word:
            raise mistake(path, key, one, "a text or a whole number; an empty value always means not known")
        words.append(word)
    return tuple(words)


def _text_source(path: str, key: str, value: object) -> TextSource:
    if not isinstance(value, dict):
        return TextColumn(_named(path, key, value, "the name of a column, {constant = ...} or {row = true}"))
    _keys(path, key, value, ("column", "constant", "row"))
    if len(value) != 1:
        raise mistake(path, key, value, "exactly one of column, constant, row")
    if "constant" in value:
        if key in NO_CONSTANT:
            raise mistake(
                path, key, value, "a column, for every row needs its own", " Without customers, leave it away."
            )
        constant = _named(path, f"{key}.constant", value["constant"], "a text that is not empty")
        if key == "currency" and constant not in EXPONENTS:
            near = near_matches(constant, EXPONENTS)
            raise mistake(path, f"{key}.constant", constant, "an ISO 4217 code such as EUR or USD", near)
        return Constant(constant)
    if "row" in value:
        if key != "transaction_id":
            raise mistake(path, key, value, "a column; only transaction_id can be the row's number")
        if value["row"] is not True:
            raise mistake(path, f"{key}.row", value["row"], "true")
        return RowNumber()
    return TextColumn(_named(path, f"{key}.column", value["column"], "the name of a column"))


def _time_column(path: str, key: str, value: object) -> TimeColumn:
    if not isinstance(value, dict):
        return TimeColumn(_named(path, key, value, "the name of a column, or {column, format} or {column, unit}"))
    _keys(path, key, value, ("column", "columns", "format", "unit", "origin", "zone"))
    column, *beside = _time_columns(path, key, value)
    pattern, unit = value.get("format"), value.get("unit")
    if pattern is not None and unit is not None:
        raise mistake(path, key, value, "format (for text) or unit (for numbers), not both")
    if pattern is not None:
        _check_format(path, f"{key}.format", pattern)
    elif beside:
        advice = ' Add it, such as format = "%Y-%m-%d %H:%M:%S".'
        raise mistake(path, key, value, "a format of the columns joined by one space", advice)
    if unit is not None and unit not in tuple(UNITS):  # a list can be no key
        near = near_matches(unit, UNITS) if isinstance(unit, str) else ""
        raise mistake(path, f"{key}.unit", unit, f"one of {', '.join(UNITS)}", near)
    if "origin" in value and unit is None:
        raise mistake(path, f"{key}.origin", value["origin"], 'a unit beside it, such as unit = "hours"')
    origin = _origin(path, f"{key}.origin", value["origin"]) if "origin" in value else 0
    zone = _zone(path, f"{key}.zone", value["zone"], pattern, unit) if "zone" in value else None
    return TimeColumn(column, pattern, unit, origin, tuple(beside), zone)


def _time_columns(path: str, key: str, value: Mapping[str, Any]) -> list[str]:
    if "columns" not in value:
        return [_named(path, f"{key}.column", value.get("column"), "the name of a column")]
    names = value["columns"]
    if "column" in value:
        raise mistake(path, key, value, "column (one) or columns (several), not both")
    if not isinstance(names, list) or not names:
        raise mistake(path, f"{key}.columns", names, 'a list of columns, such as ["date", "time"]')
    return [_named(path, f"{key}.columns", name, "the name of a column") for name in names]


def _check_format(path: str, key: str, pattern: object) -> None:
    """The format is tried on one moment: it must come back with its whole date."""
    expected = 'directives that give a full date, such as "%Y-%m-%d %H:%M:%S"'
    moment = datetime(2023, 11, 27, 13, 45, 59)
    if not isinstance(pattern, str):
        raise mistake(path, key, pattern, expected)
    try:
        back = datetime.strptime(moment.strftime(pattern.replace("%z", "+0000")), pattern)
    except (ValueError, re.error) as error:
        raise mistake(path, key, pattern, expected, f" ({error})") from error
    if back.date() != moment.date():
        raise mistake(path, key, pattern, expected)


def _zone(path: str, key: str, value: object, pattern: str | None, unit: str | None) -> str:
    if unit is not None:
        raise mistake(path, key, value, "no zone, for numbers count from a moment that is the same everywhere")
    if pattern is not None and re.search(r"%[zZ]", pattern.replace("%%", "")):
        raise mistake(path, key, value, f"no zone, for times in the format {pattern} bring their own")
    names = zone_names()
    if not isinstance(value, str) or value not in names:
        near = near_matches(value, names) if isinstance(value, str) else ""
        raise mistake(path, key, value, "a time zone such as Europe/Berlin", near)
    return value


def _origin(path: str, key: str, value: object) -> int:
    expected = 'a date or time, such as "2024-01-01" or "2024-01-01T06:00:00Z"'
    moment: object = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise mistake(path, key, value, expected) from error
    if not isinstance(moment, date):
        raise mistake(path, key, value, expected)
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return to_ms(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)


_ADD_ATTRIBUTE = ' Add it below [attributes], such as age_band = "category".'
_ADD_SENSITIVE = " Add it to sensitive."


def _names(path: str, key: str, value: object, known: Sequence[str], advice: str) -> tuple[str, ...]:
    """Of attributes and fields that the map has."""
    if not isinstance(value, list):
        raise mistake(path, key, value, 'a list of names, such as ["age_band"]')
    for name in value:
        if name not in known:
            near = near_matches(name, known) if isinstance(name, str) else ""
            listed = ", ".join(known)
            expected = f"one of {listed}" if listed else "the name of an attribute, and there is none"
            raise mistake(path, key, name, expected, near or advice)
    return tuple(dict.fromkeys(value))


def _attributes(path: str, table: object) -> tuple[Attribute, ...]:
    if not isinstance(table, dict):
        raise mistake(path, "attributes", table, 'a table of lines such as age = "number"')
    return tuple(_attribute(path, name, value) for name, value in table.items())


def _attribute(path: str, name: str, value: object) -> Attribute:
    key = f"attributes.{name}"
    column, kind, decimal = name, value, "."
    if not name:
        raise mistake(path, key, value, "an attribute with a name")
    if name in NAME_LISTS and isinstance(value, list):
        raise mistake(path, key, value, "it above the line [attributes]", " What follows that line is an attribute.")
    if isinstance(value, dict):
        _keys(path, key, value, ("column", "kind", "decimal"))
        column = _named(path, f"{key}.column", value.get("column", name), "the name of a column")
        kind, decimal = value.get("kind"), _decimal(path, key, value)
    if kind not in KINDS:
        near = near_matches(kind, KINDS) if isinstance(kind, str) else ""
        raise mistake(path, key, value, '"number", "category" or {column = "name", kind = "number"}', near)
    return Attribute(name, column, Kind(kind), decimal)
