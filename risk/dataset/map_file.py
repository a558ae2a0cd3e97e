"""The column map as TOML: in and out. docs/datasets.md explains its forms."""

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from risk.catalogue import Kind
from risk.clock import to_ms, to_text
from risk.dataset.column_map import (
    ALL_NAMES,
    REQUIRED,
    TEXT_FIELDS,
    UNITS,
    Attribute,
    ColumnMap,
    Constant,
    RowNumber,
    TextColumn,
    TextSource,
    TimeColumn,
    check_labels_apart,
    mistake,
    near_matches,
)
from risk.errors import DatasetError

KINDS = tuple(kind.value for kind in Kind)
NO_CONSTANT = ("transaction_id", "customer_id")  # all rows would be one transaction, or one customer


def load_map(path: Path) -> ColumnMap:
    """Read a map from a TOML file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}): expected a column map in TOML.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: byte {error.start} is not UTF-8: expected a column map in TOML.") from error
    return parse_map(text, str(path))


def parse_map(text: str, path: str = "the column map") -> ColumnMap:
    """A map, or a DatasetError that names file, key, value and what was expected."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DatasetError(f'{path}: is not TOML ({error}): expected lines such as amount = "Amount".') from error
    for key, value in table.items():
        if key != "attributes" and key not in ALL_NAMES:
            raise mistake(path, key, value, f"one of {', '.join(ALL_NAMES)}, attributes", near_matches(key, ALL_NAMES))
    for key in REQUIRED:
        if key not in table:
            raise DatasetError(f"{path}: {key} is missing: expected {_example(key)}. Add it.")
    made = ColumnMap(
        texts={key: _text_source(path, key, table[key]) for key in TEXT_FIELDS if key in table},
        event_time=_time_column(path, "event_time", table["event_time"]),
        amount=_column(path, "amount", table.get("amount")),
        is_fraud=_column(path, "is_fraud", table.get("is_fraud")),
        labelled_at=_time_column(path, "labelled_at", table["labelled_at"]) if "labelled_at" in table else None,
        fraud_kind=_column(path, "fraud_kind", table.get("fraud_kind")),
        attributes=_attributes(path, table.get("attributes", {})),
        path=path,
    )
    return check_labels_apart(made)


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
        return Constant(_named(path, f"{key}.constant", value["constant"], "a text that is not empty"))
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
    _keys(path, key, value, ("column", "format", "unit", "origin"))
    column = _named(path, f"{key}.column", value.get("column"), "the name of a column")
    pattern, unit = value.get("format"), value.get("unit")
    if pattern is not None and unit is not None:
        raise mistake(path, key, value, "format (for text) or unit (for numbers), not both")
    if pattern is not None:
        _check_format(path, f"{key}.format", pattern)
    if unit is not None and unit not in UNITS:
        near = near_matches(unit, UNITS) if isinstance(unit, str) else ""
        raise mistake(path, f"{key}.unit", unit, f"one of {', '.join(UNITS)}", near)
    if "origin" in value and unit is None:
        raise mistake(path, f"{key}.origin", value["origin"], 'a unit beside it, such as unit = "hours"')
    origin = _origin(path, f"{key}.origin", value["origin"]) if "origin" in value else 0
    return TimeColumn(column, pattern, unit, origin)


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


def _attributes(path: str, table: object) -> tuple[Attribute, ...]:
    if not isinstance(table, dict):
        raise mistake(path, "attributes", table, 'a table of lines such as age = "number"')
    return tuple(_attribute(path, name, value) for name, value in table.items())


def _attribute(path: str, name: str, value: object) -> Attribute:
    key = f"attributes.{name}"
    column, kind = name, value
    if not name:
        raise mistake(path, key, value, "an attribute with a name")
    if isinstance(value, dict):
        _keys(path, key, value, ("column", "kind"))
        column = _named(path, f"{key}.column", value.get("column", name), "the name of a column")
        kind = value.get("kind")
    if kind not in KINDS:
        near = near_matches(kind, KINDS) if isinstance(kind, str) else ""
        raise mistake(path, key, value, '"number", "category" or {column = "name", kind = "number"}', near)
    return Attribute(name, column, Kind(kind))


def write_map(column_map: ColumnMap) -> str:
    """TOML that `parse_map` reads back as the same map."""
    lines = []
    for key in ALL_NAMES:
        value = column_map.texts.get(key) if key in TEXT_FIELDS else getattr(column_map, key)
        if value is not None:
            lines.append(f"{key} = {_written(value)}")
    if column_map.attributes:
        lines += ["", "[attributes]"]
        for one in column_map.attributes:
            kind = _quoted(one.kind.value)
            renamed = f"{{ column = {_quoted(one.column)}, kind = {kind} }}"
            lines.append(f"{_key(one.name)} = {kind if one.column == one.name else renamed}")
    return "\n".join(lines) + "\n"


def _written(value: object) -> str:
    match value:
        case str() | TextColumn():
            return _quoted(value if isinstance(value, str) else value.column)
        case Constant():
            return f"{{ constant = {_quoted(value.value)} }}"
        case RowNumber():
            return "{ row = true }"
        case TimeColumn(column=column, format=None, unit=None):
            return _quoted(column)
        case TimeColumn():
            parts = [f"column = {_quoted(value.column)}"]
            if value.format is not None:
                parts.append(f"format = {_quoted(value.format)}")
            if value.unit is not None:
                parts.append(f"unit = {_quoted(value.unit)}")
            if value.origin:
                parts.append(f"origin = {_quoted(to_text(value.origin))}")
            return f"{{ {', '.join(parts)} }}"
    raise TypeError(f"not a part of a column map: {value!r}")


def _quoted(text: str) -> str:
    """JSON's escapes are TOML's too, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
