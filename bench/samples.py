"""What storing sampled features adds to a transaction's processor time: its whole way through the worker but for Kafka,
with samples and without, in turns.

    python -m bench.samples [--customers 800] [--repeat 7]

Exits with 1 where the median of the ratios is above 1.02.
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
from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import Bundle, read_bundle
from risk.kafka.decoding import transaction_reader
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.store import Outputs, open_store
from scorer.log.chunks import MOST_IN_A_CHUNK
from scorer.log.outputs import outgoing
from scorer.worker.swap import ready_to_score

MOST = 1.02


def seconds(bundle: Bundle, records: Sequence[Any], *, with_samples: bool) -> float:
    """Of processor time, for all of them."""
    manifest = bundle.manifest
    read, pipeline = transaction_reader(manifest.max_ahead_ms), Pipeline(bundle, SeenDays(manifest.terms.ledger_terms))
    ready_to_score(bundle)
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "risk.db") as store:
        owner = store.take_over(PLACE.topic, 0, first_offset=0).owner
        began = time.process_time()
        for first in range(0, len(records), MOST_IN_A_CHUNK):
            chunk = records[first : first + MOST_IN_A_CHUNK]
            block = read(chunk).block
            scored = pipeline.score(block)
            out = outgoing(manifest, PLACE, chunk, block, scored if with_samples else scored._replace(prepared=None))
            store.commit_flags(
                owner,
                expected=first,
                next_offset=first + len(chunk),
                newest_event_time=int(block.event_time[-1]),
                outputs=Outputs(0, 0, 0),
                rows=out.rows,
                samples=out.samples,
            )
        return time.process_time() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=800, help="235 transactions each (default: 800)")
    parser.add_argument("--repeat", type=int, default=7, help="turns (default: 7)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path, models = Path(name) / "history.parquet", Path(name) / "models"
        rows = generated(path, options.customers)
        trained(path, models)
        history = History(path, rows, models)
        return measured(read_bundle(history.bundle), records_of(history), options.repeat)


def measured(bundle: Bundle, records: Sequence[Any], repeat: int) -> int:
    without, beside = [], []
    for _ in range(repeat):
        without.append(seconds(bundle, records, with_samples=False))
        beside.append(seconds(bundle, records, with_samples=True))
    ratio, least = ratios(beside, without), min(without) / len(records) * 1e6
    print(
        f"{len(records):,} transactions, {least:.1f} µs of CPU each: with samples {ratio.median:.3f} times as long "
        f"({ratio.least:.3f} to {ratio.most:.3f})"
    )
    return EXIT_OK if ratio.median <= MOST else EXIT_FAILED


if __name__ == "__main__":
    run_alone(main)
