"""The language of rules: a subset of Python's syntax, parsed by `ast`, with names and types checked at once.

    amount > 3 * customer_mean_30d and country not in list("home") or device_id is missing

A condition is made of comparisons of numbers and texts. Nothing is evaluated here, and no name means anything but what
`Names` says. What is missing makes a comparison false, whatever it says; so `not` is taken to the comparisons, where it
makes the opposite one: `not amount > 100` is `amount <= 100`, and false as well where the amount is missing.
docs/rules.md says it all for people.
"""

import ast
import difflib
import keyword
import re
import warnings
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from risk.catalogue import ALL_FIELDS, ATTRIBUTE_PREFIX, CATALOGUE, FeatureSet, Kind
from risk.errors import RuleError
from risk.words import number_text


class Limits(Struct, frozen=True):
    characters: int
    depth: int


WRITTEN = Limits(2_000, 50)
CANONICAL = Limits(40_000, 100)
LARGEST = 1e15  # whole numbers up to here are exact in float64, and no amount is larger
SHOWN = 60  # characters of what was got
FEW, NEIGHBOURS = 200, 10  # names among which the likely slip is looked for

SCORE = "score"
WEEKDAY = "weekday"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TEXT_FIELDS = (
    "transaction_id", "customer_id", "currency", "merchant_id", "merchant_category", "channel", "device_id", "country",
)  # fmt: skip
MISSING = "missing"
LIST = "list"
ATTRIBUTE = "attribute"
IS_FLAG = "0 or 1"  # the unit of features that may stand alone


class Type(StrEnum):
    NUMBER = "number"
    TEXT = "text"


class Names(Struct, frozen=True):
    """What an expression may name."""

    types: Mapping[str, Type]
    flags: frozenset[str]  # numbers that are 0 or 1: they may stand alone
    absent: Mapping[str, str]  # what is no name here, and why


def names_of(
    attributes: Mapping[str, Type], feature_set: FeatureSet | None = None, bundle: str = "the bundle"
) -> Names:
    """`feature_set`: of a bundle, whose attributes need no declaration; without one, every feature of the catalogue is
    a name, for a rule set may be read before it is known beside which model it works."""
    computed = FeatureSet(ALL_FIELDS) if feature_set is None else feature_set
    types = dict.fromkeys((*TEXT_FIELDS, WEEKDAY), Type.TEXT)
    types[SCORE] = Type.NUMBER
    for feature in (*computed.numbers, *computed.categories):
        types[feature.name] = Type.NUMBER if feature.kind is Kind.NUMBER else Type.TEXT
    types |= {ATTRIBUTE_PREFIX + name: type_ for name, type_ in attributes.items()}
    absent = {
        "event_time": "expected hour, weekday, night or weekend in an expression, or `from` and `until` beside it",
        "level": "expected `score` and a number, for a level is what the model's thresholds make of it",
    }
    for feature in CATALOGUE:
        if feature.name not in types:
            absent[feature.name] = (
                f"expected a feature that {bundle} computes: this one needs {feature.needs.value}, which its data "
                "did not have"
            )
    return Names(types, frozenset(f.name for f in computed.numbers if f.unit == IS_FLAG), absent)


# What an expression is made of


class Name(Struct, frozen=True):
    name: str
    type: Type


class Number(Struct, frozen=True):
    value: float


class Text(Struct, frozen=True):
    value: str


class Arithmetic(Struct, frozen=True):
    op: str
    left: "Value"
    right: "Value"


class Negative(Struct, frozen=True):
    of: "Value"


Value = Name | Number | Text | Arithmetic | Negative


class Compared(Struct, frozen=True):
    """Of two numbers or two texts; false where one of them is missing."""

    op: str
    left: Value
    right: Value


class InList(Struct, frozen=True):
    of: Name
    list: str
    is_negated: bool


class IsMissing(Struct, frozen=True):
    of: Value
    is_negated: bool


