"""What a challenger adds to a transaction's processor time: its whole way through the worker but for Kafka, with a
challenger of the same kind as the bundle in use and without one, in turns.

    python -m bench.shadow [--customers 800] [--repeat 7]
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.alone import run_alone
from bench.results import ratios
from bench.stream.steps import PLACE, records_of
from bench.stream.system import History, generated, trained
from risk.bundle import Bundle, read_bundle
from risk.kafka.decoding import transaction_reader
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.scorer import Scorer
from risk.store import Outputs, open_store
from scorer.log.chunks import MOST_IN_A_CHUNK
from scorer.log.outputs import outgoing
from scorer.worker.shadow import Waiting, piece_of
from scorer.worker.swap import ready_to_score

SMALL_CHUNK = 100
# A worker stores what it scores in the shadow within a quarter of a second in one transaction: at 2,000 a second, 500.
STORED_AT_ONCE = 500


def seconds(bundle: Bundle, records: Sequence[Any], chunk_rows: int, *, with_challenger: bool) -> float:
    """Of processor time, for all of them."""
    manifest = bundle.manifest
    read, pipeline = transaction_reader(manifest.max_ahead_ms), Pipeline(bundle, SeenDays(manifest.terms.ledger_terms))
    scorer = Scorer(bundle)
    ready_to_score(bundle)
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "risk.db") as store:
        taken = store.take_over(PLACE.topic, 0, first_offset=0)
        store.remember_challenger(manifest.version, "{}")
        partition: Any = None  # nobody asks for it
        pieces = []
        began = time.process_time()
        for first in range(0, len(records), chunk_rows):
            chunk = records[first : first + chunk_rows]
            block = read(chunk).block
            features = pipeline.features(block)
            out = outgoing(manifest, PLACE, chunk, block, pipeline.decide(features, block))
            behind = first + len(chunk)
            store.commit_flags(
                taken.owner,
                expected=first,
                next_offset=behind,
                newest_event_time=int(block.event_time[-1]),
                outputs=Outputs(0, 0, 0),
                rows=out.rows,
                samples=out.samples,
                challenger=manifest.version if with_challenger else None,
            )
            if with_challenger:
                pieces.append(piece_of(Waiting(partition, scorer, first, behind, out.flags.source_offsets, features)))
                if sum(len(piece.scores) for piece in pieces) >= STORED_AT_ONCE or behind == len(records):
                    store.commit_shadow(taken.owner, manifest.version, pieces)
                    pieces = []
        return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=800, help="235 transactions each (default: 800)")
    parser.add_argument("--repeat", type=int, default=7, help="turns (default: 7)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path, models = Path(name) / "history.parquet", Path(name) / "models"
        rows = generated(path, options.customers)
        trained(path, models)
        history = History(path, rows, models)
        bundle, records = read_bundle(history.bundle), records_of(history)
        for chunk_rows in (MOST_IN_A_CHUNK, SMALL_CHUNK):
            _measure(bundle, records, chunk_rows, options.repeat)


def _measure(bundle: Bundle, records: Sequence[Any], chunk_rows: int, repeat: int) -> None:
    without, beside = [], []
    for _ in range(repeat):
        without.append(seconds(bundle, records, chunk_rows, with_challenger=False))
        beside.append(seconds(bundle, records, chunk_rows, with_challenger=True))
    ratio = ratios(beside, without)
    alone, both = (min(these) / len(records) * 1e6 for these in (without, beside))
    print(
        f"chunks of {chunk_rows:,}: {len(records):,} transactions, {alone:.1f} µs of CPU each, with a challenger "
        f"{both:.1f}: {ratio.median:.2f} times as long ({ratio.least:.2f} to {ratio.most:.2f})"
    )


if __name__ == "__main__":
    run_alone(main)
