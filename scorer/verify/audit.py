"""The whole audit: what stands where, then partition after partition, so that memory holds one at a time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka import TopicPartition

from console.terminal import progress
from risk.bundle import Bundle, bundle_of_version
from risk.errors import BrokerError, BundleError, EngineError, RuleError, StoreError
from risk.events import Label, Rejected
from risk.kafka.batches import apart, is_aborted, taken_by_compaction
from risk.kafka.connection import Connection, check_reachable
from risk.kafka.decoding import read_labels, transaction_reader
from risk.kafka.log import Bounds, LogReader, Reads, reading
from risk.kafka.sending import Message
from risk.kafka.topic_problems import topology_errors
from risk.kafka.topic_states import identity, look
from risk.outputs import without_history_days
from risk.pipeline import Pipeline
from risk.rules.rule_set import RuleSet, rules_of_version
from risk.store import Role, Store
from risk.topics import Topics, topics_of
from scorer.ledger.closed_days import NEVER
from scorer.log.already_sent import OutputReader, SourceOf, as_it_is, source_of_alert, source_of_flag, source_of_reject
from scorer.log.chunks import MOST_IN_A_CHUNK, Place
from scorer.log.outputs import reject
from scorer.verify.comparison import Comparison
from scorer.verify.days import NoMore, Survey, survey
from scorer.verify.findings import Findings, NotDone, Span
from scorer.verify.outputs import Output, StoredRows, Window, open_outputs
from scorer.verify.scoring import Scoring, Starts
from scorer.verify.transactions import AuditedPartition, There, worked_on

STORE = "store"


class AuditOptions(NamedTuple):
    connection: Connection
    prefix: str
    store: Store
    bundle: Bundle
    rules_folder: Path
    span: Span


async def audit(options: AuditOptions) -> Findings:
    topics, findings = topics_of(options.prefix), Findings(options.span)
    await check_reachable(options.connection)
    await _check_log(options, topics)
    # In this order: what the store has got was sent before, and what was sent came from what was there before.
    stands = {(p.topic, p.partition): p.next_offset for p in options.store.positions()}
    if not stands:
        raise StoreError("the store: no worker has taken a partition yet, expected some work to verify; start a worker")
    states = await look(options.connection, topics)
    partitions = next(state.partitions for state in states if state.name == topics.transactions)
    async with reading(options.connection) as reader, reading(options.connection, reads=Reads.MARKED) as marked:
        outputs = await reader.bounds(_places((topics.alerts, topics.flags, topics.rejected), partitions))
        stable = await marked.ends(_places((topics.transactions, topics.labels), partitions))
        inputs = await reader.bounds(stable)
        ledger = await survey(marked, TopicPartition(topics.ledger, 0))
    windows = {place: _window(place, inputs[place], end, stands, findings) for place, end in stable.items()}
    if ledger.unreadable:
        findings.notices.append(f"{topics.ledger}: {ledger.unreadable} messages that nobody can read were passed over")
    if ledger.gone:
        findings.notices.append(
            f"{topics.ledger}: {taken_by_compaction(ledger.gone)}: days that scores saw may be gone, and where they "
            "are, scores are computed without them and count as different. Look at the topic's cleanup.policy, which "
            "should be delete"
        )
    parts = _PartitionAudit(options, topics, findings, ledger, outputs, windows)
    for number in range(partitions):
        await parts.transactions(number)
        await parts.labels(number)
    findings.partitions = partitions
    return findings


def _places(names: tuple[str, ...], partitions: int) -> list[TopicPartition]:
    return [TopicPartition(name, number) for name in names for number in range(partitions)]


async def _check_log(options: AuditOptions, topics: Topics) -> None:
    """Offsets of another log would mean something else."""
    wrong = topology_errors(await look(options.connection, topics), topics)
    if wrong:
        raise BrokerError("; ".join(wrong))
    known, given = options.store.identity(), await identity(options.connection, topics, options.prefix)
    if known is not None and given.differences(known):
        raise StoreError(
            f"the store: got a log of {given}, expected that of {known}, which the store was made from; set "
            "TRUSTLENS_BROKERS and TRUSTLENS_TOPIC_PREFIX, or give the store of this log"
        )


def _window(
    place: TopicPartition, bounds: Bounds, stable_end: int, stands: dict[tuple[str, int], int], findings: Findings
) -> Window:
    name = f"{place.topic}-{place.partition}"
    until = stands.get((place.topic, place.partition))
    if until is None:
        findings.notices.append(f"{name}: no worker has taken it yet")
        until = bounds.begin
    if until > bounds.end:
        raise StoreError(
            f"{name}: the store stands at offset {until}, and the log ends at {bounds.end}: it is another log, or one "
            "that lost its end; give the store of this log"
        )
    if bounds.begin > 0:
        findings.notices.append(
            f"{name}: the log begins at offset {bounds.begin}; what was before is gone, so that the first month after "
            "it may come out differently"
        )
    # Version 0.1 read what is in an open transaction; nobody knows yet what becomes of it.
    window = Window(bounds.begin, max(min(until, stable_end), bounds.begin), bounds.end)
    if window.until < window.end:
        findings.not_done[name] = NotDone(window.end - window.until, window.end - window.begin)
    return window


class _PartitionAudit:
    """The audit of single partitions."""

    def __init__(
        self,
        options: AuditOptions,
        topics: Topics,
        findings: Findings,
        ledger: Survey,
        outputs: dict[TopicPartition, Bounds],
        windows: dict[TopicPartition, Window],
    ) -> None:
        self._options = options
        self._topics = topics
        self._findings = findings
        self._ledger = ledger
        self._outputs = outputs
        self._windows = windows
        self._bundles = bundles_at_hand(options.store, options.bundle, findings.notices)
        self._rules = rules_at_hand(options.store, options.rules_folder, findings.notices)
        self._lateness = max(bundle.manifest.max_lateness_ms for bundle in self._bundles.values())

    async def transactions(self, number: int) -> None:
        topics, findings, manifest = self._topics, self._findings, self._options.bundle.manifest
        place = TopicPartition(topics.transactions, number)
        window, source_place = self._windows[place], Place(*place)
        position = self._options.store.position(place.topic, place.partition)
        async with AsyncExitStack() as stack:
            source, sent, ledger = [
                await stack.enter_async_context(reading(self._options.connection, reads=reads))
                for reads in (Reads.MARKED, Reads.ALL, Reads.MARKED)
            ]
            opened = open_outputs(
                sent,
                [
                    self._output(topics.alerts, source_of_alert(source_place, window.end), number),
                    self._output(topics.flags, source_of_flag(source_place, window.end), number),
                    self._rejects(source_place, window.end, counts_foreign=True),
                ],
                window,
                findings,
            )
            outputs = [output for output, _ in opened]
            alerts, flags, rejects = (comparison for _, comparison in opened)
            rows = StoredRows(self._options.store, f"{STORE}-{number}", number, window, findings)
            partition = AuditedPartition(
                source_place,
                begin=window.begin,
                first_event=None if position is None else position.first_event_time,
                read=transaction_reader(manifest.max_ahead_ms),
                current=manifest.version,
                scoring=Scoring(self._bundles, self._rules, manifest.version, ledger, self._ledger, number),
                starts=Starts(self._options.store, number),
                survey=self._ledger,
                there=There(rows, alerts, flags, rejects),
                findings=findings,
            )
            advance = stack.enter_context(progress(f"{place.topic}-{number}", window.until - window.begin))
            async for records in self._read(source, place, window, outputs):
                await partition.take(records)
                advance(len(records))
                # What comes from here on is too late for the range.
                if partition.newest - self._lateness >= findings.span.until:
                    break
            else:
                partition.finish(window.until)
        for topic, comparison in ((STORE, rows.comparison), (topics.flags, flags), (topics.alerts, alerts)):
            findings.take(topic, comparison)
        findings.take(topics.rejected, rejects)

    async def labels(self, number: int) -> None:
        topics, place = self._topics, TopicPartition(self._topics.labels, number)
        window = self._windows[place]
        connection = self._options.connection
        async with reading(connection, reads=Reads.MARKED) as source, reading(connection) as sent:
            rejected = self._rejects(Place(*place), window.end, counts_foreign=False)
            [(output, rejects)] = open_outputs(sent, [rejected], window, self._findings)
            found = self._read(source, place, window, [output])
            await _audit_labels(found, Place(*place), window, rejects, self._findings)
        self._findings.take(topics.rejected, rejects)

    async def _read(
        self, reader: LogReader, place: TopicPartition, window: Window, outputs: Sequence[OutputReader]
    ) -> AsyncIterator[Sequence[Any]]:
        """Records, when everything that is there of them has been read. The reader is for this alone."""
        reader.begin({place: window.begin})
        async for found in reader.until(place, window.until, most=MOST_IN_A_CHUNK):
            for output in outputs:
                await output.read_to(found[-1].offset)
            records, gone = apart(found)
            for one in gone:
                self._findings.lacks(f"{place.topic}-{place.partition}", one)
            if records:
                yield records
        for output in outputs:
            await output.read_to(window.until)

    def _output(self, topic: str, source: SourceOf, number: int) -> Output:
        place = TopicPartition(topic, number)
        return Output(place, self._outputs[place], source, counts_foreign=True, as_older=without_history_days)

    def _rejects(self, source: Place, end: int, *, counts_foreign: bool) -> Output:
        topics, place = self._topics, TopicPartition(self._topics.rejected, source.partition)
        of = source_of_reject(source, end, (topics.transactions, topics.labels))
        return Output(place, self._outputs[place], of, counts_foreign, as_it_is)


def bundles_at_hand(store: Store, current: Bundle, notices: list[str]) -> dict[str, Bundle]:
    """The current one, and those that have scored for this store and lie beside it. What the others scored is counted
    as not compared."""
    found = {current.manifest.version: current}
    for stored in store.bundles():
        if stored.version not in found:
            try:
                bundle = bundle_of_version(current.folder.parent, stored.version)
                Pipeline(bundle, NoMore())  # each partition will have its own
                found[stored.version] = bundle
            except (BundleError, EngineError) as error:
                notices.append(f"bundle {stored.version} cannot be used ({error}); what it scored is not compared")
    return found


def rules_at_hand(store: Store, folder: Path, notices: list[str]) -> dict[str, RuleSet]:
    """Those that have decided for this store, as far as they are kept."""
    found: dict[str, RuleSet] = {}
    for version in sorted({start.version for start in store.starts(Role.RULES) if start.version is not None}):
        try:
            found[version] = rules_of_version(folder, version)
        except RuleError as error:
            notices.append(f"rule set {version} cannot be used ({error}); what it decided is not compared")
    return found


async def _audit_labels(
    read: AsyncIterator[Sequence[Any]], place: Place, window: Window, rejects: Comparison[Message], findings: Findings
) -> None:
    """What cannot be read of labels must be among the rejects. A label counts by its own time, a reject by that of the
    newest label before it."""
    newest, judged = NEVER, window.begin
    async for found in read:
        records = worked_on(found, rejects)
        for record, event in zip(records, read_labels(records).events, strict=True):
            for _ in range(judged, record.offset):
                rejects.judge(None, counts=findings.span.has(newest))
            if isinstance(event, Label):
                newest = max(newest, event.labelled_at)
            counts = findings.span.has(event.labelled_at if isinstance(event, Label) else newest)
            due = None
            if isinstance(event, Rejected):
                due = reject(place, record, event).message
                findings.rejects[f"label {event.reason.value}"] += counts
            findings.labels += counts and isinstance(event, Label)
            findings.aborted += counts and is_aborted(record)
            rejects.judge(due, counts=counts)
            judged = record.offset + 1
    for _ in range(judged, window.until):
        rejects.judge(None, counts=findings.span.has(newest))