class Flag(Struct, frozen=True):
    """A feature that is 0 or 1: true where it is 1, or, negated, where it is 0."""

    name: str
    is_negated: bool


class AllOf(Struct, frozen=True):
    of: "tuple[Condition, ...]"


class AnyOf(Struct, frozen=True):
    of: "tuple[Condition, ...]"


Comparison = Compared | InList | IsMissing | Flag
Condition = Comparison | AllOf | AnyOf


class ExpressionError(RuleError):
    """An expression cannot be used; `offset`: from which of its characters on."""

    def __init__(self, words: str, offset: int) -> None:
        super().__init__(words)
        self.offset = offset


class Lists(Protocol):
    """The lists that expressions may ask."""

    def entities_of(self, name: str) -> frozenset[str]:
        """Which names have values in a list; KeyError, with what is expected, where there is no such list."""


def parse(text: str, names: Names, *, lists: Lists | None = None, is_canonical: bool = False) -> Condition:
    """ExpressionError, and nothing else, where it is none. `lists`: where it is not known that they are there. What
    `text_of` wrote may be longer than what people write."""
    return _Parser(text, names, lists, CANONICAL if is_canonical else WRITTEN).parsed()


_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
# What people of other languages write, and what it is called here. Texts in quotes are not looked at.
_SLIPS = (
    (re.compile(r"&&?"), "and"),
    (re.compile(r"\|\|?"), "or"),
    (re.compile(r"!(?!=)"), "not"),
    (re.compile(r"<>"), "!="),
    (re.compile(r"(?<![<>=!])=(?!=)"), "=="),
    (re.compile(r"\b(?:AND|OR|NOT|IN|IS|MISSING)\b"), "the same word in small letters"),
    (re.compile(r"%"), "a share, such as 0.5 for 50 %"),
    # As word processors and chats write them.
    (re.compile("[\u201c-\u201f\u2018-\u201b\u00ab\u00bb]"), "a plain quote, \" or '"),
    (re.compile("[\u2212\u2013\u2014]"), "-"),
    (re.compile("\u2265"), ">="),
    (re.compile("\u2264"), "<="),
    (re.compile("\u2260"), "!="),
    (re.compile(r"[^\S\n\t ]"), "a plain space"),
)
_QUOTED = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|#[^\n]*")


