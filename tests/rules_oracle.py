"""Rules a second time, one row after the other, straight from Python's own syntax tree: slow, and with three values.

What is missing makes a comparison neither true nor false; `not` of that is neither, too; a rule fires where its
condition is true. The domain compiles two values instead, with every `not` taken to the comparisons. Both must fire on
the same.
"""

import ast
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from risk.rules.rule_set import ListEntry

Value = float | str | None


class Row(NamedTuple):
    """By name, as the rule names it; the time decides what stands in a list."""

    values: Mapping[str, Value]
    time: int
    lists: Mapping[str, Sequence[ListEntry]]


def fires(when: str, row: Row) -> bool:
    return _truth(ast.parse(f"({when}\n)", mode="eval").body, row) is True


def _truth(node: ast.expr, row: Row) -> bool | None:
    match node:
        case ast.BoolOp(op=ast.And()):
            parts = [_truth(part, row) for part in node.values]
            return False if False in parts else None if None in parts else True
        case ast.BoolOp():
            parts = [_truth(part, row) for part in node.values]
            return True if True in parts else None if None in parts else False
        case ast.UnaryOp(op=ast.Not()):
            inner = _truth(node.operand, row)
            return None if inner is None else not inner
        case ast.Compare():
            operands = [node.left, *node.comparators]
            links = zip(operands, node.ops, operands[1:], strict=False)
            parts = [_holds(left, op, right, row) for left, op, right in links]
            return False if False in parts else None if None in parts else True
    flag = _value(node, row)
    return None if flag is None else flag == 1.0


def _holds(left: ast.expr, op: ast.cmpop, right: ast.expr, row: Row) -> bool | None:
    one = _value(left, row)
    if isinstance(op, ast.Is):
        return one is None
    if isinstance(op, ast.IsNot):
        return one is not None
    if isinstance(op, ast.In | ast.NotIn):
        assert isinstance(right, ast.Call)
        assert isinstance(right.args[0], ast.Constant)
        if one is None:
            return None
        entity = left.id if isinstance(left, ast.Name) else f"attribute_{ast.literal_eval(left.args[0])}"  # type: ignore[attr-defined]
        inside = any(
            (entry.entity, entry.value) == (entity, one)
            and (entry.since is None or entry.since <= row.time)
            and (entry.until is None or row.time < entry.until)
            for entry in row.lists[str(right.args[0].value)]
        )
        return inside is isinstance(op, ast.In)
    other = _value(right, row)
    if one is None or other is None:
        return None
    match op:
        case ast.Eq():
            return one == other
        case ast.NotEq():
            return one != other
    assert isinstance(one, float)
    assert isinstance(other, float)
    match op:
        case ast.Lt():
            return one < other
        case ast.LtE():
            return one <= other
        case ast.Gt():
            return one > other
    return one >= other


def _value(node: ast.expr, row: Row) -> Value:
    match node:
        case ast.Name():
            return row.values[node.id]
        case ast.Constant(value=str()):
            return str(node.value)
        case ast.Constant():
            return float(node.value)  # type: ignore[arg-type]
        case ast.Call(args=[ast.Constant()]):
            return row.values[f"attribute_{ast.literal_eval(node.args[0])}"]
        case ast.UnaryOp():
            inner = _value(node.operand, row)
            assert not isinstance(inner, str)
            return None if inner is None else -inner if isinstance(node.op, ast.USub) else inner
    assert isinstance(node, ast.BinOp)
    left, right = _value(node.left, row), _value(node.right, row)
    if left is None or right is None:
        return None
    assert isinstance(left, float)
    assert isinstance(right, float)
    if isinstance(node.op, ast.Div):
        if right == 0:
            return None
        found = left / right
    else:
        found = (
            left + right
            if isinstance(node.op, ast.Add)
            else left - right
            if isinstance(node.op, ast.Sub)
            else left * right
        )
    return found if math.isfinite(found) else None
