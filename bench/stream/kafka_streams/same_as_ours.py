"""Whether the contestant in Java does the same work: what it wrote to its topics beside what our pipeline says.

Equal to the last bit: the features as the model gets them (float32), levels, ledger days, what was missing, which
features are reasons with their values and references, ids of alerts. Scores, and the parts of reasons, may differ by
TOLERANCE: ONNX Runtime gives the trees' probability as float32, where a new bundle's own loop gives float64.
"""

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bench.stream.contestants import ROWS
from bench.stream.kafka_streams.built import start
from bench.stream.measure import records_of, until
from bench.stream.same_as_ours import CHUNK, days_of, engine_of
from bench.stream.system import Bench, Run
from risk.block import block_of
from risk.bundle import read_bundle
from risk.clock import to_date
from risk.dataset import open_dataset
from risk.events import Level, Transaction
from risk.events import Reason as OurReason
from risk.outputs import alert_id
from risk.pipeline import Pipeline
from risk.topics import topics_of
from risk.versions import Versions

SHOW_FEATURES = "--show-features"
TOLERANCE = 1e-6


class Same(NamedTuple):
    flags: int
    alerts: int
    largest: float  # by which a score differs


class Reason(msgspec.Struct):
    feature: str
    value: float | str | None
    reference: float | str | None
    contribution: float


class Flag(msgspec.Struct):
    customer_id: str
    transaction_id: str
    score: float
    level: Level
    reasons: list[Reason]
    imputed: list[str]
    ledger_day: str | None


class _Alert(msgspec.Struct):
    alert_id: str


class Ours(NamedTuple):
    features: bytes
    score: float
    level: Level
    reasons: tuple[OurReason, ...]
    imputed: list[str]
    ledger_day: str | None
    alert: str


def compare(made: Bench, transactions: Sequence[Transaction]) -> Same:
    """Has it score the first transactions of the history; SystemExit at the first that differs."""
    run = made.fresh()
    run.replay(len(transactions))
    process = start(run, SHOW_FEATURES)
    try:
        until([process], run.store, len(transactions), ROWS)
    finally:
        process.stop(30)
    return judge(run, transactions)


def judge(run: Run, transactions: Sequence[Transaction]) -> Same:
    """Every flag and alert that a run has written; after a crash, some are there twice."""
    flags, alerts = asyncio.run(_outputs(run))
    ours = _ours(run, transactions)
    seen, largest = set(), 0.0
    for record in flags:
        flag = msgspec.json.decode(record.value, type=Flag)
        who = flag.customer_id, flag.transaction_id
        wrong = difference(ours[who], flag, dict(record.headers)["features"])
        if wrong is not None:
            raise SystemExit(f"{' '.join(who)}: {wrong}")
        seen.add(who)
        largest = max(largest, abs(ours[who].score - flag.score))
    if ours.keys() != seen:
        raise SystemExit(
            f"Kafka Streams: flags for {len(seen):,} transactions, expected the same {len(ours):,} as ours"
        )
    wanted = {one.alert for one in ours.values() if one.level is Level.HIGH}
    found = {msgspec.json.decode(record.value, type=_Alert).alert_id for record in alerts}
    if found != wanted:
        raise SystemExit(f"Kafka Streams: {len(found):,} alerts, expected the same {len(wanted):,} as ours")
    return Same(len(ours), len(wanted), largest)


async def _outputs(run: Run) -> tuple[list[Any], list[Any]]:
    topics = topics_of(run.prefix)
    flags, alerts = [await records_of(run, topic) for topic in (topics.flags, topics.alerts)]
    return list(chain.from_iterable(flags.values())), list(chain.from_iterable(alerts.values()))


def _ours(run: Run, transactions: Sequence[Transaction]) -> dict[tuple[str, str], Ours]:
    bundle = read_bundle(run.history.bundle)
    manifest = bundle.manifest
    days, own_days = days_of(manifest), days_of(manifest)
    for rows in open_dataset(run.history.path).rows():
        labels = list(rows.labels())
        days.learn(labels)
        own_days.learn(labels)
    pipeline, engine = Pipeline(bundle, days), engine_of(manifest, own_days)
    ours = {}
    for first in range(0, len(transactions), CHUNK):
        block = block_of(transactions[first : first + CHUNK])
        features = pipeline.scorer.prepare(engine.features(block)).values
        scored = pipeline.score(block)
        for place, row in enumerate(scored.rows):
            one, day = transactions[first + row], scored.ledger_days[place]
            ours[one.customer_id, one.transaction_id] = Ours(
                features[place].astype(">f4").tobytes(),
                scored.scores[place],
                scored.levels[place],
                scored.reasons[place],
                list(scored.imputed[place]),
                None if day is None else to_date(day).isoformat(),
                alert_id(one.customer_id, one.transaction_id, one.event_time, Versions(manifest.version)),
            )
    return ours


def difference(ours: Ours, theirs: Flag, features: bytes) -> str | None:
    """What differs, in words."""
    if ours.features != features:
        return f"features {np.frombuffer(ours.features, '>f4')} in the engine, {np.frombuffer(features, '>f4')} in Java"
    if abs(ours.score - theirs.score) > TOLERANCE:
        return f"score {ours.score!r} in the pipeline, {theirs.score!r} in Java"
    for name in ("level", "imputed", "ledger_day"):
        if getattr(ours, name) != getattr(theirs, name):
            return f"{name} {getattr(ours, name)!r} in the pipeline, {getattr(theirs, name)!r} in Java"
    why, because = ([(r.feature, r.value, r.reference) for r in one.reasons] for one in (ours, theirs))
    parts, shares = ([r.contribution for r in one.reasons] for one in (ours, theirs))
    if why != because or not np.allclose(parts, shares, rtol=0, atol=TOLERANCE):
        return f"reasons {ours.reasons} in the pipeline, {theirs.reasons} in Java"
    return None