class _Parser:
    def __init__(self, text: str, names: Names, lists: Lists | None, limits: Limits) -> None:
        self._text = text
        self._names = names
        self._lists = lists
        self._limits = limits
        self._lines = f"({text}\n)".split("\n")

    def parsed(self) -> Condition:
        text = self._text
        if not text.strip():
            raise ExpressionError("got nothing, expected a condition such as amount > 100", 0)
        most = self._limits.characters
        if len(text) > most:
            raise ExpressionError(
                f"got {len(text):,} characters, expected at most {most:,}; make two rules of it, or a list", most
            )
        odd = re.search(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]|[\ud800-\udfff]", text)
        if odd is not None:
            raise ExpressionError(f"got the character {odd[0]!a}, expected text that can be read", odd.start())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python says of a text such as "\d"
            node = self._parsed_by_python()
            stays = self._stays_in_brackets()
        if not stays:
            raise ExpressionError("got a bracket that closes none, expected one that was opened before it", 0)
        return self._condition(node, False, 0)

    def _parsed_by_python(self) -> ast.expr:
        """In brackets, so that an expression may go over several lines."""
        try:
            return ast.parse(f"({self._text}\n)", mode="eval").body
        except SyntaxError as error:
            raise self._unread(error) from None
        except (ValueError, RecursionError, MemoryError):
            raise ExpressionError(_TOO_DEEP, 0) from None

    def _stays_in_brackets(self) -> bool:
        """Whether it leaves the bracket around it alone: what closes a round one does not close another."""
        try:
            return isinstance(ast.parse(f"[{self._text}\n]", mode="eval").body, ast.List)
        except SyntaxError:
            return False

    def _unread(self, error: SyntaxError) -> ExpressionError:
        bare = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), self._text)
        for pattern, expected in _SLIPS:
            if slip := pattern.search(bare):
                got = repr(slip[0]) if slip[0].isspace() else slip[0]
                return ExpressionError(f"got {got}, expected {expected}", slip.start())
        line = min(max(error.lineno or 1, 1), len(self._lines)) - 1
        offset = self._offset(line, max((error.offset or 1) - 1, 0))
        words = (error.msg or "").partition(". Perhaps")[0]
        got = self._text[offset : offset + SHOWN].split("\n")[0] or "the end"
        return ExpressionError(f"got {got}, which cannot be read ({words}), expected a condition", offset)

    # Conditions

    def _condition(self, node: ast.expr, negated: bool, depth: int) -> Condition:
        self._check_depth(node, depth)
        match node:
            case ast.BoolOp():
                parts = [self._condition(part, negated, depth + 1) for part in node.values]
                return _joined(AllOf if isinstance(node.op, ast.And) is not negated else AnyOf, parts)
            case ast.UnaryOp(op=ast.Not()):
                return self._condition(node.operand, not negated, depth + 1)
            case ast.Compare():
                return self._comparisons(node, negated, depth)
            case ast.Name() if node.id in self._names.flags:
                return Flag(node.id, negated)
        value = self._value(node, depth + 1)
        example = f'{self._shown(node)} == "..."' if _type(value) is Type.TEXT else f"{self._shown(node)} > 100"
        raise self._refused(node, f"a {_type(value)}, expected a condition, such as {example}")

    def _comparisons(self, node: ast.Compare, negated: bool, depth: int) -> Condition:
        operands = [node.left, *node.comparators]
        if len(node.ops) > 1 and (odd := [op for op in node.ops if _COMPARISONS[type(op)] not in OPPOSITE]):
            raise self._refused(
                node, f"expected one comparison where there is `{_COMPARISONS[type(odd[0])]}`; join several with `and`"
            )
        found = [
            self._comparison(left, _COMPARISONS[type(op)], right, negated, depth + 1)
            for left, op, right in zip(operands, node.ops, operands[1:], strict=False)
        ]
        return found[0] if len(found) == 1 else _joined(AnyOf if negated else AllOf, found)

    def _comparison(self, left: ast.expr, op: str, right: ast.expr, negated: bool, depth: int) -> Comparison:
        if op in ("is", "is not"):
            if not isinstance(right, ast.Name) or right.id != MISSING:
                raise self._refused(right, f"behind `{op}`, expected `missing`; values are compared by == and !=")
            value = self._value(left, depth)
            if _is_constant(value):
                raise self._refused(left, f"expected a name before `{op} missing`: this is never missing")
            return IsMissing(value, (op == "is not") is not negated)
        if op in ("in", "not in"):
            value, name = self._value(left, depth), self._list(right)
            if not isinstance(value, Name) or value.type is not Type.TEXT:
                raise self._refused(
                    left, f"expected the name of a text before `{op}`, such as customer_id: lists hold texts"
                )
            self._check_list(left, value, right, name)
            return InList(value, name, (op == "not in") is not negated)
        for side in (left, right):
            if isinstance(side, ast.Name) and side.id == MISSING:
                raise self._refused(side, "expected `is missing` or `is not missing`: nothing equals what is missing")
        one, other = self._value(left, depth), self._value(right, depth)
        self._check_types(left, one, op, right, other)
        return Compared(OPPOSITE[op] if negated else op, one, other)

    def _check_types(self, left: ast.expr, one: Value, op: str, right: ast.expr, other: Value) -> None:
        if _is_constant(one) and _is_constant(other):
            raise self._refused(
                left, f"{op} {self._shown(right)}, expected a name in a comparison: this one never changes"
            )
        if _type(one) is not _type(other):
            wrong, got, by, expected = (left, one, right, other) if _is_constant(one) else (right, other, left, one)
            meant = ""
            if isinstance(got, Number):
                meant = f'; did you mean "{number_text(got.value)}"?'
            elif isinstance(got, Text) and _is_number(got.value):
                meant = f"; did you mean {got.value}?"
            raise self._refused(wrong, f"a {_type(got)}, expected a {_type(expected)} as {self._shown(by)} is{meant}")
        if _type(one) is Type.TEXT and op not in ("==", "!="):
            raise self._refused(left, f"{op} {self._shown(right)}, expected == or != between texts")
        for where, value, beside in ((right, other, one), (left, one, other)):
            if isinstance(value, Number) and beside == Name(SCORE, Type.NUMBER) and not 0 <= value.value <= 1:
                share = value.value / 100
                meant = f"; did you mean {number_text(share)}?" if 0 <= share <= 1 else ""
                raise self._refused(where, f"expected a number from 0 to 1 as score is{meant}")
            if not isinstance(value, Text):
                continue
            if not value.value:
                raise self._refused(where, "expected `is missing`: empty text is missing")
            if isinstance(beside, Name) and beside.name == WEEKDAY and value.value not in WEEKDAYS:
                raise self._refused(
                    where, f"expected one of {', '.join(WEEKDAYS)}{near(value.value.lower(), WEEKDAYS)}"
                )

    def _list(self, node: ast.expr) -> str:
        match node:
            case ast.Call(func=ast.Name(id="list"), args=[ast.Constant(value=str(name))], keywords=[]):
                return name
            case ast.Name():
                meant = f'; did you mean list("{node.id}")?'
            case _:
                meant = ""
        raise self._refused(node, f'expected list("name"): what is looked for stands in a list{meant}')

    def _check_list(self, left: ast.expr, value: Name, right: ast.expr, name: str) -> None:
        if self._lists is None:
            return
        try:
            entities = self._lists.entities_of(name)
        except KeyError as error:
            raise self._refused(right, f"expected {error.args[0]}") from None
        if entities and value.name not in entities:
            raise self._refused(left, f"expected {' or '.join(sorted(entities))}: list {name} holds no {value.name}")

    # Values

    def _value(self, node: ast.expr, depth: int) -> Value:
        self._check_depth(node, depth)
        match node:
            case ast.Name():
                return self._name(node, node.id)
            case ast.Constant():
                return self._constant(node, node.value)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                value = self._number(node.operand, depth + 1)
                if isinstance(node.op, ast.UAdd):
                    return value
                return Number(-value.value) if isinstance(value, Number) else Negative(value)
            case ast.BinOp():
                op = _ARITHMETIC.get(type(node.op))
                if op is None:
                    words = {ast.BitAnd: "`and`", ast.BitOr: "`or`"}.get(type(node.op), "one of + - * /")
                    raise self._refused(node, f"expected {words} between its parts")
                return Arithmetic(op, self._number(node.left, depth + 1), self._number(node.right, depth + 1))
            case ast.Call(func=ast.Name(id="attribute"), args=[ast.Constant(value=str(name))], keywords=[]):
                return self._name(node, ATTRIBUTE_PREFIX + name)
            case ast.Call(func=ast.Name(id="list")):
                raise self._refused(node, "expected a name and `in` before it, such as customer_id in list(...)")
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                raise self._refused(node, "a condition, expected a number or a text here")
            case ast.Tuple():
                raise self._refused(
                    node, "expected no comma: decimals have a point, as 0.5, and thousands nothing, as 1000"
                )
        raise self._refused(node, "expected a name, a number, a text in quotes, or + - * / of numbers")

    def _constant(self, node: ast.expr, value: object) -> Value:
        if isinstance(value, str):
            # Python joins texts that stand side by side, where an `or` was forgotten.
            if _QUOTED.fullmatch(self._text, self._begin(node), self._end(node)) is None:
                raise self._refused(node, "expected one text in quotes; compare with each, and join with `or`")
            return Text(value)
        if isinstance(value, bool):
            raise self._refused(node, _NO_TRUTH)
        if not isinstance(value, int | float):
            what = "`is missing`" if value is None else "a number or a text in quotes"
            raise self._refused(node, f"expected {what}")
        if not -LARGEST <= value <= LARGEST:
            raise self._refused(node, f"expected a number up to {LARGEST:,.0f}")
        return Number(float(value))

    def _number(self, node: ast.expr, depth: int) -> Value:
        value = self._value(node, depth)
        if _type(value) is Type.TEXT:
            raise self._refused(node, "a text, expected a number to calculate with")
        return value

    def _name(self, node: ast.expr, name: str) -> Name:
        found = self._names.types.get(name)
        if found is not None:
            return Name(name, found)
        if name in self._names.absent:
            raise self._refused(node, self._names.absent[name])
        if name == MISSING:
            raise self._refused(node, "expected it behind `is`, such as amount is missing")
        if name.startswith(ATTRIBUTE_PREFIX):
            declared = sorted(one for one in self._names.types if one.startswith(ATTRIBUTE_PREFIX))
            raise self._refused(
                node,
                "expected an attribute that the bundle has, or that [attributes] declares as a number or a text"
                + near(name, declared),
            )
        if name in ("true", "false"):
            raise self._refused(node, _NO_TRUTH)
        meant = near(name, (*self._names.types, *self._names.absent))
        if not meant and ATTRIBUTE_PREFIX + name in self._names.types:
            meant = f"; did you mean {ATTRIBUTE_PREFIX}{name}?"
        meant = meant or f'; docs/rules.md lists them, and a text stands in quotes: "{name}"'
        raise self._refused(node, f"expected a feature, a field or an attribute{meant}")

    # Where, and what was got

    def _check_depth(self, node: ast.expr, depth: int) -> None:
        if depth > self._limits.depth:
            raise ExpressionError(_TOO_DEEP, self._begin(node))

    def _refused(self, node: ast.expr, words: str) -> ExpressionError:
        # `expected` says what would be right; what comes before it belongs to what was got.
        sign = ", " if words.startswith(("expected", "a ")) else " "
        return ExpressionError(f"got {self._shown(node)}{sign}{words}", self._begin(node))

    def _shown(self, node: ast.expr) -> str:
        shown = " ".join(self._text[self._begin(node) : self._end(node)].split())
        return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."

    def _begin(self, node: ast.expr) -> int:
        return self._place(node.lineno - 1, node.col_offset)

    def _end(self, node: ast.expr) -> int:
        return self._place((node.end_lineno or 1) - 1, node.end_col_offset or 0)

    def _place(self, line: int, column: int) -> int:
        """Python counts bytes."""
        return self._offset(line, len(self._lines[line].encode()[:column].decode(errors="ignore")))

    def _offset(self, line: int, column: int) -> int:
        """In the text, which begins behind a bracket."""
        offset = sum(len(before) + 1 for before in self._lines[:line]) + column - 1
        return min(max(offset, 0), len(self._text))


