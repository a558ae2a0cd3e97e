"""A rule set on a batch: compiled once to steps of NumPy over columns, each comparison once, whichever rules share it.

Numbers are the engine's float64, as people read them, and the score as the flag has it: a rule compares what is shown.
Texts become codes, one dictionary for each name with all that any rule asks it for, so that a comparison is one of
whole numbers, and a list a table.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from typing import NamedTuple, TypeVar

import numpy as np

from risk.block import Block
from risk.bundle import Manifest
from risk.catalogue import ATTRIBUTE_PREFIX, CATALOGUE, FeatureSet
from risk.clock import DAY, EARLIEST, LATEST
from risk.codes import Array
from risk.engine import WEEKDAY_OF_DAY_0, FeatureBlock, attribute_number, attribute_text
from risk.errors import RuleError
from risk.events import Action, FiredRule, Mode, Seen
from risk.rules.language import (
    SCORE,
    TEXT_FIELDS,
    WEEKDAY,
    WEEKDAYS,
    AllOf,
    Arithmetic,
    Compared,
    Comparison,
    Condition,
    Flag,
    InList,
    IsMissing,
    Name,
    Negative,
    Number,
    Text,
    Type,
    Value,
    comparisons_of,
    names_in,
    names_of,
    parse,
    text_of,
)
from risk.rules.rule_set import ListEntry, Rule, RuleSet

T = TypeVar("T")

MISSING, UNKNOWN = 0, -1  # codes of texts; the last place of a table is that of all texts that no rule asks for
_TIME_BITS = np.uint64(43)  # milliseconds until 2200

NONE, REVIEW, ALERT = 0, 1, 2
_STRICTNESS = {Action.ALLOW: NONE, Action.REVIEW: REVIEW, Action.ALERT: ALERT}

_COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal,
}  # fmt: skip
_CALCULATE: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide,
}  # fmt: skip


def compiled_for(rule_set: RuleSet, manifest: Manifest) -> "CompiledRules":
    """RuleError where the bundle cannot serve them."""
    return CompiledRules(rule_set, manifest.feature_set, manifest.version)


class RuleResults(NamedTuple):
    """What the rules say of some rows."""

    strictest: Array  # int8: NONE, REVIEW or ALERT, by the rules that are on
    is_allowed: Array  # bool: by a rule that is on, whatever others say
    fired: list[tuple[FiredRule, ...]]  # of each row, in the order of their names; those in the shadow too


class CompiledRules:
    """A rule set, for the features of one bundle."""

    def __init__(self, rule_set: RuleSet, feature_set: FeatureSet, bundle: str = "the bundle") -> None:
        """RuleError where the rules ask for what these features are not."""
        self.rule_set = rule_set
        self.version = rule_set.version
        self._steps: list[_Step] = []
        self._slots: dict[object, int] = {}
        self._codes: dict[str, dict[str | None, int]] = {}
        self._members: dict[tuple[str, str], _Members] = {}
        names = names_of(rule_set.attributes)
        computed = {feature.name for feature in (*feature_set.numbers, *feature_set.categories)}
        of_features = {feature.name for feature in CATALOGUE} - {*TEXT_FIELDS}
        self._rules: list[_Compiled] = []
        for rule in rule_set.rules:
            condition = parse(rule.when, names, is_canonical=True)
            lacking = sorted((names_in(condition) & of_features) - computed)
            if lacking:
                raise RuleError(
                    f"rule {rule.name} of {self.version}: got {lacking[0]}, expected a feature that {bundle} computes; "
                    "change the rule, or train on data that has what it needs"
                )
            seen = [self._seen(one) for one in comparisons_of(condition)]
            self._rules.append(_Compiled(rule, self._condition(condition), seen))
        for (name, list_), members in self._members.items():
            members.fill(self._codes[name], [entry for entry in self.rule_set.lists[list_] if entry.entity == name])

    def evaluate(self, features: FeatureBlock, block: Block, rows: Array, scores: Array) -> RuleResults:
        """Of these rows of a block, each with its score."""
        found = _Batch(features, block, rows, scores)
        with np.errstate(all="ignore"):  # what is no number is missing
            for step in self._steps:
                found.slots.append(step(found))
        count = len(rows)
        results = RuleResults(np.zeros(count, np.int8), np.zeros(count, bool), [()] * count)
        for compiled in self._rules:
            self._apply(compiled, found, results)
        return results

    def _apply(self, compiled: "_Compiled", found: "_Batch", results: RuleResults) -> None:
        rule, hits = compiled.rule, found.slots[compiled.slot]
        if rule.since is not None:
            hits = hits & (found.times >= rule.since)
        if rule.until is not None:
            hits = hits & (found.times < rule.until)
        where = hits.nonzero()[0]
        if not len(where):
            return
        if rule.mode is Mode.ON:
            results.strictest[where] = np.maximum(results.strictest[where], _STRICTNESS[rule.action])
            results.is_allowed[where] |= rule.action is Action.ALLOW
        columns = [seen.of(found, where) for seen in compiled.seen]
        for place, comparisons in zip(where.tolist(), zip(*columns, strict=True), strict=True):
            results.fired[place] += (FiredRule(rule.name, rule.action, rule.mode, rule.sentence, comparisons),)

    # Compiling: a slot for each part, and one for all parts that say the same

    def _slot(self, key: object, step: "Callable[[], _Step]") -> int:
        slot = self._slots.get(key)
        if slot is None:
            made = step()  # its own parts get their slots first
            slot = self._slots[key] = len(self._steps)
            self._steps.append(made)
        return slot

    def _condition(self, condition: Condition) -> int:
        match condition:
            case AllOf(of=parts):
                return self._slot(condition, lambda: _joined(np.logical_and, [self._condition(part) for part in parts]))
            case Compared():
                return self._slot(condition, lambda: self._compared(condition))
            case InList():
                return self._slot(condition, lambda: self._in_list(condition))
            case IsMissing(of=value, is_negated=is_negated):
                return self._slot(condition, lambda: self._is_missing(value, is_negated))
            case Flag(name=name, is_negated=is_negated):
                flag = Compared("==", Name(name, Type.NUMBER), Number(0.0 if is_negated else 1.0))
                return self._condition(flag)
        return self._slot(condition, lambda: _joined(np.logical_or, [self._condition(part) for part in condition.of]))

    def _compared(self, one: Compared) -> "_Step":
        if isinstance(one.left, Text):
            one = Compared(one.op, one.right, one.left)  # == and != alone compare texts
        if isinstance(one.left, Name) and one.left.type is Type.TEXT:
            if isinstance(one.right, Text):
                codes, code = self._code_slot(one.left.name), self._code(one.left.name, one.right.value)
                return partial(_equals_text if one.op == "==" else _differs_from_text, codes, code)
            assert isinstance(one.right, Name)
            return partial(_texts_compared, one.left.name, one.right.name, one.op == "==")
        left, right = self._value(one.left), self._value(one.right)
        if one.op == "!=":
            return partial(_numbers_differ, left, right)
        return partial(_two, _COMPARE[one.op], left, right)

    def _in_list(self, one: InList) -> "_Step":
        found, codes = self._member_slot(one.of.name, one.list), self._code_slot(one.of.name)
        return partial(_not_in_list if one.is_negated else _in_list, found, codes)

    def _member_slot(self, name: str, list_: str) -> int:
        """Which entry of the list each row's value is."""

        def step() -> _Step:
            codes = self._code_slot(name)
            for entry in self.rule_set.lists[list_]:
                if entry.entity == name:
                    self._code(name, entry.value)
            members = self._members[name, list_] = _Members()
            return lambda found: members.find(found.slots[codes], found.times)

        return self._slot(("list", name, list_), step)

    def _is_missing(self, value: Value, is_negated: bool) -> "_Step":
        if isinstance(value, Name) and value.type is Type.TEXT:
            codes = self._code_slot(value.name)
            return partial(_differs_from_text if is_negated else _equals_text, codes, MISSING)
        number = self._value(value)
        if is_negated:
            return lambda found: ~np.isnan(found.slots[number])
        return lambda found: np.isnan(found.slots[number])

    def _value(self, value: Value) -> int:
        """Of numbers."""
        match value:
            case Arithmetic(op=op, left=left, right=right):
                return self._slot(value, lambda: self._calculated(op, left, right))
            case Negative(of=of):
                return self._slot(value, lambda: partial(_negative, self._value(of)))
            case Name(name=name):
                return self._slot(value, lambda: lambda found: found.numbers(name))
            case Number(value=number):
                return self._slot(value, lambda: lambda _: np.array(number))
        raise AssertionError(f"{value} is no number")

    def _calculated(self, op: str, left: Value, right: Value) -> "_Step":
        return partial(_calculated, _CALCULATE[op], self._value(left), self._value(right))

    def _code_slot(self, name: str) -> int:
        codes = self._codes.setdefault(name, {None: MISSING})
        return self._slot(("codes", name), lambda: lambda found: found.codes(name, codes))

    def _code(self, name: str, text: str) -> int:
        codes = self._codes[name]
        return codes.setdefault(text, len(codes))

    # What was compared, for the rows where a rule fires

    def _seen(self, comparison: Comparison) -> "_SeenColumn":
        holds, text = self._condition(comparison), text_of(comparison)
        match comparison:
            case Compared(left=left, right=right):
                if isinstance(left, Number | Text):
                    return _SeenColumn(text, holds, self._shown(right), _nothing)
                is_constant = isinstance(right, Number | Text)
                return _SeenColumn(text, holds, self._shown(left), _nothing if is_constant else self._shown(right))
            case InList(of=of, list=list_):
                slot = self._member_slot(of.name, list_)
                members = self._members[of.name, list_]
                return _SeenColumn(
                    text, holds, self._shown(of), lambda found, where: members.whys(found.slots[slot][where])
                )
            case IsMissing(of=of):
                return _SeenColumn(text, holds, self._shown(of), _nothing)
            case Flag(name=name):
                return _SeenColumn(text, holds, self._shown(Name(name, Type.NUMBER)), _nothing)

    def _shown(self, value: Value) -> "_Column":
        if isinstance(value, Name) and value.type is Type.TEXT:
            return partial(_texts_shown, value.name)
        return partial(_numbers_shown, self._value(value))


