"""Would those who rely on an old schema be hurt by a new one? By rule, keyword by keyword.

Strict on purpose: what is not known to be harmless is a break. Harmless are words (descriptions, examples), new
fields, and a field that is now always there, unless producers would have to send it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]

_WORDS = {"$schema", "$id", "$defs", "title", "description", "examples", "default"}
_PLACES = {"properties", "required", "items", "additionalProperties", "oneOf", "$ref"}


class Break(NamedTuple):
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


def breaks(old: Schema, new: Schema, *, written_by_others: bool) -> list[Break]:
    """What in `new` breaks the promise of `old`. `written_by_others`: producers of their own send these messages."""
    return list(_Comparison(old, new, written_by_others).of("message", old, new))


class _Comparison:
    def __init__(self, old: Schema, new: Schema, written_by_others: bool) -> None:
        self._old_parts: Schema = old.get("$defs", {})
        self._new_parts: Schema = new.get("$defs", {})
        self._written_by_others = written_by_others

    def of(self, place: str, old: Schema, new: Schema) -> Iterator[Break]:
        old, new = _resolved(old, self._old_parts), _resolved(new, self._new_parts)
        yield from _keywords(place, old, new)
        yield from self._required(place, old, new)
        for name, field in old.get("properties", {}).items():
            if name in new.get("properties", {}):
                yield from self.of(f"{place}.{name}", field, new["properties"][name])
            else:
                yield Break(f"{place}.{name}", "removed")
        for keyword, shown in (("items", "[]"), ("additionalProperties", ".*")):
            if keyword in old or keyword in new:
                yield from self.of(place + shown, _spelled_out(old.get(keyword)), _spelled_out(new.get(keyword)))
        yield from self._kinds(place, old.get("oneOf", []), new.get("oneOf", []))

    def _required(self, place: str, old: Schema, new: Schema) -> Iterator[Break]:
        before, after = set(old.get("required", [])), set(new.get("required", []))
        for name in sorted(before - after):
            yield Break(f"{place}.{name}", "no longer always there")
        for name in sorted(after - before):
            if self._written_by_others:
                yield Break(f"{place}.{name}", "newly required of producers")

    def _kinds(self, place: str, old: list[Schema], new: list[Schema]) -> Iterator[Break]:
        before = {kind["$ref"].rpartition("/")[2]: kind for kind in old}
        after = {kind["$ref"].rpartition("/")[2]: kind for kind in new}
        for name in sorted(before.keys() & after.keys()):
            yield from self.of(f"{place}({name})", before[name], after[name])
        for name in sorted(before.keys() ^ after.keys()):
            yield Break(f"{place}({name})", "a kind of message removed" if name in before else "a new kind of message")


def _resolved(schema: Schema, parts: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    rest = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
    return {**parts[schema["$ref"].rpartition("/")[2]], **rest}


def _spelled_out(schema: Schema | bool | None) -> Schema:
    """Nothing said and `true` allow everything, `false` nothing."""
    if isinstance(schema, dict):
        return schema
    return {"not": {}} if schema is False else {}


def _keywords(place: str, old: Schema, new: Schema) -> Iterator[Break]:
    for keyword in sorted((old.keys() | new.keys()) - _WORDS - _PLACES):
        before, after = old.get(keyword), new.get(keyword)
        if keyword == "enum" and before is not None and after is not None:
            yield from _values(place, set(before), set(after))
        elif keyword == "type" and _types(before) == _types(after):
            continue
        elif before != after:
            yield Break(place, f"{keyword}: was {before!r}, is {after!r}")


def _types(kind: str | list[str] | None) -> set[str]:
    return {kind} if isinstance(kind, str) else set(kind or ())


def _values(place: str, before: set[str], after: set[str]) -> Iterator[Break]:
    if before - after:
        yield Break(place, f"values removed: {', '.join(sorted(before - after))}")
    if after - before:
        yield Break(place, f"values added: {', '.join(sorted(after - before))}")
