"""What a LightGBM bundle's trees cost by the compiled loop and by ONNX Runtime, in turns.

    python -m bench.trees [--repeat 5]

Rows are the prepared features of a generated `cards` history, in chunks of a thousand; processor time.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.alone import run_alone
from bench.stream.system import LEAST_CUSTOMERS, generated, trained
from risk.bundle import ONNX_RUNTIME, TREES, read_bundle
from risk.codes import Array
from risk.dataset import open_dataset
from risk.ledger import SeenDays
from risk.model import Model, OnnxModel
from risk.onnx_graph import read_graph
from risk.pipeline import Pipeline
from risk.trees import Trees

CHUNK, ROWS = 1_000, 60_000


def prepared(history: Path, pipeline: Pipeline) -> Array:
    blocks = [rows.block for rows in open_dataset(history).rows()]
    return np.concatenate([pipeline.scorer.prepare(pipeline.engine.features(block)).values for block in blocks])[-ROWS:]


def microseconds(model: Model, values: Array) -> float:
    began = time.process_time()
    for first in range(0, len(values), CHUNK):
        model.raw_scores(values[first : first + CHUNK])
    return (time.process_time() - began) / len(values) * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generated(folder / "cards.parquet", LEAST_CUSTOMERS)
        trained(folder / "cards.parquet", folder / "models")
        bundle = read_bundle(folder / "models")
        manifest = bundle.manifest
        days = SeenDays(manifest.terms.ledger_terms)
        values = prepared(folder / "cards.parquet", Pipeline(bundle, days))
        width = len(manifest.features)
        models: dict[str, Model] = {
            ONNX_RUNTIME: OnnxModel(bundle.onnx, width, ONNX_RUNTIME),
            TREES: Trees(read_graph(bundle.onnx, TREES), width, TREES),
        }
        found: dict[str, list[float]] = {kind: [] for kind in models}
        for model in models.values():
            microseconds(model, values[:CHUNK])  # compiled
        for _ in range(options.repeat):
            for kind, model in models.items():
                found[kind].append(microseconds(model, values))
    print(f"{'µs a row':<14}{'least':>8}{'median':>8}{'most':>8}")
    for kind, each in found.items():
        print(f"{kind:<14}{min(each):>8.2f}{statistics.median(each):>8.2f}{max(each):>8.2f}")
    ratios = [one / other for one, other in zip(found[TREES], found[ONNX_RUNTIME], strict=True)]
    print(f"{'ratio':<14}{min(ratios):>8.2f}{statistics.median(ratios):>8.2f}{max(ratios):>8.2f}")
    return 0


if __name__ == "__main__":
    run_alone(main)
