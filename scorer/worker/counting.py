"""What a worker counts of a batch."""

from collections import Counter
from collections.abc import Sequence
from time import time
from typing import NamedTuple

from risk.block_codec import Decoded
from risk.bundle import Manifest
from risk.clock import DAY
from risk.engine import Verdict
from risk.events import RejectReason
from risk.pipeline import LEVELS, Scored
from scorer.metrics import Metrics
from scorer.worker.arrivals import Chunk, Labels, Record
from scorer.worker.days import LedgerDays
from scorer.worker.outgoing import Out, Outgoing


class Batch(NamedTuple):
    """What was scored and is to be sent and stored."""

    piece: Chunk[Decoded]
    scored: Scored
    out: Outgoing
    newest: int | None  # event time of what was scored
    too_late: int
    needed_days: int  # of the past, by the longest window of its bundle


class Counting:
    def __init__(self, metrics: Metrics, days: LedgerDays, manifest: Manifest) -> None:
        self._metrics = metrics
        self._days = days
        self._delay_days = manifest.label_delay_days if "merchant_id" in manifest.fields else None

    def alerts_sent(self, alerts: Sequence[Out], records: Sequence[Record]) -> None:
        """Just now they were acknowledged."""
        if not alerts:
            return
        sent, now = {record.offset: record.timestamp for record in records}, time()
        for alert in alerts:
            self._metrics.alert_latency.observe(max(0.0, now - sent[alert.source_offset] / 1000))

    def stored(self, batch: Batch, newest: int | None) -> None:
        metrics, piece, scored = self._metrics, batch.piece, batch.scored
        for level in LEVELS:
            metrics.transactions.labels(level.value).inc(scored.levels.count(level))
        metrics.alerts.inc(len(batch.out.alerts))
        metrics.duplicates.inc(int((scored.verdicts == Verdict.DUPLICATE).sum()))
        self._rejects(piece)
        metrics.rejects.labels(piece.place.topic, RejectReason.TOO_LATE.value).inc(batch.too_late)
        metrics.batch_rows.observe(len(piece.records))
        metrics.last_commit.set(time())
        if newest is not None:
            metrics.newest_event.labels(str(piece.place.partition)).set(newest / 1000)
        if self._delay_days is not None:
            days = (piece.content.block.event_time[scored.rows] // DAY).tolist()
            self._ledger(Counter(zip(days, scored.ledger_days, strict=True)), self._delay_days)

    def _ledger(self, days: Counter[tuple[int, int | None]], delay_days: int) -> None:
        """By day of the transaction and ledger day that it used."""
        for (day, used), count in days.items():
            if self._days.is_known(day):
                self._metrics.on_closed_day.inc(count)
            if self._days.went_without(day - delay_days, used):
                self._metrics.without_day.inc(count)

    def learned(self, chunk: Chunk[Labels], labels: int) -> None:
        self._metrics.labels.inc(labels)
        self._rejects(chunk)

    def _rejects(self, chunk: Chunk[Decoded] | Chunk[Labels]) -> None:
        for reason, count in Counter(why.reason for _, why in chunk.content.unread).items():
            self._metrics.rejects.labels(chunk.place.topic, reason.value).inc(count)
