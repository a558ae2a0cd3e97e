"""What goes out for a batch: alerts, flags and rejects as messages, and the store's rows. A function of the log and the
bundle alone: no wall clock, no random id."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from risk.block import NAMES, NO_AMOUNT, Block
from risk.bundle import Manifest
from risk.clock import to_datetimes, to_text
from risk.codec import to_wire
from risk.codes import Array
from risk.decision import Scored
from risk.diagnosis import rejected
from risk.engine import Verdict
from risk.events import Level, Rejected, RejectReason
from risk.kafka.sending import Message, MessageParts
from risk.outputs import SCHEMA_VERSION, HighRiskAlert, RiskFlag, alert_id, date_of, encode
from risk.rejects import reject_message
from risk.scorer import Prepared
from risk.store import FlagRow, RowValues, SampleValues
from risk.warming_up import LogStart, history_days_of
from scorer.log.decoding import Place, Record

# Of the transactions, one in so many has its features stored (`python -m bench.samples` says what that costs). It is no
# setting, for two workers would sample differently.
SAMPLE_EVERY = 10

_json = msgspec.json.Encoder(order="deterministic")


class Out(NamedTuple):
    """A message that goes out, and the offset of the record that it came from."""

    source_offset: int
    message: Message


@dataclass(frozen=True, eq=False, slots=True)
class Flags:
    """The flags of a batch as columns: there is one for nearly every transaction. One becomes an `Out` only where one
    is wanted."""

    source_offsets: list[int]
    keys: list[bytes | None]
    values: list[bytes]

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Out]:
        return map(Out, self.source_offsets, map(Message, self.keys, self.values))


Outs = Flags | Sequence[Out]


class Outgoing(NamedTuple):
    alerts: list[Out]
    flags: Flags
    rejects: list[Out]
    rows: list[RowValues]
    samples: list[SampleValues]
    history_days: Sequence[int | None]  # of each row


def outgoing(
    manifest: Manifest,
    place: Place,
    records: Sequence[Record],
    block: Block,
    scored: Scored,
    start: LogStart = LogStart(),  # noqa: B008 - it is immutable
) -> Outgoing:
    """For the transactions that went through the pipeline, each with its record. `start`: where the partition's past
    does; where that is not known, nothing is said of it."""
    if not len(records) == len(block) == len(scored.verdicts):
        # Columns that are put together end with the shortest.
        raise ValueError(f"got {len(records)} records, {len(block)} rows and {len(scored.verdicts)} verdicts")
    version, topic, partition = manifest.version, place.topic, place.partition
    is_scored = scored.verdicts == Verdict.SCORED
    scored_block = block.select(is_scored)
    scored_records = list(compress(records, is_scored.tolist()))
    offsets = [record.offset for record in scored_records]
    keys = [record.key for record in scored_records]
    times = scored_block.event_time.tolist()
    past = history_days_of(manifest.horizon, start, times, scored.ledger_days)
    said: list[int | UnsetType] = [UNSET if days is None else days for days in past]
    flags = map(
        RiskFlag,
        repeat(SCHEMA_VERSION),
        scored_block.transaction_id,
        scored_block.customer_id,
        to_datetimes(scored_block.event_time),
        scored.scores,
        scored.levels,
        scored.reasons,
        scored.imputed,
        map(date_of, scored.ledger_days),
        repeat(version),
        repeat(topic),
        repeat(partition),
        offsets,
        said,
    )
    columns: dict[str, Iterable[Any]] = {
        **{name: getattr(scored_block, name) for name in NAMES},
        "source_partition": repeat(partition),
        "source_offset": offsets,
        "event_time": times,
        "amount": [None if amount == NO_AMOUNT else amount for amount in scored_block.amount.tolist()],
        "attributes": _texts(scored_block.attributes),
        "score": scored.scores,
        "level": map(str, scored.levels),
        "reasons": _texts(scored.reasons),
        "imputed": _texts(scored.imputed),
        "ledger_day": scored.ledger_days,
        "bundle_version": repeat(version),
    }
    rows = zip(*(columns[name] for name in FlagRow._fields), strict=False)  # what is repeated has no end
    alerts: list[Out] = []
    values = []
    high = Level.HIGH  # outside the loop, as Python 3.11 calls a function at each access
    for row, flag in enumerate(flags):
        values.append(encode(flag))
        if flag.level is high:
            alert = _alert(manifest, scored_block, row, flag)
            alerts.append(Out(flag.source_offset, Message(keys[row], encode(alert))))
    late = np.flatnonzero(scored.verdicts == Verdict.LATE).tolist()
    rejects = [
        reject(place, records[row], _too_late(int(block.event_time[row]), manifest.max_lateness_ms)) for row in late
    ]
    samples = _samples(partition, np.array(offsets, np.int64), scored.prepared)
    return Outgoing(alerts, Flags(offsets, keys, values), rejects, list(rows), samples, past)


def _samples(partition: int, offsets: Array, prepared: Prepared | None) -> list[SampleValues]:
    """Which ones, the offset says: so a rebuilt store, another worker and other batches have the same."""
    chosen = np.flatnonzero(offsets % SAMPLE_EVERY == 0)
    if prepared is None or not len(chosen):
        return []
    features = prepared.with_gaps(chosen).astype("<f4")
    return [(partition, offset, row.tobytes()) for offset, row in zip(offsets[chosen].tolist(), features, strict=True)]


def messages_of(outs: Outs) -> Iterable[MessageParts]:
    """As they are sent."""
    if isinstance(outs, Flags):
        return zip(outs.keys, outs.values, repeat(()), strict=False)  # what is repeated has no end
    return (out.message for out in outs)


def reject(place: Place, record: Record, why: Rejected) -> Out:
    """The original bytes; the reason and the source in the headers."""
    return Out(record.offset, reject_message(*place, record.offset, record.key, record.value, why))


def _too_late(event_time: int, max_lateness_ms: int) -> Rejected:
    return rejected(
        RejectReason.TOO_LATE,
        "event_time",
        to_text(event_time),
        f"at most {max_lateness_ms / 3_600_000:g} h behind the newest of its partition",
    )


def _alert(manifest: Manifest, block: Block, row: int, flag: RiskFlag) -> HighRiskAlert:
    transaction = block[row]
    return HighRiskAlert(
        SCHEMA_VERSION,
        alert_id(transaction.customer_id, transaction.transaction_id, transaction.event_time, manifest.version),
        to_wire(transaction),
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
        flag.history_days,
    )


def _texts(column: Sequence[Any]) -> list[str | None]:
    """As JSON; None where there is nothing."""
    return [_json.encode(value).decode() if value else None for value in column]
