"""What samples and a challenger add to a transaction's processor time, on its whole way through the worker but for
Kafka: with them and without, in turns.

    python -m bench.added [--customers 800] [--repeat 7]

The worker stores a sample of the prepared features. A challenger, of the same kind as the bundle in use, scores all
transactions a second time in the shadow; with a share it decides for so many of the customers, and the bundle in use
for the others. Exits with 1 where samples miss their target.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from bench.alone import run_alone
from bench.results import ratios
from bench.stream.steps import PLACE, records_of
from bench.stream.system import History, generated, trained
from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import Bundle, read_bundle
from risk.kafka.decoding import transaction_reader
from risk.ledger import SeenDays
from risk.pipeline import Decider, Pipeline
from risk.scorer import Scorer
from risk.store import Outputs, Owner, Store, open_store
from risk.warming_up import LogStart
from scorer.log.chunks import MOST_IN_A_CHUNK
from scorer.log.outputs import of_parts
from scorer.worker.shadow import Queue, Waiting, joined_pieces, pieces_of
from scorer.worker.swap import ready_to_score

# A worker stores what it scores in the shadow within a quarter of a second in one transaction: at 2,000 a second, 500.
STORED_AT_ONCE = 500

SAMPLES, SHADOW = "sampled features", "a challenger in the shadow"
MOST_OF_SAMPLES = 1.02
SMALL_CHUNK = 100
SHARES = 10.0, 50.0
CUSTOMERS = 800


class Work(NamedTuple):
    bundle: Bundle
    records: Sequence[Any]
    chunk_rows: int = MOST_IN_A_CHUNK

    def seconds(
        self, *, with_samples: bool = True, with_challenger: bool = False, share_percent: float | None = None
    ) -> float:
        """Of processor time, for all of them. The challenger is of the same kind as the bundle in use; with a share, it
        decides for so many of the customers."""
        manifest = self.bundle.manifest
        read = transaction_reader(manifest.max_ahead_ms)
        share = None if share_percent is None else Decider(self._twin(), share_percent)
        pipeline = Pipeline(self.bundle, SeenDays(manifest.terms.ledger_terms), challenger=share)
        scorer = Scorer(self.bundle)
        ready_to_score(self.bundle)
        with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "risk.db") as store:
            owner = store.take_over(PLACE.topic, 0, first_offset=0).owner
            store.remember_challenger(manifest.version, "{}")
            queue, waiting = Queue(), 0
            began = time.process_time()
            for first in range(0, len(self.records), self.chunk_rows):
                chunk = self.records[first : first + self.chunk_rows]
                behind = first + len(chunk)
                block = read(chunk).block
                features = pipeline.features(block)
                parts = pipeline.parts(features, block)
                if not with_samples:
                    parts = [part._replace(scored=part.scored._replace(prepared=None)) for part in parts]
                out = of_parts(pipeline, PLACE, chunk, parts, lambda _: LogStart())
                store.commit_flags(
                    owner,
                    expected=first,
                    next_offset=behind,
                    newest_event_time=int(block.event_time[-1]),
                    outputs=Outputs(0, 0, 0),
                    rows=out.rows,
                    samples=out.samples,
                    challenger=manifest.version if with_challenger else None,
                )
                if with_challenger:
                    partition: Any = None  # nobody asks for it
                    queue.add(Waiting(partition, scorer, first, behind, out.flags.source_offsets, features))
                    waiting += len(chunk)
                    if waiting >= STORED_AT_ONCE or behind == len(self.records):
                        _score(queue, store, owner)
                        waiting = 0
            return time.process_time() - began

    def _twin(self) -> Bundle:
        """It scores alike, and is called otherwise."""
        version = f"{self.bundle.manifest.version[:-8]}{0:08}"
        return replace(self.bundle, manifest=replace(self.bundle.manifest, version=version))


def _score(queue: Queue, store: Store, owner: Owner) -> None:
    pieces = []
    while queue:
        some = queue.take()
        version = some[0].scorer.manifest.version
        pieces += pieces_of(some)
    store.commit_shadow(owner, version, joined_pieces(pieces))


def added(customers: int, repeat: int) -> dict[str, Any]:
    """Microseconds of each turn, without and with each of them."""
    with tempfile.TemporaryDirectory() as name:
        path, models = Path(name) / "history.parquet", Path(name) / "models"
        history = History(path, generated(path, customers), models)
        trained(path, models)
        work = Work(read_bundle(history.bundle), records_of(history))
    found = [_in_turns(SAMPLES, work, repeat, partial(work.seconds, with_samples=False), work.seconds)]
    for rows in (MOST_IN_A_CHUNK, SMALL_CHUNK):
        cut = work._replace(chunk_rows=rows)
        found.append(_in_turns(SHADOW, cut, repeat, cut.seconds, partial(cut.seconds, with_challenger=True)))
        for percent in SHARES:
            with_it = partial(cut.seconds, share_percent=percent)
            found.append(_in_turns(f"a challenger with a share of {percent:g} %", cut, repeat, cut.seconds, with_it))
    return {"transactions": len(work.records), "added": found}


def _in_turns(
    what: str, work: Work, repeat: int, without: Callable[[], float], beside: Callable[[], float]
) -> dict[str, Any]:
    both = [(without(), beside()) for _ in range(repeat)]
    alone, with_it = ([seconds * 1e6 / len(work.records) for seconds in side] for side in zip(*both, strict=True))
    return {"what": what, "chunk_rows": work.chunk_rows, "without": alone, "beside": with_it}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="235 transactions each (default: 800)")
    parser.add_argument("--repeat", type=int, default=7, help="turns (default: 7)")
    options = parser.parse_args()
    found = added(options.customers, options.repeat)
    print(f"{found['transactions']:,} transactions, µs of CPU each; ratios: median (least to most)")
    print(f"{'chunks of':>9}  {'':<35}{'without':>9}{'with':>9}  times as long")
    for one in found["added"]:
        ratio = ratios(one["beside"], one["without"])
        times = f"{ratio.median:.3f} ({ratio.least:.3f} to {ratio.most:.3f})"
        least = f"{min(one['without']):>9.1f}{min(one['beside']):>9.1f}"
        print(f"{one['chunk_rows']:>9,}  {one['what']:<35}{least}  {times}")
    samples = found["added"][0]
    return EXIT_OK if ratios(samples["beside"], samples["without"]).median <= MOST_OF_SAMPLES else EXIT_FAILED


if __name__ == "__main__":
    run_alone(main)