_NO_TRUTH = "expected 1 or 0; a feature that is 0 or 1 may stand alone"
_TOO_DEEP = (
    f"got an expression that is nested too deeply, expected at most {WRITTEN.depth} levels; make several rules of it"
)


def near(got: str, known: Iterable[str]) -> str:
    """The likely slip, as the end of a message."""
    found = difflib.get_close_matches(got, likely(got, list(known)), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def likely(got: str, known: list[str]) -> list[str]:
    """Of many names those that begin or end as it does, for each takes difflib a tenth of a millisecond and more."""
    if len(known) <= FEW:
        return known
    found: dict[str, None] = {}
    for step in (1, -1):
        ordered = sorted(name[::step] for name in known)
        place = bisect(ordered, got[::step])
        found |= dict.fromkeys(name[::step] for name in ordered[max(0, place - NEIGHBOURS) : place + NEIGHBOURS])
    return list(found)


def _joined(kind: type[AllOf] | type[AnyOf], parts: Iterable[Condition]) -> Condition:
    """Without brackets that change nothing, so that they do not make another rule."""
    flat = [one for part in parts for one in (part.of if isinstance(part, kind) else (part,))]
    return kind(tuple(flat))


def _type(value: Value) -> Type:
    if isinstance(value, Name):
        return value.type
    return Type.TEXT if isinstance(value, Text) else Type.NUMBER


def _is_constant(value: Value) -> bool:
    if isinstance(value, Arithmetic):
        return _is_constant(value.left) and _is_constant(value.right)
    return _is_constant(value.of) if isinstance(value, Negative) else not isinstance(value, Name)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None


# Back to text, in one form: rule sets with the same digest say the same


def text_of(part: Condition | Value) -> str:
    """What `parse` reads as this."""
    match part:
        case Name():
            return _name_text(part.name)
        case Number():
            return number_text(part.value)
        case Text():
            return _quoted(part.value)
        case Arithmetic():
            # Of what is added or multiplied first on the right, the order of the sums would be another.
            return f"{_bracketed(part.left)} {part.op} {_bracketed(part.right)}"
        case Negative():
            return f"-{_bracketed(part.of)}"
        case Compared():
            return f"{text_of(part.left)} {part.op} {text_of(part.right)}"
        case InList():
            return f"{_name_text(part.of.name)} {'not in' if part.is_negated else 'in'} {LIST}({_quoted(part.list)})"
        case IsMissing():
            return f"{text_of(part.of)} is {'not ' if part.is_negated else ''}{MISSING}"
        case Flag():
            return f"not {part.name}" if part.is_negated else part.name
        case AllOf() | AnyOf():
            inner = (f"({text_of(one)})" if isinstance(one, AllOf | AnyOf) else text_of(one) for one in part.of)
            return (" and " if isinstance(part, AllOf) else " or ").join(inner)


def _bracketed(value: Value) -> str:
    return f"({text_of(value)})" if isinstance(value, Arithmetic | Negative) else text_of(value)


def _name_text(name: str) -> str:
    if name.isascii() and name.isidentifier() and not keyword.iskeyword(name):
        return name
    return f"{ATTRIBUTE}({_quoted(name.removeprefix(ATTRIBUTE_PREFIX))})"


def _quoted(text: str) -> str:
    """A text in quotes, of characters that an expression may have."""
    safe = "".join(c if c.isprintable() and c not in '"\\' else _escaped(c) for c in text)
    return f'"{safe}"'


def _escaped(character: str) -> str:
    return f"\\{character}" if character in '"\\' else f"\\U{ord(character):08x}"


def comparisons_of(condition: Condition) -> Iterator[Comparison]:
    """In their order; each once."""
    if isinstance(condition, AllOf | AnyOf):
        yield from dict.fromkeys(one for part in condition.of for one in comparisons_of(part))
    else:
        yield condition


def names_in(condition: Condition) -> set[str]:
    """The features, fields and attributes that it asks for."""
    return {part.name for part in _parts_of(condition) if isinstance(part, Name | Flag)}


def lists_in(condition: Condition) -> set[str]:
    return {part.list for part in _parts_of(condition) if isinstance(part, InList)}


def _parts_of(part: Condition | Value) -> Iterator[Condition | Value]:
    yield part
    match part:
        case AllOf(of=parts) | AnyOf(of=parts):
            for one in parts:
                yield from _parts_of(one)
        case Arithmetic(left=left, right=right) | Compared(left=left, right=right):
            yield from _parts_of(left)
            yield from _parts_of(right)
        case InList(of=of) | IsMissing(of=of) | Negative(of=of):
            yield from _parts_of(of)
