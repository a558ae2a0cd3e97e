"""What an ONNX file may hold, looked at before ONNX Runtime loads it.

A model that loops, or reads other files, would hang a start or lead out of the bundle. Ours need neither: a handful of
operators without a graph of their own. The file is read as protobuf's wire format says, so that a worker need not load
the library that makes such files (10 MB, half a second).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from risk.errors import BundleError

# Those of our own models, and plain arithmetic.
OPERATORS = frozenset(
    {
        *("Cast", "TreeEnsembleClassifier"),
        *("ArrayFeatureExtractor", "Concat", "Gather", "LinearClassifier", "OneHotEncoder", "Reshape", "Scaler"),
        *("Add", "Div", "Exp", "Identity", "MatMul", "Mul", "Neg", "Normalizer", "Relu", "Sigmoid", "Softmax", "Sub"),
    }
)
MOST_NODES = 1_000

# Field numbers of onnx.proto
_GRAPH, _FUNCTIONS = 7, 25
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _SPARSE_INITIALIZER = 1, 5, 11, 12, 15
_TAKES, _GIVES, _OP_TYPE, _ATTRIBUTE = 1, 2, 4, 5
_NAME, _INTEGER, _TEXT, _TENSOR, _INTEGERS, _TEXTS, _TENSORS, _SPARSE, _SPARSES = 1, 3, 4, 5, 8, 9, 10, 22, 23
_DATA_TYPE, _RAW, _DOUBLES, _IS_DOUBLES = 2, 9, 10, 11
_DATA_LOCATION, _ELSEWHERE = 14, 1
_TYPE, _TENSOR_TYPE, _SHAPE, _DIMENSION, _SIZE = 2, 1, 2, 1, 1

_Field = tuple[int, int | memoryview]


class Node:
    """One operator: what it is called, takes and gives, and its attributes. ValueError where one is asked for that is
    not there, or twice."""

    def __init__(self, message: memoryview) -> None:
        fields = list(_fields(message))
        # Of a field that is there twice the last one counts.
        self.operator = b"".join(_values(fields, _OP_TYPE)[-1:]).decode()
        self.takes, self.gives = _values(fields, _TAKES), _values(fields, _GIVES)
        each = [list(_fields(_message(value))) for number, value in fields if number == _ATTRIBUTE]
        self._attributes = [(b"".join(_values(attribute, _NAME)[-1:]).decode(), attribute) for attribute in each]

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self._attributes}

    @property
    def is_elsewhere(self) -> bool:
        """Whether a tensor among the attributes lies in another file, or is a sparse one, which nobody looked into."""
        return any(
            number in (_SPARSE, _SPARSES) or (number in (_TENSOR, _TENSORS) and _is_elsewhere(_message(value)))
            for _, attribute in self._attributes
            for number, value in attribute
        )

    def integer(self, name: str) -> int:
        [value] = [value for number, value in self._attribute(name) if number == _INTEGER]
        if not isinstance(value, int):
            raise ValueError(f"{name} is no number")
        return value

    def text(self, name: str) -> bytes:
        [value] = _values(self._attribute(name), _TEXT)
        return value

    def texts(self, name: str) -> list[bytes]:
        return _values(self._attribute(name), _TEXTS)

    def integers(self, name: str) -> list[int]:
        """One by one or packed, and negative ones as two's complement."""
        found = []
        for value in (value for number, value in self._attribute(name) if number == _INTEGERS):
            found += [value] if isinstance(value, int) else _packed(value)
        return [value - (1 << 64) if value >> 63 else value for value in found]

    def numbers(self, name: str) -> tuple[float, ...]:
        """A tensor of float64, in either of the forms that ONNX has for it."""
        [raw] = _values(self._attribute(name), _TENSOR)
        tensor = list(_fields(memoryview(raw)))
        packed = b"".join(_message(value) for number, value in tensor if number in (_RAW, _DOUBLES))
        if (_DATA_TYPE, _IS_DOUBLES) not in tensor or len(packed) % 8:
            raise ValueError(f"{name} is no tensor of float64")
        return struct.unpack(f"<{len(packed) // 8}d", packed)

    def _attribute(self, name: str) -> list[_Field]:
        found = [attribute for other, attribute in self._attributes if other == name]
        if len(found) != 1:
            raise ValueError(f"{name} is there {len(found)} times, expected once")
        return found[0]


