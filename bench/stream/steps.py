"""Where the worker's time goes: processor time of each step by itself, and the worker's own clock over its steps."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

from bench.stream.contestants import WORKER, worker
from bench.stream.measure import speed
from bench.stream.system import Bench, History
from ops.kafka.ports import free_ports
from risk.bundle import read_bundle
from risk.codec import encode_transaction
from risk.dataset import open_dataset
from risk.kafka.decoding import transaction_reader
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.store import Outputs, open_store
from scorer.log.chunks import MOST_IN_A_CHUNK, Place
from scorer.log.outputs import outgoing
from scorer.worker.process import collect_less
from scorer.worker.swap import ready_to_score

MOST_ROWS = 200_000
PLACE = Place("transactions", 0)
FEATURES, PREPARE, MODEL, DECIDE = "features", "prepare for the model", "model, calibration", "levels, reasons"
DECODE, OUTPUTS, STORE = "decode", "flags, alerts and rows", "store (SQLite)"


class Clock:
    """Processor time by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began


def cpu_of_steps(history: History) -> dict[str, float]:
    """Microseconds for each transaction, one step after the other in one thread, in the worker's chunks, without Kafka.

    Features, preparation and model are timed with an engine of their own; what the pipeline takes beyond them is what
    it decides and explains.
    """
    bundle, records = read_bundle(history.bundle), records_of(history)
    manifest, clock = bundle.manifest, Clock()
    read = transaction_reader(manifest.max_ahead_ms)
    apart, whole = _pipeline(bundle), _pipeline(bundle)
    ready_to_score(bundle)
    collect_less()
    with TemporaryDirectory() as folder, open_store(Path(folder) / "risk.db") as store:
        owner = store.take_over(PLACE.topic, 0, first_offset=0).owner
        for first in range(0, len(records), MOST_IN_A_CHUNK):
            chunk = records[first : first + MOST_IN_A_CHUNK]
            with clock.step(DECODE):
                block = read(chunk).block
            with clock.step(FEATURES):
                batch = apart.engine.features(block)
            with clock.step(PREPARE):
                prepared = apart.scorer.prepare(batch)
            with clock.step(MODEL):
                apart.scorer.scores(prepared.values)
            with clock.step(DECIDE):
                scored = whole.score(block)
            with clock.step(OUTPUTS):
                out = outgoing(manifest, PLACE, chunk, block, scored)
            with clock.step(STORE):
                store.commit_flags(
                    owner,
                    expected=first,
                    next_offset=first + len(chunk),
                    newest_event_time=int(block.event_time[-1]),
                    outputs=Outputs(0, 0, 0),
                    rows=out.rows,
                    samples=out.samples,
                )
    clock.seconds[DECIDE] -= sum(clock.seconds[name] for name in (FEATURES, PREPARE, MODEL))
    return {name: seconds / len(records) * 1e6 for name, seconds in clock.seconds.items()}


def wall_of_steps(made: Bench) -> dict[str, float]:
    """Microseconds on the clock for each transaction, as the worker's own metric says after a full topic."""
    run, [port] = made.fresh(), free_ports(1)
    run.replay(run.history.rows)
    process = worker(run, metrics_port=port)
    try:
        speed([process], run, run.history.rows, WORKER.stored)
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
    finally:
        process.stop(30)
    found = re.findall(r'^trustlens_step_seconds_sum\{step="(\w+)"\} (\S+)', text, re.MULTILINE)
    return {step: float(seconds) / run.history.rows * 1e6 for step, seconds in found}


def _pipeline(bundle: Any) -> Pipeline:
    manifest = bundle.manifest
    return Pipeline(bundle, SeenDays(manifest.terms.ledger_terms))


def records_of(history: History) -> list[Any]:
    """As a consumer would hand them out, in memory."""
    rows = chain.from_iterable(rows.block for rows in open_dataset(history.path).rows())
    return [
        SimpleNamespace(
            offset=offset, key=one.customer_id.encode(), value=encode_transaction(one), timestamp=one.event_time
        )
        for offset, one in enumerate(islice(rows, min(history.rows, MOST_ROWS)))
    ]
