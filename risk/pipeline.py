"""The one pipeline: features, score, decision, reasons. The worker, the backtest and the audit run this very object."""

from typing import NamedTuple

import numpy as np

from risk.block import Block
from risk.bundle import Bundle
from risk.codes import Array
from risk.engine import Engine, Verdict
from risk.events import Level, Reason
from risk.ledger import NO_DAY, DaySource
from risk.model import model_of
from risk.prepare import Preparation
from risk.reasons import Reasons


class Scored(NamedTuple):
    """What a batch came to. `rows` are the places of the scored transactions; the others run along with them."""

    verdicts: Array  # of every transaction of the batch
    rows: list[int]
    scores: list[float]
    levels: list[Level]
    reasons: list[tuple[Reason, ...]]
    imputed: list[tuple[str, ...]]
    ledger_days: list[int | None]


class Pipeline:
    """Engine, preparation, model, calibration, thresholds and reasons of one bundle."""

    def __init__(self, bundle: Bundle, days: DaySource | None) -> None:
        manifest = bundle.manifest
        self.manifest = manifest
        self.engine = Engine(
            manifest.feature_set,
            currency=manifest.currency,
            label_delay_days=manifest.label_delay_days,
            bucket_ms=manifest.bucket_ms,
            max_lateness_ms=manifest.max_lateness_ms,
            days=days,
        )
        self._preparation = Preparation(manifest.feature_set, manifest.features)
        self._model = model_of(
            bundle.onnx, len(manifest.features), str(bundle.folder / "model.onnx"), manifest.scored_by
        )
        self._reasons = Reasons(manifest, self._preparation, self.probabilities)

    def probabilities(self, values: Array) -> Array:
        """Calibrated scores of prepared rows."""
        return self.manifest.calibration.apply(self._model.raw_scores(values))

    def score(self, block: Block, partition: int = 0) -> Scored:
        """Scores a block of one partition, in its order; its transactions are part of the past afterwards."""
        batch = self.engine.features(block, partition)
        rows = np.flatnonzero(batch.verdicts == Verdict.SCORED)
        prepared = self._preparation.prepare(batch)
        scores = self.probabilities(prepared.values)
        thresholds = self.manifest.thresholds
        high = np.flatnonzero(scores >= thresholds.high)
        reasons: list[tuple[Reason, ...]] = [()] * len(rows)
        for place, why in zip(
            high.tolist(), self._reasons.explain(batch, rows[high], prepared.values[high], scores[high]), strict=True
        ):
            reasons[place] = why
        codes = (scores >= thresholds.medium).astype(np.int8) + (scores >= thresholds.high)
        return Scored(
            batch.verdicts,
            rows.tolist(),
            scores.tolist(),
            [LEVELS[code] for code in codes.tolist()],
            reasons,
            list(prepared.imputed),
            [None if day == NO_DAY else day for day in batch.ledger_days[rows].tolist()],
        )


LEVELS = (Level.LOW, Level.MEDIUM, Level.HIGH)
