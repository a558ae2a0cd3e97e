"""A rule set on a batch: compiled once to steps of NumPy over columns, each comparison once, whichever rules share it.

Numbers are the engine's float64, as people read them, and the score as the flag has it: a rule compares what is shown.
Texts become codes, one dictionary for each name with all that any rule asks it for, so that a comparison is one of
whole numbers, and a list a table.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import compress, repeat
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
_ACTIONS = Action.ALLOW, Action.ALERT, Action.REVIEW

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
    fired: list[Collection[FiredRule]]  # of each row; those in the shadow too


class Fired(Collection[FiredRule]):
    """The rules that fired on a row, in the order of their names. Each is made when it is asked for: where a thousand
    fire on each of thousands of rows, no memory has room for all that they compared."""

    __slots__ = ("_batch", "_row", "_rules")

    def __init__(self, rules: "Sequence[_Compiled]", batch: "_Batch", row: int) -> None:
        self._rules, self._batch, self._row = rules, batch, row

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[FiredRule]:
        return (compiled.fired(self._batch, self._row) for compiled in self._rules)

    def __contains__(self, other: object) -> bool:
        return any(one == other for one in self)

    def strictest_first(self) -> "Fired":
        return Fired(sorted(self._rules, key=lambda compiled: _weight(compiled.rule)), self._batch, self._row)


def strictest_first(fired: Collection[FiredRule]) -> Collection[FiredRule]:
    """Those that are on before those in the shadow. What is not made yet is not made for it."""
    return fired.strictest_first() if isinstance(fired, Fired) else sorted(fired, key=_weight)


def _weight(rule: Rule | FiredRule) -> int:
    return len(_ACTIONS) if rule.mode is Mode.SHADOW else _ACTIONS.index(rule.action)


class CompiledRules:
    """A rule set, for the features of one bundle."""

    def __init__(self, rule_set: RuleSet, feature_set: FeatureSet, bundle: str = "the bundle") -> None:
        """RuleError where the rules ask for what these features are not."""
        self.rule_set = rule_set
        self.version = rule_set.version
        self._steps: list[_Step] = []
        self._slots: dict[object, int] = {}
        self._constants: dict[tuple[str, int], list[float]] = {}
        self._codes: dict[str, dict[str | None, int]] = {}
        self._members: dict[str, _Members] = {}
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
            shown = [self._seen(one) for one in comparisons_of(condition)]
            self._rules.append(_Compiled(rule, self._condition(condition), shown))
        self._on = [
            [place for place, rule in enumerate(rule_set.rules) if (rule.action, rule.mode) == (action, Mode.ON)]
            for action in _ACTIONS
        ]
        self._columns = {key: np.array(constants)[:, np.newaxis] for key, constants in self._constants.items()}
        for name, members in self._members.items():
            members.fill(name, self._codes[name], rule_set.lists)

    def evaluate(self, features: FeatureBlock, block: Block, rows: Array, scores: Array) -> RuleResults:
        """Of these rows of a block, each with its score."""
        found = _Batch(features, block, rows, scores)
        with np.errstate(all="ignore"):  # what is no number is missing
            for step in self._steps:
                found.slots.append(step(found))
        hits = np.array([compiled.hits(found) for compiled in self._rules], bool).reshape(len(self._rules), len(rows))
        any_of: list[Array] = [np.any(hits[places], axis=0) for places in self._on]
        is_allowed, is_alert, is_review = any_of
        strictest: Array = np.where(is_alert, ALERT, np.where(is_review, REVIEW, NONE)).astype(np.int8)
        fired: list[Collection[FiredRule]] = [()] * len(rows)
        somewhere = np.flatnonzero(hits.any(axis=0))
        for row, which in zip(somewhere.tolist(), hits.T[somewhere], strict=True):
            fired[row] = Fired(list(compress(self._rules, which.tolist())), found, row)
        return RuleResults(strictest, is_allowed, fired)

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
        left = self._value(one.left)
        if isinstance(one.right, Number) and one.op in _COMPARE:
            return self._with_constant(one.op, left, one.right.value)
        right = self._value(one.right)
        if one.op == "!=":
            return partial(_numbers_differ, left, right)
        return partial(_two, _COMPARE[one.op], left, right)

    def _with_constant(self, op: str, left: int, constant: float) -> "_Step":
        """All that a value is compared with in the same way are compared at once."""
        key = op, left
        constants = self._constants.setdefault(key, [])
        at_once = self._slot(
            ("constants", key), lambda: lambda found: _COMPARE[op](found.slots[left], self._columns[key])
        )
        constants.append(constant)
        return partial(_one_of, at_once, len(constants) - 1)

    def _in_list(self, one: InList) -> "_Step":
        name = one.of.name
        places, number = self._member(name, one.list)
        is_in = self._slot(("is in", name), lambda: lambda found: found.slots[places] >= 0)
        return (
            partial(_not_one_of, is_in, number, self._code_slot(name))
            if one.is_negated
            else partial(_one_of, is_in, number)
        )

    def _member(self, name: str, list_: str) -> tuple[int, int]:
        """Which entry of each list each row's value is, and which of these lists this one is."""

        def step() -> _Step:
            codes = self._code_slot(name)
            return lambda found: members.find(found.slots[codes], found.times)

        members = self._members.setdefault(name, _Members())
        places = self._slot(("lists", name), step)
        for entry in self.rule_set.lists[list_]:
            if entry.entity == name:
                self._code(name, entry.value)
        return places, members.number_of(list_)

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

    # What was compared, for a row where a rule fires

    def _seen(self, comparison: Comparison) -> "_Shown":
        holds, text = self._condition(comparison), text_of(comparison)
        match comparison:
            case Compared(left=left, right=right):
                if isinstance(left, Number | Text):
                    return _Shown(text, holds, self._shown(right), _nothing)
                is_constant = isinstance(right, Number | Text)
                return _Shown(text, holds, self._shown(left), _nothing if is_constant else self._shown(right))
            case InList(of=of, list=list_):
                (places, number), members = self._member(of.name, list_), self._members[of.name]
                return _Shown(
                    text, holds, self._shown(of), lambda found, row: members.why(found.slots[places].item(number, row))
                )
            case IsMissing(of=of):
                return _Shown(text, holds, self._shown(of), _nothing)
            case Flag(name=name):
                return _Shown(text, holds, self._shown(Name(name, Type.NUMBER)), _nothing)

    def _shown(self, value: Value) -> "_Cell":
        if isinstance(value, Name) and value.type is Type.TEXT:
            return partial(_text_shown, value.name)
        return partial(_number_shown, self._value(value))


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
            numbers: Array = self._features.values[:, column]
            return numbers.copy() if len(self._rows) == len(numbers) else numbers[self._rows]
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
_Cell = Callable[[_Batch, int], float | str | None]


