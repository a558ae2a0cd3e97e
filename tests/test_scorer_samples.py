"""Which features are stored, and that they are stored with the rows."""

from itertools import pairwise

import numpy as np
import pytest

from risk.block import Block, block_of
from risk.bundle import Manifest
from risk.decision import Scored
from risk.engine import FeatureBlock, Verdict
from risk.events import Level, Transaction
from risk.pipeline import Part
from risk.scorer import Prepared
from scorer.log.outputs import outgoing
from testing.bundles import write_bundle
from tests.backtests import FIELDS, LEARNED
from tests.test_scorer_batch import Bench, Pipeline, Pipelines, chunk, transaction
from tests.test_scorer_log_outputs import PLACE, SomeRecord


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_bundle(tmp_path_factory.mktemp("bundle"), FIELDS, LEARNED, [0.1] * len(LEARNED))


class PipelineWithFeatures(Pipeline):
    def parts(self, features: FeatureBlock, block: Block) -> list[Part]:
        [part] = super().parts(features, block)
        rows = len(part.scored.rows)
        prepared = Prepared(np.arange(rows), np.zeros((rows, 2), np.float32), np.zeros((rows, 2), bool), np.arange(2))
        return [part._replace(scored=part.scored._replace(prepared=prepared))]


def test_the_features_of_every_tenth_offset_are_stored_with_the_rows(manifest: Manifest) -> None:
    bench = Bench(manifest)
    bench.batches._pipelines = Pipelines(PipelineWithFeatures(manifest, bench.journal))  # type: ignore[assignment]
    bench.happened(chunk(0, *map(transaction, range(21))))
    assert "commit 0 to 21: 21 rows, features of 3" in bench.order()


@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 40]])
def test_which_features_are_stored_says_the_offset_however_batches_are_cut(manifest: Manifest, cuts: list[int]) -> None:
    """So that a rebuilt store and another worker have the same ones, with NaN where a number was missing."""
    count, first = 50, 95
    values = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    missing = np.zeros((count, 2), bool)
    missing[5, 1] = True  # of offset 100
    samples = []
    for begin, end in pairwise([0, *cuts, count]):
        rows = list(range(end - begin))
        prepared = Prepared(np.array(rows), values[begin:end], missing[begin:end], np.array([0, 2]))
        scored = Scored(
            np.full(len(rows), Verdict.SCORED, np.int8), rows, [0.1] * len(rows), [Level.LOW] * len(rows),
            [()] * len(rows), [()] * len(rows), [None] * len(rows), prepared=prepared,
        )  # fmt: skip
        block = block_of([Transaction("t", 0, "ann", "EUR")] * len(rows))
        records = [SomeRecord(first + begin + row, b"") for row in rows]
        samples += outgoing(manifest, PLACE, records, block, scored).samples
    assert [(partition, offset) for partition, offset, _ in samples] == [
        (PLACE.partition, o) for o in range(100, 145, 10)
    ]
    read = [np.frombuffer(features, "<f4").tolist() for _, _, features in samples]
    assert read[1:] == values[15::10].tolist()
    assert read[0][:2] == [15.0, 16.0]
    assert np.isnan(read[0][2])
