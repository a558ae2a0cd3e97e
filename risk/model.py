"""The door to ONNX Runtime: float32 rows in, raw scores out, the same bits whatever the batch."""

import os

import numpy as np

# Told before it is loaded: otherwise it keeps a device's id in the home folder and reports to its maker.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

from risk.codes import Array
from risk.errors import BundleError

# A batch of one goes through another kernel, with other last bits: it is padded to two.
LEAST_ROWS = 2


class Model:
    """With two threads, batch sizes differ in the last bits (measured); so one thread, and processes for more."""

    def __init__(self, onnx: bytes, width: int, name: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has a family of its own, which it does not document
            raise BundleError(f"{name}: cannot be loaded ({error}), expected an ONNX model") from error
        shape = self._session.get_inputs()[0].shape
        if shape[1] != width:
            raise BundleError(
                f"{name}: takes {shape[1]} features, expected {width} as in the manifest. Restore the bundle."
            )
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[-1].name

    def raw_scores(self, values: Array) -> Array:
        """The score of each row, as the model gives it: float32, widened."""
        rows = len(values)
        if rows == 0:
            return np.empty(0)
        if rows < LEAST_ROWS:
            values = np.concatenate([values, values])
        (probabilities,) = self._session.run([self._output], {self._input: values})
        return np.asarray(probabilities[:rows, 1], np.float64)