class _Shown(NamedTuple):
    """A comparison, of a row where a rule fires."""

    text: str
    holds: int  # a slot
    value: _Cell
    other: _Cell

    def of(self, found: _Batch, row: int) -> Seen:
        holds = found.slots[self.holds].item(row)
        return Seen(self.text, holds, self.value(found, row), self.other(found, row))


class _Compiled(NamedTuple):
    rule: Rule
    slot: int
    shown: list[_Shown]

    def hits(self, found: _Batch) -> Array:
        hits = found.slots[self.slot]
        if self.rule.since is not None:
            hits = hits & (found.times >= self.rule.since)
        if self.rule.until is not None:
            hits = hits & (found.times < self.rule.until)
        return hits

    def fired(self, found: _Batch, row: int) -> FiredRule:
        rule = self.rule
        return FiredRule(
            rule.name, rule.action, rule.mode, rule.sentence, tuple([one.of(found, row) for one in self.shown])
        )


class _Members:
    """What all lists have of one name: which entry of each a value is at a time."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # of the lists

    def number_of(self, list_: str) -> int:
        return self._numbers.setdefault(list_, len(self._numbers))

    def fill(self, name: str, codes: dict[str | None, int], lists: Mapping[str, Sequence[ListEntry]]) -> None:
        """Once all codes are given."""
        each = [
            (span, number)
            for list_, number in self._numbers.items()
            for span in _disjoint([entry for entry in lists[list_] if entry.entity == name], codes)
        ]
        each.sort(key=lambda one: (one[0].code, one[1]))  # those of a value in a list stay in the order of time
        pairs = np.array([(span.code, number) for span, number in each], np.int64).reshape(-1, 2)
        is_first = np.ones(len(each), bool)
        is_first[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
        self._owners = np.cumsum(is_first) - 1  # of each span: a value in a list
        self._lists = pairs[is_first, 1]  # of each owner
        self._counts = np.bincount(pairs[is_first, 0], minlength=len(codes) + 1)  # owners of each code
        self._begins = np.cumsum(self._counts) - self._counts
        self._keys = _keys(self._owners, np.array([span.since for span, _ in each], np.int64))
        self._untils = np.array([span.until for span, _ in each], np.int64)
        self._whys = [span.why or None for span, _ in each]

    def find(self, codes: Array, times: Array) -> Array:
        """A row for each list: the place of each value's entry; -1 where it is in the list by none."""
        found = np.full((len(self._numbers), len(codes)), -1, np.int64)
        rows = np.flatnonzero(self._counts[codes])
        if len(rows):
            codes = codes[rows]
            counts = self._counts[codes]
            before = np.cumsum(counts) - counts
            rows = np.repeat(rows, counts)
            owners = np.arange(len(rows)) + np.repeat(self._begins[codes] - before, counts)
            moments = times[rows]
            places = np.searchsorted(self._keys, _keys(owners, moments), "right") - 1
            # Before all entries, the place is -1 and stays so.
            applies = (self._owners[places] == owners) & (moments < self._untils[places])
            found[self._lists[owners[applies]], rows[applies]] = places[applies]
        return found

    def why(self, place: int) -> str | None:
        return None if place < 0 else self._whys[place]


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
    is_infinite = np.isinf(numbers)
    return np.where(is_infinite, np.nan, numbers) if is_infinite.any() else numbers


def _equals_text(codes: int, code: int, found: _Batch) -> Array:
    result: Array = found.slots[codes] == code
    return result


def _differs_from_text(codes: int, code: int, found: _Batch) -> Array:
    result: Array = (found.slots[codes] != MISSING) & (found.slots[codes] != code)
    return result


def _texts_compared(left: str, right: str, is_equal: bool, found: _Batch) -> Array:
    both = zip(found.words(left), found.words(right), strict=True)
    return np.array([one is not None and other is not None and (one == other) is is_equal for one, other in both], bool)


def _one_of(slot: int, number: int, found: _Batch) -> Array:
    result: Array = found.slots[slot][number]
    return result


def _not_one_of(slot: int, number: int, codes: int, found: _Batch) -> Array:
    result: Array = ~found.slots[slot][number] & (found.slots[codes] != MISSING)
    return result


def _text_shown(name: str, found: _Batch, row: int) -> str | None:
    return found.words(name)[row]


def _number_shown(slot: int, found: _Batch, row: int) -> float | None:
    numbers = found.slots[slot]
    number: float = numbers.item(row) if numbers.ndim else numbers.item()  # a calculation of constants has no rows
    return None if number != number else number


def _nothing(_found: _Batch, _row: int) -> None:
    return None
