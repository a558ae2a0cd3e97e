"""rules.toml and the lists beside it: what people write, checked as a whole before anything comes of it.

    rules.toml         [attributes] what the transaction's attributes are; [rules.NAME] one rule
    lists/NAME.csv     entity, value, from, until, why

Every problem is named with its line, those of all rules at once.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from risk.catalogue import ATTRIBUTE_PREFIX, FeatureSet
from risk.errors import RuleError
from risk.events import Action, Mode
from risk.rules.language import (
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
from risk.rules.lists import ListsFolder, moment, of_another_encoding
from risk.rules.rule_set import (
    ListEntry,
    Rule,
    RuleSet,
    bad_words,
    shown,
    too_many_rules,
    wrong_end,
    wrong_name,
)
from risk.rules.toml_places import Places, line_and_column, places_in
from risk.small_file import read_small, read_toml

FILE = "rules.toml"
LISTS = "lists"

_NEEDED = ("when", "action", "sentence", "owner")
_KEYS = (*_NEEDED, "from", "until", "mode")


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
        self._lists = ListsFolder(path.parent / LISTS, self._problems)
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
            raise RulesError([f"{self._path}, {of_another_encoding(error, 'TOML')}"]) from None
        except ValueError as error:
            raise RulesError(
                [f"{self._path}: cannot be read as TOML ({error}); a condition stands best in '...'"]
            ) from None
        self._places = places_in(self._text)
        return raw, tables

    # Tables

    def _attributes(self, table: Any) -> dict[str, Type]:
        if not isinstance(table, dict):
            self._say(("attributes",), f"got {shown(table)}, expected a table such as [attributes]")
            return {}
        found = {}
        for name, type_ in table.items():
            path = ("attributes", name)
            known = self._known_type(name)
            if type_ not in tuple(Type):
                self._say(path, f"got {shown(type_)}, expected {_choice(Type)}{_near(type_, Type)}")
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
                (name,), f"got {name[:80]}, expected [rules.NAME] or [attributes]{_near(name, ('rules', 'attributes'))}"
            )
        if not isinstance(rules, dict) or not rules:
            self._say(
                ("rules",), f"got {'no rule' if rules == {} else shown(rules)}, expected tables such as [rules.big]"
            )
            return
        if problem := too_many_rules(len(rules)):
            self._say(("rules",), problem)
        for name, rule in rules.items():
            if problem := wrong_name(name):
                self._say(("rules", name), problem)
            elif isinstance(rule, dict):
                yield name, rule
            else:
                self._say(("rules", name), f"got {shown(rule)}, expected a table [rules.{name}]")

    def _rule(self, name: str, table: dict[str, Any], names: Names) -> tuple[Rule, Condition] | None:
        path, before = ("rules", name), len(self._problems)
        for key in table:
            if key not in _KEYS:
                self._say_of_key(
                    (*path, key), f"got {shown(key)}, expected one of {', '.join(_KEYS)}{_near(key, _KEYS)}"
                )
        for key in _NEEDED:
            if key not in table:
                self._say(path, f"got no `{key}`, expected one")
        action, mode = self._choice(path, table, "action", Action), self._choice(path, table, "mode", Mode)
        sentence, owner = self._words(path, table, "sentence"), self._words(path, table, "owner")
        since, until = self._time(path, table, "from"), self._time(path, table, "until")
        if problem := wrong_end(since, until):
            self._say((*path, "until"), problem)
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
                self._say((*path, "when"), f"got {shown(when)}, expected a condition as text, such as 'amount > 100'")
            return None
        try:
            return parse(when, names, lists=self._lists)
        except ExpressionError as error:
            self._say((*path, "when"), str(error), error.offset)
            return None

    def _choice(self, path: tuple[str, ...], table: dict[str, Any], key: str, choices: type[StrEnum]) -> str:
        got = table.get(key)
        if key in table and got not in tuple(choices):
            self._say((*path, key), f"got {shown(got)}, expected {_choice(choices)}{_near(got, choices)}")
        return got if isinstance(got, str) else ""

    def _words(self, path: tuple[str, ...], table: dict[str, Any], key: str) -> str:
        got = table.get(key, "")
        problem = bad_words(got, may_be_empty=key not in table)
        if problem:
            self._say((*path, key), f"got {shown(got)}, expected {problem}")
        return got if isinstance(got, str) else ""

    def _time(self, path: tuple[str, ...], table: dict[str, Any], key: str) -> int | None:
        try:
            return None if key not in table else moment(table[key])
        except ValueError as error:
            self._say((*path, key), f"got {shown(table[key])}, expected {error}")
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
        rule = f" rule {path[1][:80]}:" if path[0] == "rules" and len(path) > 1 else ""
        self._problems.append(f"{self._path}{where}:{rule} {words}")


def _order(entry: ListEntry) -> bytes:
    return msgspec.json.encode(entry)


def _choice(choices: type[StrEnum]) -> str:
    return f"one of {', '.join(choices)}"


def _near(got: object, known: Iterable[str]) -> str:
    return near(got, known) if isinstance(got, str) else ""
