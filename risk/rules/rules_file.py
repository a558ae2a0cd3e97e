"""rules.toml and the lists beside it: what people write, checked as a whole before anything comes of it.

    rules.toml         [attributes] what the transaction's attributes are; [rules.NAME] one rule
    lists/NAME.csv     entity, value, from, until, why

Every problem is named with its line, those of all rules at once.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from risk.catalogue import ATTRIBUTE_PREFIX, FeatureSet
from risk.clock import EARLIEST, LATEST, to_ms
from risk.errors import RuleError
from risk.events import Action, Mode
from risk.rules.language import (
    WEEKDAY,
    Condition,
    ExpressionError,
    Names,
    Type,
    lists_in,
    names_in,
    names_of,
    near,
    parse,
    text_of,
)
from risk.rules.rule_set import ListEntry, Rule, RuleSet
from risk.rules.toml_places import Places, line_and_column, places_in
from risk.small_file import read_small, read_toml

FILE = "rules.toml"
LISTS = "lists"
MOST_RULES = 1_000
MOST_ENTRIES = 1_000_000  # of all lists together
MOST_LIST_BYTES = 256 * 1024**2
MOST_SAID = 10  # problems of one list
MOST_WORDS = 500  # characters of a sentence, an owner, a reason
MOST_VALUE = 1_000  # as many characters as a transaction's texts may have

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NEEDED = ("when", "action", "sentence", "owner")
_KEYS = (*_NEEDED, "from", "until", "mode")
_COLUMNS = ("entity", "value", "from", "until", "why")


class RulesError(RuleError):
    """What is wrong with a file of rules, problem by problem."""

    def __init__(self, problems: list[str]) -> None:
        more = f" (and {len(problems) - 1} more: `trainer rules check` lists all)" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)
        self.problems = problems


class RulesFile(NamedTuple):
    """A rule set, and the files that it was written in, by their names beside each other."""

    rule_set: RuleSet
    files: dict[str, bytes]


def read_rules_file(path: Path, feature_set: FeatureSet, bundle: str) -> RulesFile:
    """RulesError with everything that is wrong. `feature_set`: of the bundle beside which the rules are to work."""
    return _Reader(path, feature_set, bundle).read()


class _Reader:
    def __init__(self, path: Path, feature_set: FeatureSet, bundle: str) -> None:
        self._path = path
        self._feature_set = feature_set
        self._bundle = bundle
        self._problems: list[str] = []
        self._lists = _Lists(path.parent / LISTS, self._problems)
        self._text = ""
        self._places = Places({}, {})

    def read(self) -> RulesFile:
        raw, tables = self._tables()
        declared = self._attributes(tables.pop("attributes", {}))
        types = dict(declared)
        types |= dict.fromkeys(self._feature_set.number_attributes, Type.NUMBER)
        types |= dict.fromkeys(self._feature_set.category_attributes, Type.TEXT)
        names = names_of(types, self._feature_set, self._bundle)
        self._lists.types = names.types
        found = [self._rule(name, rule, names) for name, rule in self._rules(tables)]
        if self._problems:
            raise RulesError(self._problems)
        rules, conditions = zip(*(one for one in found if one is not None), strict=True)
        used = {name for condition in conditions for name in lists_in(condition)}
        lists = {name: tuple(sorted(set(self._lists.entries[name]), key=_order)) for name in sorted(used)}
        asked = {name for condition in conditions for name in names_in(condition)}
        attributes = {name: type_ for name, type_ in sorted(types.items()) if ATTRIBUTE_PREFIX + name in asked}
        rule_set = RuleSet(tuple(sorted(rules, key=lambda rule: rule.name)), attributes, lists)
        return RulesFile(rule_set, {FILE: raw, **{f"{LISTS}/{name}.csv": self._lists.raw[name] for name in lists}})

    def _tables(self) -> tuple[bytes, dict[str, Any]]:
        try:
            raw = read_small(self._path)
            self._text = raw.decode("utf-8-sig").replace("\r\n", "\n")
            tables = read_toml(self._text)
        except OSError as error:
            raise RulesError([f"{self._path}: {error.strerror}, expected a file of rules"]) from None
        except UnicodeDecodeError as error:
            raise RulesError([f"{self._path}: {error}, expected TOML in UTF-8"]) from None
        except ValueError as error:
            raise RulesError(
                [f"{self._path}: cannot be read as TOML ({error}); a condition stands best in '...'"]
            ) from None
        self._places = places_in(self._text)
        return raw, tables

    # Tables

    def _attributes(self, table: Any) -> dict[str, Type]:
        if not isinstance(table, dict):
            self._say(("attributes",), f"got {_shown(table)}, expected a table such as [attributes]")
            return {}
        found = {}
        for name, type_ in table.items():
            path = ("attributes", name)
            known = self._known_type(name)
            if type_ not in tuple(Type):
                self._say(path, f"got {_shown(type_)}, expected {_choice(Type)}{_near(type_, Type)}")
            elif known is not None and known != type_:
                self._say(path, f"got {name} as a {type_}, expected a {known} as {self._bundle} has it")
            else:
                found[name] = Type(type_)
        return found

    def _known_type(self, name: str) -> Type | None:
        if name in self._feature_set.number_attributes:
            return Type.NUMBER
        return Type.TEXT if name in self._feature_set.category_attributes else None

    def _rules(self, tables: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        rules = tables.pop("rules", {})
        for name in tables:
            self._say(
                (name,), f"got {name}, expected [rules.NAME] or [attributes]{_near(name, ('rules', 'attributes'))}"
            )
        if not isinstance(rules, dict) or not rules:
            self._say(
                ("rules",), f"got {'no rule' if rules == {} else _shown(rules)}, expected tables such as [rules.big]"
            )
            return
        if len(rules) > MOST_RULES:
            self._say(("rules",), f"got {len(rules):,} rules, expected at most {MOST_RULES:,}")
        for name, rule in rules.items():
            if _NAME.fullmatch(name) is None:
                self._say(("rules", name), f"got the name {_shown(name)}, expected up to 64 letters, digits, - and _")
            elif isinstance(rule, dict):
                yield name, rule
            else:
                self._say(("rules", name), f"got {_shown(rule)}, expected a table [rules.{name}]")

    def _rule(self, name: str, table: dict[str, Any], names: Names) -> tuple[Rule, Condition] | None:
        path, before = ("rules", name), len(self._problems)
        for key in table:
            if key not in _KEYS:
                self._say_of_key(
                    (*path, key), f"got {_shown(key)}, expected one of {', '.join(_KEYS)}{_near(key, _KEYS)}"
                )
        for key in _NEEDED:
            if key not in table:
                self._say(path, f"got no `{key}`, expected one")
        action, mode = self._choice(path, table, "action", Action), self._choice(path, table, "mode", Mode)
        sentence, owner = self._words(path, table, "sentence"), self._words(path, table, "owner")
        since, until = self._time(path, table, "from"), self._time(path, table, "until")
        if since is not None and until is not None and since >= until:
            self._say(
                (*path, "until"), "got a time that is not after `from`, expected a later one; it is not part of it"
            )
        condition = self._condition(path, table, names)
        if len(self._problems) > before or condition is None:
            return None
        rule = Rule(
            name=name, when=text_of(condition), action=Action(action), mode=Mode(mode or Mode.ON), sentence=sentence,
            owner=owner, since=since, until=until,
        )  # fmt: skip
        return rule, condition

    def _condition(self, path: tuple[str, ...], table: dict[str, Any], names: Names) -> Condition | None:
        when = table.get("when")
        if not isinstance(when, str):
            if "when" in table:
                self._say((*path, "when"), f"got {_shown(when)}, expected a condition as text, such as 'amount > 100'")
            return None
        try:
            return parse(when, names, lists=self._lists)
        except ExpressionError as error:
            self._say((*path, "when"), str(error), error.offset)
            return None

    def _choice(self, path: tuple[str, ...], table: dict[str, Any], key: str, choices: type[StrEnum]) -> str:
        got = table.get(key)
        if key in table and got not in tuple(choices):
            self._say((*path, key), f"got {_shown(got)}, expected {_choice(choices)}{_near(got, choices)}")
        return got if isinstance(got, str) else ""

    def _words(self, path: tuple[str, ...], table: dict[str, Any], key: str) -> str:
        got = table.get(key, "")
        problem = _bad_words(got, may_be_empty=key not in table)
        if problem:
            self._say((*path, key), f"got {_shown(got)}, expected {problem}")
        return got if isinstance(got, str) else ""

    def _time(self, path: tuple[str, ...], table: dict[str, Any], key: str) -> int | None:
        try:
            return None if key not in table else moment(table[key])
        except ValueError as error:
            self._say((*path, key), f"got {_shown(table[key])}, expected {error}")
            return None

    def _say(self, path: tuple[str, ...], words: str, offset: int = 0) -> None:
        """Of a value; `offset`: in its text."""
        place = self._places.values.get(path)
        if place is None:
            self._say_of_key(path, words)
        else:
            self._say_at(place.at(offset), path, words)

    def _say_of_key(self, path: tuple[str, ...], words: str) -> None:
        self._say_at(self._places.keys.get(path), path, words)

    def _say_at(self, at: int | None, path: tuple[str, ...], words: str) -> None:
        where = ""
        if at is not None:
            line, column = line_and_column(self._text, at)
            where = f", line {line}, column {column}"
        rule = f" rule {path[1]}:" if path[0] == "rules" and len(path) > 1 else ""
        self._problems.append(f"{self._path}{where}:{rule} {words}")


class _Lists:
    """The lists of a folder, each read when a rule asks for it."""

    def __init__(self, folder: Path, problems: list[str]) -> None:
        self.folder = folder
        self.types: Mapping[str, Type] = {}
        self.entries: dict[str, list[ListEntry]] = {}
        self.raw: dict[str, bytes] = {}
        self._entities: dict[str, frozenset[str]] = {}
        self._problems = problems
        self._left = MOST_ENTRIES

    def entities_of(self, name: str) -> frozenset[str]:
        """Which names have values in a list; KeyError with the likely slip where there is no such list."""
        if name not in self.entries:
            path = self.folder / f"{name}.csv"
            if _NAME.fullmatch(name) is None or not path.is_file():
                there = [one.stem for one in self.folder.glob("*.csv")] if self.folder.is_dir() else []
                raise KeyError(f"a file {path}{near(name, there)}")
            self.entries[name] = self._read(name, path)
            self._entities[name] = frozenset(entry.entity for entry in self.entries[name])
        return self._entities[name]

    def _read(self, name: str, path: Path) -> list[ListEntry]:
        try:
            with path.open("rb") as file:
                raw = self.raw[name] = file.read(MOST_LIST_BYTES + 1)
            if len(raw) > MOST_LIST_BYTES:
                self._problems.append(
                    f"{path}: got more than {MOST_LIST_BYTES:,} bytes, expected a list of at most that"
                )
                return []
            text = raw.decode("utf-8-sig")
        except OSError as error:
            self._problems.append(f"{path}: {error.strerror}, expected a list")
            return []
        except UnicodeDecodeError as error:
            self._problems.append(f"{path}: {error}, expected CSV in UTF-8")
            return []
        found: list[ListEntry] = []
        said = 0
        for line, row in _rows(text):
            if isinstance(row, str):
                entry: ListEntry | str = row
            elif self._left <= 0:
                entry = f"got more than {MOST_ENTRIES:,} entries, expected at most so many in all lists together"
            else:
                entry = self._entry(row)
                self._left -= 1
            if isinstance(entry, ListEntry):
                found.append(entry)
                continue
            said += 1
            if said <= MOST_SAID:
                self._problems.append(f"{path}, line {line}: {entry}")
            if isinstance(row, str) or self._left <= 0:
                break
        if said > MOST_SAID:
            self._problems.append(f"{path}: {said - MOST_SAID:,} more lines are wrong")
        return found

    def _entry(self, row: Mapping[str, str]) -> ListEntry | str:
        entity, value, why = row["entity"], row["value"], row.get("why", "")
        if self.types.get(entity) is not Type.TEXT or entity == WEEKDAY:
            texts = sorted(name for name, type_ in self.types.items() if type_ is Type.TEXT and name != WEEKDAY)
            return f"entity: got {_shown(entity)}, expected one of {', '.join(texts)}{near(entity, texts)}"
        if not value or len(value) > MOST_VALUE or "\0" in value:
            return f"value: got {_shown(value)}, expected a text of 1 to {MOST_VALUE:,} characters"
        if problem := _bad_words(why, may_be_empty=True):
            return f"why: got {_shown(why)}, expected {problem}"
        times: list[int | None] = []
        for column in ("from", "until"):
            text = row.get(column, "")
            try:
                times.append(_moment_of(text) if text else None)
            except ValueError as error:
                return f"{column}: got {_shown(text)}, expected {error}"
        since, until = times
        if since is not None and until is not None and since >= until:
            return f"until: got {row['until']}, expected a time after {row['from']}; it is not part of it"
        return ListEntry(entity, value, since, until, why)


def _rows(text: str) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Each with its line; a text says what ends the reading."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = next(reader, [])
        if problem := _bad_head(head):
            yield 1, problem
            return
        begin = reader.line_num + 1
        for cells in reader:
            if cells:
                if len(cells) != len(head):
                    yield begin, f"got {len(cells)} cells, expected {len(head)} as the first line has"
                    return
                yield begin, dict(zip(head, map(str.strip, cells), strict=True))
            begin = reader.line_num + 1
    except csv.Error as error:
        yield reader.line_num, f"cannot be read ({error}), expected CSV"


def _bad_head(head: list[str]) -> str | None:
    for name in head:
        if name not in _COLUMNS:
            return f"got the column {_shown(name)}, expected {', '.join(_COLUMNS)}{near(name, _COLUMNS)}"
    if "entity" not in head or "value" not in head or len(set(head)) < len(head):
        return f"got the columns {', '.join(head) or '(none)'}, expected {', '.join(_COLUMNS)}, each once"
    return None


def moment(value: object) -> int:
    """Of a day, its midnight UTC; ValueError with what is expected."""
    expected = "a day such as 2024-12-01, or a time with its zone such as 2024-12-01T08:00:00Z"
    found: date | datetime | None = None
    if isinstance(value, date):
        found = value
    elif isinstance(value, str):
        parse_text = date.fromisoformat if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else datetime.fromisoformat
        try:
            found = parse_text(value)
        except ValueError:
            raise ValueError(expected) from None
    if not isinstance(found, date) or (isinstance(found, datetime) and found.tzinfo is None):
        raise ValueError(expected)
    if not isinstance(found, datetime):
        found = datetime.combine(found, time(), UTC)
    ms = to_ms(found)
    if not EARLIEST <= ms <= LATEST:
        raise ValueError("a time from 1990 until 2200")
    return ms


@lru_cache(4_096)  # a list has few days
def _moment_of(text: str) -> int:
    return moment(text)


def _order(entry: ListEntry) -> bytes:
    return msgspec.json.encode(entry)


def _bad_words(value: object, *, may_be_empty: bool) -> str | None:
    if not isinstance(value, str) or (not value.strip() and not may_be_empty):
        return "a text"
    if len(value) > MOST_WORDS:
        return f"at most {MOST_WORDS} characters"
    return None if value.isprintable() else "a text of one line"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else f"{value}"
    return repr(text[:80]) if isinstance(value, str) else text[:80]


def _choice(choices: type[StrEnum]) -> str:
    return f"one of {', '.join(choices)}"


def _near(got: object, known: Iterable[str]) -> str:
    return near(got, known) if isinstance(got, str) else ""
