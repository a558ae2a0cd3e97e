"""The whole audit: what stands where, then partition after partition, so that memory holds one at a time."""

from contextlib import AsyncExitStack
from typing import NamedTuple

from aiokafka import TopicPartition

from console.terminal import progress
from risk.bundle import Bundle, bundle_of_version
from risk.errors import BrokerError, BundleError, EngineError, StoreError
from risk.kafka.connection import Connection, reach
from risk.kafka.log import Bounds, reading
from risk.kafka.topic_problems import misfits
from risk.kafka.topic_states import identity, look
from risk.outputs import without_history_days
from risk.pipeline import Pipeline
from risk.store import Store
from risk.topics import Topics, topics_of
from scorer.log.already_sent import SourceOf, as_it_is, source_of_alert, source_of_flag, source_of_reject
from scorer.log.decoding import Place, read_labels, transaction_reader
from scorer.verify.days import NoMore, Survey, survey
from scorer.verify.findings import Findings, NotDone, Span
from scorer.verify.labels import audit_labels
from scorer.verify.outputs import Output, Window, open_outputs
from scorer.verify.scoring import Scoring
from scorer.verify.source import chunks
from scorer.verify.stored import StoredRows
from scorer.verify.transactions import Partition, There

STORE = "store"


class Asked(NamedTuple):
    connection: Connection
    prefix: str
    store: Store
    bundle: Bundle
    span: Span


async def audit(asked: Asked) -> Findings:
    topics, findings = topics_of(asked.prefix), Findings(asked.span)
    await reach(asked.connection)
    await _check_log(asked, topics)
    # In this order: what the store has got was sent before, and what was sent came from what was there before.
    stands = {(p.topic, p.partition): p.next_offset for p in asked.store.positions()}
    if not stands:
        raise StoreError("the store: no worker has taken a partition yet, expected some work to verify; start a worker")
    states = await look(asked.connection, topics)
    partitions = next(state.partitions for state in states if state.name == topics.transactions)
    async with reading(asked.connection) as reader:
        outputs = await reader.bounds(_places((topics.alerts, topics.flags, topics.rejected), partitions))
        inputs = await reader.bounds(_places((topics.transactions, topics.labels), partitions))
        ledger = await survey(reader, TopicPartition(topics.ledger, 0))
    windows = {place: _window(place, bounds, stands, findings) for place, bounds in inputs.items()}
    if ledger.unreadable:
        findings.notices.append(f"{topics.ledger}: {ledger.unreadable} messages that nobody can read were passed over")
    parts = _Parts(asked, topics, findings, ledger, outputs, windows)
    for number in range(partitions):
        await parts.transactions(number)
        await parts.labels(number)
    findings.partitions = partitions
    return findings


def _places(names: tuple[str, ...], partitions: int) -> list[TopicPartition]:
    return [TopicPartition(name, number) for name in names for number in range(partitions)]


async def _check_log(asked: Asked, topics: Topics) -> None:
    """Offsets of another log would mean something else."""
    wrong = misfits(await look(asked.connection, topics), topics)
    if wrong:
        raise BrokerError("; ".join(wrong))
    known, given = asked.store.identity(), await identity(asked.connection, topics, asked.prefix)
    if known is not None and given.differences(known):
        raise StoreError(
            f"the store: got a log of {given}, expected that of {known}, which the store was made from; set "
            "TRUSTLENS_BROKERS and TRUSTLENS_TOPIC_PREFIX, or give the store of this log"
        )


def _window(place: TopicPartition, bounds: Bounds, stands: dict[tuple[str, int], int], findings: Findings) -> Window:
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
    window = Window(bounds.begin, max(until, bounds.begin), bounds.end)
    if window.until < window.end:
        findings.not_done[name] = NotDone(window.end - window.until, window.end - window.begin)
    return window


class _Parts:
    """The audit of single partitions."""

    def __init__(
        self,
        asked: Asked,
        topics: Topics,
        findings: Findings,
        ledger: Survey,
        outputs: dict[TopicPartition, Bounds],
        windows: dict[TopicPartition, Window],
    ) -> None:
        self._asked = asked
        self._topics = topics
        self._findings = findings
        self._ledger = ledger
        self._outputs = outputs
        self._windows = windows
        self._bundles = bundles_at_hand(asked.store, asked.bundle, findings.notices)
        self._lateness = max(bundle.manifest.max_lateness_ms for bundle in self._bundles.values())

    async def transactions(self, number: int) -> None:
        topics, findings, manifest = self._topics, self._findings, self._asked.bundle.manifest
        place = TopicPartition(topics.transactions, number)
        window, source_place = self._windows[place], Place(*place)
        position = self._asked.store.position(place.topic, place.partition)
        async with AsyncExitStack() as stack:
            source, sent, ledger = [await stack.enter_async_context(reading(self._asked.connection)) for _ in range(3)]
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
            rows = StoredRows(self._asked.store, f"{STORE}-{number}", number, window, findings)
            partition = Partition(
                begin=window.begin,
                first_event=None if position is None else position.first_event_time,
                current=manifest.version,
                scoring=Scoring(self._bundles, manifest.version, ledger, self._ledger, number),
                survey=self._ledger,
                there=There(rows, alerts, flags, rejects),
                findings=findings,
            )
            advance = stack.enter_context(progress(f"{place.topic}-{number}", window.until - window.begin))
            read = transaction_reader(manifest.max_ahead_ms)
            async for chunk in chunks(source, place, window.begin, window.until, read):
                for output in outputs:
                    await output.read_to(chunk.next_offset - 1)
                    output.forget_before(chunk.next_offset)
                await partition.take(chunk)
                advance(len(chunk.records))
                # What comes from here on is too late for the range.
                if partition.newest - self._lateness >= findings.span.until:
                    break
            else:
                for output in outputs:
                    await output.read_to(window.until)
                partition.finish(window.until)
        for topic, comparison in ((STORE, rows.comparison), (topics.flags, flags), (topics.alerts, alerts)):
            findings.take(topic, comparison)
        findings.take(topics.rejected, rejects)

    async def labels(self, number: int) -> None:
        topics, place = self._topics, TopicPartition(self._topics.labels, number)
        window = self._windows[place]
        async with reading(self._asked.connection) as source, reading(self._asked.connection) as sent:
            rejected = self._rejects(Place(*place), window.end, counts_foreign=False)
            [(output, rejects)] = open_outputs(sent, [rejected], window, self._findings)
            found = chunks(source, place, window.begin, window.until, read_labels)
            await audit_labels(found, window.begin, window.until, output, rejects, self._findings)
        self._findings.take(topics.rejected, rejects)

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
