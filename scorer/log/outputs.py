"""What goes out for a batch: alerts, flags and rejects as messages, and the store's rows. A function of the log, the
bundle and the rule set alone: no wall clock, no random id."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress, repeat
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from risk.block import NAMES, NO_AMOUNT, Block
from risk.bundle import Manifest
from risk.clock import to_datetimes, to_text
from risk.codec import to_wire
from risk.codes import Array
from risk.decision import Decided, Scored
from risk.diagnosis import rejected
from risk.engine import Verdict
from risk.events import Decision, FiredRule, Level, Rejected, RejectReason
from risk.kafka.decoding import Record
from risk.kafka.sending import Message, MessageParts
from risk.outputs import DecidedAlert, DecidedFlag, HighRiskAlert, RiskFlag, alert_id, date_of, encode
from risk.pipeline import Part, Pipeline, blamed_on
from risk.rejects import reject_message
from risk.rules.compiled import strictest_first
from risk.scorer import Prepared
from risk.share import Share, text_of
from risk.store import FlagRow, RowValues, SampleValues
from risk.versions import Versions
from risk.warming_up import LogStart, history_days_of
from scorer.log.chunks import Place

T = TypeVar("T")

# Of the transactions, one in so many has its features stored (`python -m bench.added` says what that costs). It is no
# setting, for two workers would sample differently.
SAMPLE_EVERY = 10

# Bytes of the rules that fired, in one message; about a hundred rules. A thousand may fire on each of the four thousand
# transactions of a chunk, and all three outputs of each have them.
MOST_RULES_BYTES = 20_000

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
    reviews: int  # among the alerts


def outgoing(
    manifest: Manifest,
    place: Place,
    records: Sequence[Record],
    block: Block,
    scored: Scored,
    start: LogStart = LogStart(),  # noqa: B008 - it is immutable
    share: Share | None = None,
) -> Outgoing:
    """For the transactions that went through the pipeline, each with its record. `start`: where the partition's past
    does; where that is not known, nothing is said of it. `share`: of a challenger, while it has one; these are what one
    of the two bundles decided."""
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
    decided = _Columns.of(scored.decided, len(scored.rows))
    flags = map(
        decided.make_flag,
        *decided.of_flags,
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
        repeat(UNSET if share is None else share),
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
        "share": repeat(None if share is None else text_of(share)),
        **decided.of_rows,
    }
    rows = zip(*(columns[name] for name in FlagRow._fields), strict=False)  # what is repeated has no end
    alerts: list[Out] = []
    values = []
    for row, (flag, is_alert) in enumerate(zip(flags, decided.are_alerts(scored.levels), strict=True)):
        values.append(encode(flag))
        if is_alert:
            alert = _alert(manifest, scored_block, row, flag)
            alerts.append(Out(flag.source_offset, Message(keys[row], encode(alert))))
    late = np.flatnonzero(scored.verdicts == Verdict.LATE).tolist()
    rejects = [
        reject(place, records[row], _too_late(int(block.event_time[row]), manifest.max_lateness_ms)) for row in late
    ]
    # The drift that is looked for is that of the bundle in use.
    is_sampled = share is None or version == share.in_use
    samples = _samples(partition, np.array(offsets, np.int64), scored.prepared) if is_sampled else []
    reviews = 0 if scored.decided is None else scored.decided.decisions.count(Decision.REVIEW)
    return Outgoing(alerts, Flags(offsets, keys, values), rejects, list(rows), samples, past, reviews)


def of_parts(
    pipeline: Pipeline,
    place: Place,
    records: Sequence[Record],
    parts: Sequence[Part],
    start_of: Callable[[Manifest], LogStart],
) -> Outgoing:
    """What each bundle decided of a block, in the order of the log."""
    each, versions = [], pipeline.versions
    for part in parts:
        own = records if len(part.block) == len(records) else list(compress(records, part.rows.tolist()))
        start = start_of(part.manifest)
        with blamed_on(part.manifest.version, versions.rules):  # what rules compared is worked out only here
            each.append(outgoing(part.manifest, place, own, part.block, part.scored, start, versions.share))
    return each[0] if len(each) == 1 else _joined(each)


def _joined(each: Sequence[Outgoing]) -> Outgoing:
    alerts, flags, rejects, rows, samples, past, reviews = zip(*each, strict=True)
    offsets = [offset for part in flags for offset in part.source_offsets]
    order = np.argsort(offsets, kind="stable").tolist()

    def ordered(parts: Iterable[Sequence[T]]) -> list[T]:
        values = [value for part in parts for value in part]
        return [values[place] for place in order]

    return Outgoing(
        sorted(chain(*alerts), key=_source_offset),
        Flags(
            [offsets[place] for place in order],
            ordered(part.keys for part in flags),
            ordered(part.values for part in flags),
        ),
        sorted(chain(*rejects), key=_source_offset),
        ordered(rows),
        list(chain(*samples)),
        ordered(past),
        sum(reviews),
    )


def _source_offset(out: Out) -> int:
    return out.source_offset


class _Columns(NamedTuple):
    """What a rule set adds to flags and rows; nothing where none is in force."""

    make_flag: Callable[..., RiskFlag]
    of_flags: Sequence[Iterable[Any]]
    of_rows: Mapping[str, Iterable[Any]]
    decisions: Sequence[Decision] | None

    @classmethod
    def of(cls, decided: Decided | None, count: int) -> "_Columns":
        if decided is None:
            return cls(RiskFlag, (), dict.fromkeys(("decision", "rules_version", "rules"), [None] * count), None)
        fired = [within_a_message(one) if one else NOTHING_FIRED for one in decided.fired]
        of_rows = {
            "decision": map(str, decided.decisions),
            "rules_version": decided.rules_versions,
            "rules": [None if one is NOTHING_FIRED else one.text.decode() for one in fired],
        }
        return cls(_decided_flag, (decided.rules_versions, decided.decisions, fired), of_rows, decided.decisions)

    def are_alerts(self, levels: Sequence[Level]) -> list[bool]:
        """Reviews are worked as alerts are, so they have the same message."""
        # Outside the loop, as Python 3.11 calls a function at each access.
        if self.decisions is None:
            high = Level.HIGH
            return [level is high for level in levels]
        none = Decision.NONE
        return [decision is not none for decision in self.decisions]


def _decided_flag(version: str, decision: Decision, fired: "_Fired", *of_model: Any) -> DecidedFlag:
    return DecidedFlag(
        *of_model, decision=decision, rules_version=version, rules=fired.raw, rules_left_out=fired.left_out
    )


class _Fired(NamedTuple):
    """The rules that fired on a transaction, as JSON: written once, for the flag, the alert and the row."""

    text: bytes
    raw: Any  # the same for msgspec, which puts it where rules stand
    left_out: int | UnsetType

    @classmethod
    def of(cls, rules: Sequence[bytes], left_out: int | UnsetType = UNSET) -> "_Fired":
        text = b"[" + b",".join(rules) + b"]"
        return cls(text, msgspec.Raw(text), left_out)


NOTHING_FIRED = _Fired.of(())


def within_a_message(fired: Collection[FiredRule]) -> _Fired:
    """Whole, where there is room for all. Otherwise those that decide come first: whole as long as there is room, then
    without what they compared, and at last not at all."""
    room, chosen = MOST_RULES_BYTES, []
    for one in fired:
        chosen.append(_json.encode(one))
        room -= len(chosen[-1])
        if room < 0:
            break
    else:
        return _Fired.of(chosen)
    room, chosen = MOST_RULES_BYTES, []
    for one in strictest_first(fired):
        whole = _json.encode(one)
        rule = whole if len(whole) <= room else _json.encode(msgspec.structs.replace(one, comparisons=()))
        if len(rule) > room:
            break
        chosen.append(rule)
        room -= len(rule)
    return _Fired.of(chosen, len(fired) - len(chosen) or UNSET)


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
    rules = flag.rules_version if isinstance(flag, DecidedFlag) else None
    versions = Versions(manifest.version, rules)
    alert = (
        alert_id(transaction.customer_id, transaction.transaction_id, transaction.event_time, versions),
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
        flag.share,
    )
    if isinstance(flag, DecidedFlag):
        return DecidedAlert(
            *alert,
            decision=flag.decision,
            rules_version=flag.rules_version,
            rules=flag.rules,
            rules_left_out=flag.rules_left_out,
        )
    return HighRiskAlert(*alert)


def _texts(column: Sequence[Any]) -> list[str | None]:
    """As JSON; None where there is nothing."""
    return [_json.encode(value).decode() if value else None for value in column]