class _Batch:
    """The columns that rules ask for, each made once, and the results of the steps so far."""

    def __init__(self, features: FeatureBlock, block: Block, rows: Array, scores: Array) -> None:
        self.slots: list[Array] = []
        self.times: Array = block.event_time[rows]
        self._features = features
        self._block = block
        self._rows = rows
        self._scores = scores
        self._words: dict[str, list[str | None]] = {}

    def numbers(self, name: str) -> Array:
        if name == SCORE:
            return self._scores
        column = self._features.columns.get(name)
        if column is not None:
            numbers: Array = self._features.values[self._rows, column]
            return numbers
        attribute = name.removeprefix(ATTRIBUTE_PREFIX)
        found = [attribute_number(attributes.get(attribute)) for attributes in self._some(self._block.attributes)]
        return np.array(found, np.float64)

    def codes(self, name: str, codes: dict[str | None, int]) -> Array:
        words = self.words(name)
        return np.fromiter(map(codes.get, words, repeat(UNKNOWN)), np.int64, len(words))

    def words(self, name: str) -> list[str | None]:
        if name not in self._words:
            self._words[name] = self._texts(name)
        return self._words[name]

    def _texts(self, name: str) -> list[str | None]:
        if name in TEXT_FIELDS:
            return self._some(getattr(self._block, name))
        if name == WEEKDAY:
            return [WEEKDAYS[day] for day in ((self.times // DAY + WEEKDAY_OF_DAY_0) % 7).tolist()]
        if name in self._features.categories:
            return self._some(self._features.categories[name])
        attribute = name.removeprefix(ATTRIBUTE_PREFIX)
        return [attribute_text(attributes.get(attribute)) for attributes in self._some(self._block.attributes)]

    def _some(self, column: list[T]) -> list[T]:
        return column if len(self._rows) == len(column) else [column[row] for row in self._rows.tolist()]


_Step = Callable[[_Batch], Array]
_Column = Callable[[_Batch, Array], Sequence[float | str | None]]


class _SeenColumn(NamedTuple):
    """A comparison, for the rows where a rule fires."""

    text: str
    holds: int  # a slot
    value: _Column
    other: _Column

    def of(self, found: _Batch, where: Array) -> list[Seen]:
        holds = found.slots[self.holds][where].tolist()
        return list(map(Seen, repeat(self.text), holds, self.value(found, where), self.other(found, where)))


class _Compiled(NamedTuple):
    rule: Rule
    slot: int
    seen: list[_SeenColumn]


class _Members:
    """The entries of a list of one name: which of them a value is at a time."""

    def fill(self, codes: dict[str | None, int], entries: Sequence[ListEntry]) -> None:
        """Once all codes are given."""
        spans = _disjoint(entries, codes)
        self._has = np.zeros(len(codes) + 1, bool)
        self._owners = np.array([span.code for span in spans], np.int64)
        self._has[self._owners] = True
        self._keys = _keys(self._owners, np.array([span.since for span in spans], np.int64))
        self._untils = np.array([span.until for span in spans], np.int64)
        self._whys = [span.why or None for span in spans]

    def find(self, codes: Array, times: Array) -> Array:
        """The place of each row's entry; -1 where it is in the list by none."""
        found = np.full(len(codes), -1, np.int64)
        rows = np.flatnonzero(self._has[codes])
        if len(rows):
            owners, moments = codes[rows], times[rows]
            places = np.searchsorted(self._keys, _keys(owners, moments), "right") - 1
            # Before all entries, the place is -1 and stays so.
            applies = (self._owners[places] == owners) & (moments < self._untils[places])
            found[rows] = np.where(applies, places, -1)
        return found

    def whys(self, places: Array) -> list[str | None]:
        return [None if place < 0 else self._whys[place] for place in places.tolist()]


class _Span(NamedTuple):
    code: int
    since: int
    until: int
    why: str


def _disjoint(entries: Sequence[ListEntry], codes: dict[str | None, int]) -> list[_Span]:
    """By code and time. Where entries of a value overlap, the one that began first goes on to its end."""
    spans = sorted(
        _Span(
            codes[entry.value],
            EARLIEST if entry.since is None else entry.since,
            LATEST if entry.until is None else entry.until,
            entry.why,
        )
        for entry in entries
    )
    made: list[_Span] = []
    for span in spans:
        if made and made[-1].code == span.code:
            span = span._replace(since=max(span.since, made[-1].until))
        if span.since < span.until:
            made.append(span)
    return made


def _keys(codes: Array, times: Array) -> Array:
    """One number for both, in the order of codes and then times."""
    keys: Array = (codes.astype(np.uint64) << _TIME_BITS) | times.astype(np.uint64)
    return keys


# Steps


def _joined(join: "np.ufunc", slots: Sequence[int]) -> _Step:
    first, *rest = slots

    def step(found: _Batch) -> Array:
        result = found.slots[first]
        for slot in rest:
            result = join(result, found.slots[slot])
        return result

    return step


def _two(compare: Callable[[Array, Array], Array], left: int, right: int, found: _Batch) -> Array:
    """NumPy's comparisons with NaN are false."""
    return compare(found.slots[left], found.slots[right])


def _numbers_differ(left: int, right: int, found: _Batch) -> Array:
    one, other = found.slots[left], found.slots[right]
    return (one < other) | (one > other)


def _calculated(calculate: Callable[[Array, Array], Array], left: int, right: int, found: _Batch) -> Array:
    return _finite(calculate(found.slots[left], found.slots[right]))


def _negative(of: int, found: _Batch) -> Array:
    return -found.slots[of]


def _finite(numbers: Array) -> Array:
    """A division by zero, and what is larger than float64 can say, is missing."""
    is_finite = np.isfinite(numbers)
    return numbers if is_finite.all() else np.where(is_finite, numbers, np.nan)


def _equals_text(codes: int, code: int, found: _Batch) -> Array:
    result: Array = found.slots[codes] == code
    return result


def _differs_from_text(codes: int, code: int, found: _Batch) -> Array:
    result: Array = (found.slots[codes] != MISSING) & (found.slots[codes] != code)
    return result


def _texts_compared(left: str, right: str, is_equal: bool, found: _Batch) -> Array:
    both = zip(found.words(left), found.words(right), strict=True)
    return np.array([one is not None and other is not None and (one == other) is is_equal for one, other in both], bool)


def _in_list(places: int, _codes: int, found: _Batch) -> Array:
    result: Array = found.slots[places] >= 0
    return result


def _not_in_list(places: int, codes: int, found: _Batch) -> Array:
    result: Array = (found.slots[places] < 0) & (found.slots[codes] != MISSING)
    return result


def _texts_shown(name: str, found: _Batch, where: Array) -> list[str | None]:
    words = found.words(name)
    return [words[place] for place in where.tolist()]


def _numbers_shown(slot: int, found: _Batch, where: Array) -> list[float | None]:
    numbers = np.broadcast_to(found.slots[slot], found.times.shape)[where].tolist()
    return [None if number != number else number for number in numbers]


def _nothing(_found: _Batch, where: Array) -> list[None]:
    return [None] * len(where)
