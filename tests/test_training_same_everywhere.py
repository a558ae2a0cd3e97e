"""The same history, options and seed give the same bundle: whatever the processor's vectors and the order of a set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trained_prints import prints

ROOT = Path(__file__).parent.parent
# Older processors, as numpy, OpenBLAS and the C library see them; and sets in another order.
AVX2 = {
    "PYTHONHASHSEED": "2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
}
BELOW = {
    "PYTHONHASHSEED": "3",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Nehalem",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4",
}


@pytest.mark.proof
@pytest.mark.parametrize("machine", [AVX2, BELOW], ids=["AVX2", "below"])
def test_an_older_processor_trains_the_same_models_calibrations_and_thresholds(machine: dict[str, str]) -> None:
    """The four hashes of each model: ONNX, hyper-parameters drawn, calibration, thresholds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.trained_prints"],
        check=True, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **machine},
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == prints()
