"""Boosted trees, scored by a compiled loop: the trees are those of the bundle's ONNX file, the time is two fifths of
ONNX Runtime's (bench/trees.py).

As QuickScorer does it (Lucchese and others, SIGIR 2015), each leaf of a tree is a bit, from left to right. A threshold
below the value clears the leaves on its left, and the lowest bit that stays is the leaf of the row. The thresholds of a
feature are sorted and lie in pieces; what all pieces up to one clear is known beforehand, so that of each feature one
line and one piece are looked at. Leaves are added in the order of the trees, and the exponential is made of plain
arithmetic, so that a score has the same bits on every machine. Bundles that name ONNX Runtime get the bits of that:
it adds leaves in the same order, in float64, too, and only its last step is another.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from risk.codes import Array
from risk.errors import BundleError
from risk.onnx_graph import Graph, Node
from risk.windows import compiled

MOST_LEAVES = 64
PIECE = 32
# The masks grow with the square of the trees. Larger ones fit into no cache, and fill memory.
MOST_MASK_BYTES = 8 * 1024**2

_DOUBLE = 11  # as ONNX numbers its types
_ATTRIBUTES = {
    "classlabels_int64s", "post_transform", "nodes_values_as_tensor", "class_weights_as_tensor", "class_ids",
    "class_nodeids", "class_treeids", "nodes_featureids", "nodes_falsenodeids", "nodes_truenodeids", "nodes_modes",
    "nodes_missing_value_tracks_true", "nodes_nodeids", "nodes_treeids",
}  # fmt: skip


class _Inner(NamedTuple):
    """A node that is no leaf."""

    feature: int
    threshold: float
    left: int
    right: int


class _Split(NamedTuple):
    """A threshold, and which leaves of its tree stay where it is below the value."""

    feature: int
    threshold: float
    tree: int
    stays: int


class Trees:
    """float32 rows in, raw scores out. `Preparation` leaves no NaN in them, for which ONNX Runtime goes another way."""

    def __init__(self, graph: Graph, width: int, name: str, *, as_onnx_runtime: bool = False) -> None:
        """BundleError where the file holds anything but boosted trees that are small enough: what it would score
        otherwise than ONNX Runtime is left to that. `as_onnx_runtime`: with the logistic that ONNX Runtime has, in
        float32 and by the C library's exponential, for the bits of bundles that name it."""
        self._as_onnx_runtime = as_onnx_runtime
        try:
            splits, leaves = _parsed(_ensemble(graph, width), width)
            if as_onnx_runtime and not (leaves < 0).any():
                raise ValueError("no leaf below 0, and then ONNX Runtime leaves the logistic out")
        except (ValueError, KeyError, RecursionError) as error:
            raise BundleError(
                f"{name}: cannot be scored by the loop over trees ({error}), expected boosted trees of at most "
                f"{MOST_LEAVES} leaves"
            ) from None
        self._width = width
        splits.sort(key=lambda split: split[:2])
        self._thresholds = np.array([split.threshold for split in splits], np.float32)
        self._trees = np.array([split.tree for split in splits], np.uint32)
        self._stays = np.array([split.stays for split in splits], np.uint64)
        self._leaves = np.zeros_like(leaves)
        self._leaves[:, [_place_of(1 << bit) for bit in range(MOST_LEAVES)]] = leaves
        counts = np.bincount([split.feature for split in splits], minlength=width)
        self._first = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)
        size = int((counts // PIECE + 1).sum()) * leaves.shape[0] * 8
        if size > MOST_MASK_BYTES:
            raise BundleError(
                f"{name}: {len(leaves):,} trees need {size:,} bytes, expected at most {MOST_MASK_BYTES:,}"
            )
        self._masks, self._first_mask, self._largest = self._prefix_masks(len(leaves))
        self.raw_scores(np.zeros((1, width), np.float32))  # what cannot score is found out here; and it is compiled

    def _prefix_masks(self, trees: int) -> tuple[Array, Array, Array]:
        """Of each feature the leaves that stay behind none of its full pieces, behind the first, the first two and so
        on; where the masks of each feature begin; and the largest threshold of each full piece."""
        masks: list[Array] = []
        first_mask: list[int] = []
        largest: list[float] = []
        for first, end in pairwise(self._first.tolist()):
            mask = np.full(trees, ALL_STAY, np.uint64)
            first_mask.append(len(masks))
            masks.append(mask)
            for place in range(first, end - PIECE + 1, PIECE):
                mask = mask.copy()
                np.bitwise_and.at(mask, self._trees[place : place + PIECE], self._stays[place : place + PIECE])
                masks.append(mask)
                largest.append(self._thresholds[place + PIECE - 1])
        return np.array(masks), np.array([*first_mask, len(masks)], np.uint32), np.array(largest, np.float32)

    def raw_scores(self, values: Array) -> Array:
        """The score of each row: the logistic of what its leaves add up to."""
        # The loop would look anywhere in memory.
        if values.dtype != np.float32 or values.ndim != 2 or values.shape[1] != self._width:
            raise ValueError(f"got {values.dtype} {values.shape}, expected float32 rows of {self._width}")
        scores = np.empty(len(values))
        _score(values, self._first, self._first_mask, self._largest, self._masks, self._thresholds, self._trees,
               self._stays, self._leaves, self._as_onnx_runtime, np.empty(len(self._leaves), np.uint64),
               scores)  # fmt: skip
        return scores

    def edges(self, count: int) -> Array:
        """Rows on thresholds and a step above them, the same at every call."""
        # Multiples of the golden ratio lie evenly between 0 and 1: drawn without dice.
        turns = np.arange(count) * ((1 + math.sqrt(5)) / 2)
        values = np.zeros((count, self._width), np.float32)
        for feature, (first, end) in enumerate(pairwise(self._first.tolist())):
            if first < end:
                drawn = ((feature + 1) * turns % 1 * 2 * (end - first)).astype(np.int64)
                on = self._thresholds[first:end][drawn >> 1]
                values[:, feature] = np.where(drawn & 1, np.nextafter(on, np.float32(np.inf)), on)
        return values


def _ensemble(graph: Graph, width: int) -> Node:
    """The trees of a file that holds nothing else: features are widened, and summed leaves go through a logistic."""
    if [node.operator for node in graph.nodes] != ["Cast", "TreeEnsembleClassifier"]:
        raise ValueError(f"operators {', '.join(node.operator for node in graph.nodes)[:80]}")
    widen, trees = graph.nodes
    [(name, sizes)] = graph.inputs
    if widen.takes != [name] or trees.takes != widen.gives or widen.integer("to") != _DOUBLE or sizes[1:] != [width]:
        raise ValueError(f"inputs of {sizes}, expected rows of {width} features, widened to float64")
    if graph.outputs[-1:] != trees.gives[1:]:
        raise ValueError("outputs that are not the trees' probabilities")
    if trees.names != _ATTRIBUTES:
        raise ValueError(f"attributes {', '.join(sorted(trees.names ^ _ATTRIBUTES))[:80]}")
    if trees.text("post_transform") != b"LOGISTIC" or trees.integers("classlabels_int64s") != [0, 1]:
        raise ValueError("another transformation than the logistic, or other classes than 0 and 1")
    if any(trees.integers("class_ids")) or any(trees.integers("nodes_missing_value_tracks_true")):
        raise ValueError("leaves of another class, or another way for what is missing")
    return trees


def _parsed(ensemble: Node, width: int) -> tuple[list[_Split], Array]:
    """Every split, and a row of leaves for each tree, from the left to the right."""
    columns = [ensemble.integers(f"nodes_{name}") for name in ("featureids", "truenodeids", "falsenodeids")]
    thresholds, modes = ensemble.numbers("nodes_values_as_tensor"), ensemble.texts("nodes_modes")
    places = list(zip(ensemble.integers("nodes_treeids"), ensemble.integers("nodes_nodeids"), strict=True))
    nodes: dict[tuple[int, int], _Inner] = {}
    ends = [place for place, mode in zip(places, modes, strict=True) if mode == b"LEAF"]
    for place, mode, threshold, feature, left, right in zip(places, modes, thresholds, *columns, strict=True):
        if mode == b"LEAF":
            continue
        # A threshold that is no float32 would send a float32 the other way once it is rounded; NaN is none, either.
        is_fit = mode == b"BRANCH_LEQ" and 0 <= feature < width and float(np.float32(threshold)) == threshold
        if not is_fit or place in nodes:
            raise ValueError(f"a split by {mode!r} of feature {feature} at {threshold}")
        nodes[place] = _Inner(feature, threshold, left, right)
    names = list(zip(ensemble.integers("class_treeids"), ensemble.integers("class_nodeids"), strict=True))
    weights = dict(zip(names, ensemble.numbers("class_weights_as_tensor"), strict=True))
    trees = sorted({tree for tree, _ in weights})
    if not trees or trees != list(range(len(trees))) or sorted(names) != sorted(ends) or len(weights) != len(names):
        raise ValueError("trees that are not whole")
    splits: list[_Split] = []
    leaves = np.zeros((len(trees), MOST_LEAVES))
    for tree in trees:
        found: list[float] = []
        _walk(tree, 0, nodes, weights, splits, found)
        if len(found) > MOST_LEAVES or not all(map(math.isfinite, found)):
            raise ValueError(f"tree {tree} has {len(found)} leaves, or one that is no number")
        leaves[tree, : len(found)] = found
    if nodes or weights:
        raise ValueError("nodes of no tree")
    return splits, leaves


def _walk(
    tree: int,
    number: int,
    nodes: dict[tuple[int, int], _Inner],
    weights: dict[tuple[int, int], float],
    splits: list[_Split],
    leaves: list[float],
) -> None:
    """From this node on. What was met is taken out: KeyError where a tree meets it again, or names what is missing."""
    node = nodes.pop((tree, number), None)
    if node is None:
        leaves.append(weights.pop((tree, number)))
        return
    first = len(leaves)
    _walk(tree, node.left, nodes, weights, splits, leaves)
    on_the_left = (1 << len(leaves)) - (1 << first)
    splits.append(_Split(node.feature, node.threshold, tree, ALL_STAY & ~on_the_left))
    _walk(tree, node.right, nodes, weights, splits, leaves)


ALL_STAY = (1 << MOST_LEAVES) - 1
# A de Bruijn sequence: multiplied by it, each single bit has other six bits at its head, its place in a row of leaves.
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_HEAD = np.uint64(58)
_ONE, _ALL = np.uint64(1), np.uint64(ALL_STAY)
_SINGLE_ONE = np.float32(1)
_LN2_HIGH, _LN2_LOW, _PER_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10, 1 / math.log(2)
_LARGEST_EXPONENT = 700.0
_TERMS = tuple(1 / math.factorial(power) for power in range(13, -1, -1))


def _place_of(bit: int) -> int:
    return bit * int(_DE_BRUIJN) % (1 << 64) >> int(_HEAD)


@compiled
def _exponential(x: float) -> float:
    """Within two units of the last place; by additions and products alone, which are the same everywhere."""
    x = min(max(x, -_LARGEST_EXPONENT), _LARGEST_EXPONENT)
    power = math.floor(x * _PER_LN2 + 0.5)
    rest = (x - power * _LN2_HIGH) - power * _LN2_LOW
    total = 0.0
    for term in _TERMS:
        total = total * rest + term
    return math.ldexp(total, int(power))


@compiled
def _score(
    values: Array, first: Array, first_mask: Array, largest: Array, masks: Array, thresholds: Array, trees: Array,
    stays: Array, leaves: Array, as_onnx_runtime: bool, stay: Array, scores: Array,
) -> None:  # fmt: skip
    """`stay` has a place for each tree: which of its leaves are left, of the row at hand."""
    rows, width = values.shape
    count = len(leaves)
    for row in range(rows):
        stay[:] = _ALL
        for feature in range(width):
            value = values[row, feature]
            begin = first_mask[feature]
            full = np.uint32(0)
            # Each feature has one mask more than it has full pieces.
            for piece in range(begin - feature, first_mask[feature + 1] - feature - 1):
                full += np.uint32(largest[piece] < value)
            if full > 0:
                mask = masks[begin + full]
                for tree in range(count):
                    stay[tree] &= mask[tree]
            place = first[feature] + full * np.uint32(PIECE)
            for split in range(place, min(place + np.uint32(PIECE), first[feature + 1])):
                stay[trees[split]] &= stays[split] if thresholds[split] < value else _ALL
        total = 0.0
        for tree in range(count):
            left = stay[tree]
            lowest = left & (~left + _ONE)
            total += leaves[tree, (lowest * _DE_BRUIJN) >> _HEAD]
        if as_onnx_runtime:
            margin = np.float32(total)
            likelier = _SINGLE_ONE / (_SINGLE_ONE + np.exp(-abs(margin)))
            scores[row] = _SINGLE_ONE - likelier if margin < 0 else likelier
        else:
            scores[row] = 1.0 / (1.0 + _exponential(-total))
