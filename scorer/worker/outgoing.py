"""What goes out for a batch: alerts, flags and rejects as messages, and the store's rows. A function of the log and the
bundle alone: no clock, no dice."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from risk.bundle import Manifest
from risk.clock import to_text
from risk.diagnosis import rejected
from risk.engine import Verdict
from risk.events import HighRiskAlert, Level, Reason, Rejected, RejectReason, RiskFlag, Transaction
from risk.kafka.sending import Message
from risk.outputs import SCHEMA_VERSION, alert_id, encode_alert, encode_flag
from risk.pipeline import Scored
from risk.store import FlagRow
from risk.topics import DETAIL, REASON, SOURCE_OFFSET, SOURCE_PARTITION, SOURCE_TOPIC
from scorer.worker.arrivals import Place, Record

_json = msgspec.json.Encoder(order="deterministic")


class Out(NamedTuple):
    """A message that goes out, and the offset of the record that it came from."""

    source_offset: int
    message: Message


class Outgoing(NamedTuple):
    alerts: list[Out]
    flags: list[Out]
    rejects: list[Out]
    rows: list[FlagRow]


def outgoing(
    manifest: Manifest, place: Place, records: Sequence[Record], transactions: Sequence[Transaction], scored: Scored
) -> Outgoing:
    """For the transactions that went through the pipeline, each with its record."""
    alerts: list[Out] = []
    flags: list[Out] = []
    rows: list[FlagRow] = []
    version, topic, partition = manifest.version, place.topic, place.partition
    for row, score, level, reasons, imputed, ledger_day in zip(
        scored.rows, scored.scores, scored.levels, scored.reasons, scored.imputed, scored.ledger_days, strict=True
    ):
        record, transaction = records[row], transactions[row]
        offset, key = record.offset, record.key
        flag = RiskFlag(
            transaction.transaction_id,
            transaction.customer_id,
            transaction.event_time,
            score,
            level,
            reasons,
            imputed,
            ledger_day,
            version,
            topic,
            partition,
            offset,
        )
        flags.append(Out(offset, Message(key, encode_flag(flag))))
        if level is Level.HIGH:
            alert = _alert(manifest, transaction, flag)
            alerts.append(Out(offset, Message(key, encode_alert(alert))))
        rows.append(_row(transaction, flag))
    late = [row for row, verdict in enumerate(scored.verdicts.tolist()) if verdict == Verdict.LATE]
    rejects = [reject(place, records[row], _too_late(transactions[row], manifest.max_lateness_ms)) for row in late]
    return Outgoing(alerts, flags, rejects, rows)


def reject(place: Place, record: Record, why: Rejected) -> Out:
    """The original bytes, untouched; the reason and the source in the headers."""
    headers = (
        (REASON, why.reason.value.encode()),
        (DETAIL, why.detail.encode()),
        (SOURCE_TOPIC, place.topic.encode()),
        (SOURCE_PARTITION, str(place.partition).encode()),
        (SOURCE_OFFSET, str(record.offset).encode()),
    )
    return Out(record.offset, Message(record.key, record.value, headers))


def _too_late(transaction: Transaction, max_lateness_ms: int) -> Rejected:
    return rejected(
        RejectReason.TOO_LATE,
        "event_time",
        to_text(transaction.event_time),
        f"at most {max_lateness_ms / 3_600_000:g} h behind the newest of its partition",
    )


def _alert(manifest: Manifest, transaction: Transaction, flag: RiskFlag) -> HighRiskAlert:
    return HighRiskAlert(
        alert_id(transaction.customer_id, transaction.transaction_id, transaction.event_time, manifest.version),
        SCHEMA_VERSION,
        transaction,
        flag.score,
        flag.level,
        manifest.thresholds.high,
        flag.reasons,
        flag.imputed,
        flag.ledger_day,
        manifest.version,
        manifest.catalogue_version,
        flag.source_topic,
        flag.source_partition,
        flag.source_offset,
    )


def _row(transaction: Transaction, flag: RiskFlag) -> FlagRow:
    return FlagRow(
        flag.source_partition,
        flag.source_offset,
        transaction.transaction_id,
        transaction.customer_id,
        transaction.event_time,
        transaction.currency,
        transaction.amount,
        transaction.merchant_id,
        transaction.merchant_category,
        transaction.channel,
        transaction.device_id,
        transaction.country,
        _text(transaction.attributes),
        flag.score,
        flag.level.value,
        _text(flag.reasons),
        _text(flag.imputed),
        flag.ledger_day,
        flag.bundle_version,
    )


def _text(value: dict[str, float | str] | tuple[Reason, ...] | tuple[str, ...]) -> str | None:
    return _json.encode(value).decode() if value else None
