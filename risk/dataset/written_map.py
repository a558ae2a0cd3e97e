"""The column map as TOML that map_file.py reads back as the same map, with comments for people."""

import json
import re
from collections.abc import Mapping, Sequence

from risk.clock import to_text
from risk.dataset.column_map import (
    ALL_NAMES,
    NAME_LISTS,
    TEXT_FIELDS,
    AmountColumn,
    Attribute,
    ColumnMap,
    Constant,
    LabelColumn,
    RowNumber,
    TextColumn,
    TimeColumn,
)

Comments = Mapping[str, Sequence[str]]


def write_map(column_map: ColumnMap, comments: Comments | None = None) -> str:
    """Comments are by the key that they are about; a key that the map does not have may have some too."""
    fields = {
        key: column_map.texts.get(key) if key in TEXT_FIELDS else getattr(column_map, key)
        for key in (*ALL_NAMES, *NAME_LISTS)
    }
    return write_fields(fields, column_map.attributes, comments or {})


def write_fields(fields: Mapping[str, object], attributes: Sequence[Attribute], comments: Comments) -> str:
    """The same for a map that still lacks a field."""
    lines = []
    for key in (*ALL_NAMES, *NAME_LISTS):
        lines += [_comment(text) for text in comments.get(key, ())]
        if fields.get(key) not in (None, ()):
            lines.append(f"{key} = {written(fields[key])}")
    notes = [_comment(text) for text in comments.get("attributes", ())]
    if notes or attributes:
        lines += ["", *notes]
    if attributes:
        lines.append("[attributes]")
        lines += [f"{_key(one.name)} = {_written_attribute(one)}" for one in attributes]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    return "# " + "".join(character if character.isprintable() else "?" for character in text)


def _written_attribute(one: Attribute) -> str:
    kind = _quoted(one.kind.value)
    if one.column == one.name and one.decimal == ".":
        return kind
    column = {} if one.column == one.name else {"column": _quoted(one.column)}
    return _table({**column, "kind": kind, **_decimal(one.decimal)})


def written(value: object) -> str:
    """What stands behind a key."""
    match value:
        case str():
            return _quoted(value)
        case tuple():
            return _list(value)
        case Constant(value=constant):
            return _table({"constant": _quoted(constant)})
        case RowNumber():
            return "{ row = true }"
        case AmountColumn(column=column, decimal=decimal) if decimal != ".":
            return _table({"column": _quoted(column), **_decimal(decimal)})
        case LabelColumn(column=column, fraud=fraud, genuine=genuine) if fraud or genuine:
            return _table({"column": _quoted(column), "fraud": _list(fraud), "genuine": _list(genuine)})
        case TimeColumn() if value != TimeColumn(value.column):
            return _written_time(value)
        case TextColumn(column=column) | AmountColumn(column=column) | LabelColumn(column=column):
            return _quoted(column)
        case TimeColumn(column=column):
            return _quoted(column)
    raise TypeError(f"not a part of a column map: {value!r}")


def _written_time(time: TimeColumn) -> str:
    parts = {"columns": _list(time.columns)} if time.beside else {"column": _quoted(time.column)}
    if time.format is not None:
        parts["format"] = _quoted(time.format)
    if time.unit is not None:
        parts["unit"] = _quoted(time.unit)
    if time.origin:
        parts["origin"] = _quoted(to_text(time.origin))
    if time.zone is not None:
        parts["zone"] = _quoted(time.zone)
    return _table(parts)


def _decimal(mark: str) -> dict[str, str]:
    return {} if mark == "." else {"decimal": _quoted(mark)}


def _table(parts: Mapping[str, str]) -> str:
    return f"{{ {', '.join(f'{key} = {value}' for key, value in parts.items())} }}"


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    """JSON's escapes are TOML's too, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
