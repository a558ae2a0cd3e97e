"""Whether those who write features by hand do the same work: the same values as the engine, and the same scores.

Compared over the history that is measured, to the last bit: every feature but the merchant ledger's; and the scores and
levels of the transactions before the first ledger day is closed, where the ledger says the same 0 to both.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from bench.stream.by_hand import LEDGER, Event, Learned, Past, features, nothing
from risk.block import block_of
from risk.bundle import Manifest, read_bundle
from risk.clock import DAY
from risk.codec import encode_transaction
from risk.engine import Engine
from risk.events import Transaction
from risk.ledger import DaySource, SeenDays
from risk.model import model_of
from risk.pipeline import Pipeline

CHUNK = 1_000


class Compared(NamedTuple):
    values: int
    scores: int


def compare(transactions: Sequence[Transaction], folder: Path) -> Compared:
    """How many were compared; SystemExit at the first that differs."""
    bundle = read_bundle(folder)
    manifest, learned = bundle.manifest, Learned(folder)
    model = model_of(bundle.onnx, len(manifest.features), str(folder), manifest.scored_by)
    by_hand = list(features_by_hand(transactions))
    values = same_features(transactions, by_hand, engine_of(bundle.manifest, days_of(bundle.manifest)))
    until = transactions[0].event_time // DAY * DAY + manifest.label_delay_days * DAY
    early = [place for place, transaction in enumerate(transactions) if transaction.event_time < until]
    pipeline = Pipeline(bundle, days_of(manifest))
    scored = pipeline.score(block_of([transactions[place] for place in early]))
    ours = zip(scored.scores, scored.levels, strict=True)
    rows = np.array([learned.row(by_hand[place]) for place in early], np.float32)
    by_hand_scores = np.interp(model.raw_scores(rows), learned.raw, learned.probability).tolist()
    theirs = [(score, learned.level(score)) for score in by_hand_scores]
    for place, one, other in zip(early, ours, theirs, strict=True):
        if one != other:
            raise SystemExit(f"{transactions[place].transaction_id}: {one} in the pipeline, {other} by hand")
    return Compared(values, len(early))


def features_by_hand(transactions: Iterable[Transaction]) -> Iterable[Event]:
    """As a contestant computes them, out of the same messages."""
    pasts: dict[str, Past] = {}
    for transaction in transactions:
        past = pasts.setdefault(transaction.customer_id, nothing())
        yield features(msgspec.json.decode(encode_transaction(transaction)), past)


def same_features(transactions: Sequence[Transaction], by_hand: Sequence[Event], engine: Engine) -> int:
    """How many values were compared."""
    names = [feature.name for feature in engine.feature_set.numbers]
    columns = [column for column, name in enumerate(names) if name not in LEDGER]
    for first in range(0, len(transactions), CHUNK):
        chunk = transactions[first : first + CHUNK]
        ours = engine.features(block_of(chunk)).values[:, columns]
        theirs = np.array([[found[names[c]] for c in columns] for found in by_hand[first : first + CHUNK]])
        different = np.argwhere(~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs))))
        if len(different):
            row, column = different[0].tolist()
            name = names[columns[column]]
            raise SystemExit(
                f"{chunk[row].transaction_id}, {name}: {ours[row, column]!r} in the engine, "
                f"{theirs[row, column]!r} by hand"
            )
    return len(transactions) * len(columns)


def days_of(manifest: Manifest) -> SeenDays:
    return SeenDays(manifest.terms.ledger_terms)


def engine_of(manifest: Manifest, days: DaySource) -> Engine:
    return Engine(manifest.feature_set, manifest.terms, days)