class Graph(NamedTuple):
    """What a file holds, once it was looked at."""

    nodes: list[Node]
    inputs: list[tuple[bytes, list[int]]]  # name and sizes, 0 where a size is not fixed
    outputs: list[bytes]


def read_graph(onnx: bytes, name: str) -> Graph:
    """BundleError where the file is no model, or one that we do not run."""
    try:
        fields = [part for number, value in _fields(memoryview(onnx)) for part in _graph_fields(number, value)]
        nodes = [Node(_message(value)) for number, value in fields if number == _NODE]
        graph = Graph(
            nodes,
            [_input(_message(value)) for number, value in fields if number == _INPUT],
            [b"".join(_values(list(_fields(_message(v))), _NAME)) for number, v in fields if number == _OUTPUT],
        )
        is_elsewhere = any(node.is_elsewhere for node in nodes) or any(
            number == _SPARSE_INITIALIZER or (number == _INITIALIZER and _is_elsewhere(_message(value)))
            for number, value in fields
        )
    except (ValueError, IndexError) as error:
        raise BundleError(f"{name}: cannot be loaded ({error}), expected an ONNX model") from None
    if is_elsewhere:
        raise BundleError(f"{name}: got weights outside of the file, or sparse ones, expected all of them in the file")
    if not 0 < len(nodes) <= MOST_NODES:
        raise BundleError(f"{name}: got {len(nodes):,} nodes, expected 1 to {MOST_NODES:,}")
    for node in nodes:
        if node.operator not in OPERATORS:
            raise BundleError(
                f"{name}: got the operator {node.operator[:80]!r}, expected one of {', '.join(sorted(OPERATORS))}: a "
                "model that loops could run for ever"
            )
    return graph


def _input(message: memoryview) -> tuple[bytes, list[int]]:
    fields = list(_fields(message))
    shape = [message]
    for number in (_TYPE, _TENSOR_TYPE, _SHAPE):
        shape = [inner for outer in shape for inner in _parts(outer, number)]
    sizes = [part for outer in shape for part in _parts(outer, _DIMENSION)]
    fixed = [[value for number, value in _fields(size) if number == _SIZE and isinstance(value, int)] for size in sizes]
    return b"".join(_values(fields, _NAME)), [size[-1] if size else 0 for size in fixed]


def _parts(message: memoryview, wanted: int) -> list[memoryview]:
    return [_message(value) for number, value in _fields(message) if number == wanted]


def _values(fields: list[_Field], wanted: int) -> list[bytes]:
    return [bytes(_message(value)) for number, value in fields if number == wanted]


def _is_elsewhere(tensor: memoryview) -> bool:
    return any(field == (_DATA_LOCATION, _ELSEWHERE) for field in _fields(tensor))


def _packed(message: memoryview) -> list[int]:
    found, place = [], 0
    while place < len(message):
        value, place = _varint(message, place)
        found.append(value)
    return found


def _graph_fields(number: int, value: int | memoryview) -> Iterator[_Field]:
    if number == _FUNCTIONS:
        raise ValueError("it defines operators of its own")
    if number == _GRAPH:
        yield from _fields(_message(value))


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _fields(message: memoryview) -> Iterator[_Field]:
    """Numbers and values: integers, or the bytes of anything else."""
    place, end = 0, len(message)
    while place < end:
        # A forest has a hundred thousand fields, and nearly all of their numbers one byte: a call for each took a fifth
        # of the time in which a bundle is loaded.
        key, place = (message[place], place + 1) if message[place] < 0x80 else _varint(message, place)
        kind = key & 7
        if kind == 0:
            value, place = (message[place], place + 1) if message[place] < 0x80 else _varint(message, place)
            yield key >> 3, value
            continue
        if kind == 2:
            size, place = (message[place], place + 1) if message[place] < 0x80 else _varint(message, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if size > end - place:
            raise ValueError("it is cut off")
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number without an end")
