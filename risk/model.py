"""What a bundle's model is scored by: float32 rows in, raw scores out, the same bits whatever the batch.

The manifest names it, so that what was scored once has the same bits for ever. Boosted trees have a compiled loop of
their own (risk/trees.py). Everything else, and every bundle of version 0.1, has the bits of ONNX Runtime: it scores, or
the loop does in its place, where that gives the same.
"""

import os
from typing import Protocol

import numpy as np

# Told before it is loaded: otherwise it keeps a device's id in the home folder and reports to its maker.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from risk.bundle import ONNX_RUNTIME, TREES, ScoredBy
from risk.codes import Array
from risk.errors import BundleError
from risk.onnx_graph import Graph, read_graph
from risk.trees import Trees

# A batch of one goes through another kernel, with other last bits: it is padded to two.
LEAST_ROWS = 2
TRIED_ROWS = 4_096


class Model(Protocol):
    def raw_scores(self, values: Array) -> Array:
        """The score of each row."""


def model_of(onnx: bytes, width: int, name: str, scored_by: ScoredBy) -> Model:
    """BundleError where that cannot score this file's rows of `width` features."""
    graph = read_graph(onnx, name)
    if scored_by == TREES:
        return Trees(graph, width, name)
    runtime = OnnxModel(onnx, width, name, graph)
    try:
        trees = Trees(graph, width, name, as_onnx_runtime=True)
    except BundleError:
        return runtime
    # The exponential is the C library's: where that of numba were another, many rows would show it.
    tried = trees.edges(TRIED_ROWS)
    return trees if np.array_equal(trees.raw_scores(tried), runtime.raw_scores(tried)) else runtime


def quickest(onnx: bytes, width: int, name: str) -> tuple[ScoredBy, Model]:
    """What a new bundle names: whatever the loop over trees does not take is ONNX Runtime's."""
    graph = read_graph(onnx, name)
    try:
        return TREES, Trees(graph, width, name)
    except BundleError:
        return ONNX_RUNTIME, OnnxModel(onnx, width, name, graph)


class OnnxModel:
    """With two threads, batch sizes differ in the last bits (measured); so one thread, and processes for more."""

    def __init__(self, onnx: bytes, width: int, name: str, graph: Graph | None = None) -> None:
        """`graph`: of the same file, where the caller has read it already; reading it is what allows it."""
        if graph is None:
            read_graph(onnx, name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has a family of its own, which it does not document
            raise BundleError(f"{name}: cannot be loaded ({error}), expected an ONNX model") from error
        shapes = [given.shape for given in self._session.get_inputs()]
        if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] != width:
            raise BundleError(
                f"{name}: takes inputs of shape {str(shapes)[:80]}, expected rows of {width} features as in the "
                "manifest. Restore the bundle."
            )
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[-1].name
        self._try(width, name)

    def _try(self, width: int, name: str) -> None:
        """What cannot score is found out here, and not by the first transaction."""
        try:
            [tried] = self._session.run([self._output], {self._input: np.zeros((LEAST_ROWS, width), np.float32)})
        except Exception as error:
            raise BundleError(f"{name}: cannot score a row of zeros ({error}), expected a model that can") from error
        shape = np.shape(tried)
        if shape != (LEAST_ROWS, 2):
            raise BundleError(
                f"{name}: answers {LEAST_ROWS} rows with a result of shape {shape}, expected two probabilities for each"
            )

    def raw_scores(self, values: Array) -> Array:
        """As ONNX Runtime gives them: float32, widened."""
        rows = len(values)
        if rows == 0:
            return np.empty(0)
        if rows < LEAST_ROWS:
            values = np.concatenate([values, values])
        (probabilities,) = self._session.run([self._output], {self._input: values})
        return np.asarray(probabilities[:rows, 1], np.float64)
