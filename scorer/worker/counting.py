"""What is counted of a batch once it is stored, and what its transactions lack."""

import logging
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from time import time

from risk.block import NAMES, Block
from risk.block_codec import Decoded
from risk.bundle import Manifest
from risk.catalogue import ATTRIBUTE_PREFIX
from risk.clock import DAY
from risk.decision import Scored
from risk.engine import Verdict
from risk.events import LEVELS, RejectReason
from risk.kafka.decoding import Labels, Record
from risk.pipeline import Part
from scorer.ledger.closed_days import LedgerDays
from scorer.log.chunks import Chunk
from scorer.log.outputs import Outgoing, Outs
from scorer.metrics import Metrics

log = logging.getLogger(__name__)

NEVER_AMONG = 1_000  # transactions: what none of them had is not rare, but not sent


class MissingValues:
    """What a bundle learned from, and transactions do not have: another name for a field looks like this."""

    def __init__(self, manifest: Manifest, metrics: Metrics) -> None:
        self._version, self._metric = manifest.version, metrics.missing
        learned, whole = {feature.name for feature in manifest.features}, manifest.feature_set
        needed = {
            name
            for feature in (*whole.numbers, *whole.categories)
            if feature.name in learned
            for name in feature.needs.split(" and ")
        }
        self._columns = needed & set(NAMES) - {"customer_id"}  # without a customer it is no transaction
        self._categories = [name for name in whole.category_attributes if ATTRIBUTE_PREFIX + name in learned]
        attributes = (ATTRIBUTE_PREFIX + name for name in (*whole.number_attributes, *whole.category_attributes))
        self._never = self._columns | {"amount", *attributes} & learned
        self._rows = 0
        for name in self._never:
            self._metric.labels(name)  # at 0, so that the first one is an increase

    def count(self, block: Block, scored: Scored) -> None:
        """`block`: of what this bundle scored."""
        block = block.select(scored.verdicts == Verdict.SCORED)
        missing = Counter(chain.from_iterable(scored.imputed))  # the amount, and attributes that are numbers
        missing.update({name: block.missing(name) for name in self._columns})
        for name in self._categories:
            missing[ATTRIBUTE_PREFIX + name] = sum(1 for present in block.attributes if name not in present)
        for name, count in missing.items():
            self._metric.labels(name).inc(count)
        if self._rows < NEVER_AMONG:
            self._rows += len(block)
            self._never = {name for name in self._never if missing[name] == len(block)}
            if self._rows >= NEVER_AMONG and self._never:
                log.warning(
                    "none of the first %s transactions had %s, from which bundle %s learned; they are scored with what "
                    "is usual instead. Do these come under other names? docs/runbook.md#trustlensfieldmissing",
                    f"{self._rows:,}", ", ".join(sorted(self._never)), self._version,
                )  # fmt: skip


class Counting:
    def __init__(self, metrics: Metrics, days: LedgerDays, manifest: Manifest) -> None:
        self._metrics = metrics
        self._days = days
        self._missing = {manifest.version: MissingValues(manifest, metrics)}

    def alerts_sent(self, alerts: Outs, records: Sequence[Record]) -> None:
        """Just now they were acknowledged; those that an earlier worker sent are none of them."""
        if not alerts:
            return
        sent, now = {record.offset: record.timestamp for record in records}, time()
        for alert in alerts:
            self._metrics.alert_latency.observe(max(0.0, now - sent[alert.source_offset] / 1000))

    def stored(
        self, piece: Chunk[Decoded], parts: Sequence[Part], out: Outgoing, too_late: int, newest: int | None
    ) -> None:
        """`parts`: by the bundle that scored them, the one in use first; `newest`: event time of the partition."""
        metrics = self._metrics
        for part in parts:
            self._part(part)
        metrics.given_transactions.inc(sum(len(part.scored.rows) for part in parts[1:]))
        metrics.reviews.inc(out.reviews)
        metrics.alerts.inc(len(out.alerts) - out.reviews)
        self._rejects(piece)
        metrics.rejects.labels(piece.place.topic, RejectReason.TOO_LATE.value).inc(too_late)
        metrics.batch_rows.observe(len(piece.records))
        metrics.last_commit.set(time())
        if newest is not None:
            metrics.newest_event.labels(str(piece.place.partition)).set(newest / 1000)

    def _part(self, part: Part) -> None:
        metrics, manifest, scored = self._metrics, part.manifest, part.scored
        for level in LEVELS:
            metrics.transactions.labels(level.value).inc(scored.levels.count(level))
        metrics.duplicates.inc(int((scored.verdicts == Verdict.DUPLICATE).sum()))
        if manifest.version not in self._missing:
            self._missing[manifest.version] = MissingValues(manifest, metrics)
        self._missing[manifest.version].count(part.block, scored)
        if manifest.feature_set.has_ledger:
            days = (part.block.event_time[scored.rows] // DAY).tolist()
            self._ledger(Counter(zip(days, scored.ledger_days, strict=True)), manifest)

    def _ledger(self, days: Counter[tuple[int, int | None]], manifest: Manifest) -> None:
        """By day of the transaction and ledger day that it used."""
        terms = manifest.terms.ledger_terms
        for (day, used), count in days.items():
            if self._days.is_known(day, terms):
                self._metrics.on_closed_day.inc(count)
            if self._days.went_without(day - manifest.label_delay_days, used, terms):
                self._metrics.without_day.inc(count)

    def learned(self, chunk: Chunk[Labels], labels: int) -> None:
        self._metrics.labels.inc(labels)
        self._rejects(chunk)

    def _rejects(self, chunk: Chunk[Decoded] | Chunk[Labels]) -> None:
        for reason, count in Counter(why.reason for _, why in chunk.content.unread).items():
            self._metrics.rejects.labels(chunk.place.topic, reason.value).inc(count)
