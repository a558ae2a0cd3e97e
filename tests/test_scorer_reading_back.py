"""A chunk of transactions whose outputs are there already, beside others that only look like ours."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry

from risk.bundle import Bundle
from risk.catalogue import FeatureSet
from risk.clock import EPOCH, HOUR
from risk.codec import encode_transaction
from risk.events import Action, Level, Transaction
from risk.kafka.decoding import transaction_reader
from risk.kafka.log import LogReader
from risk.kafka.sending import send_all
from risk.ledger_day import LedgerTerms
from risk.outputs import RiskFlag, encode
from risk.pipeline import Decider, Pipeline
from risk.rules.compiled import compiled_for
from risk.rules.rule_set import RuleSet
from risk.share import Share
from risk.store import Store
from risk.topics import topics_of
from scorer.ledger.closed_days import LedgerDays
from scorer.log.already_sent import AlreadySent, OutputRange, read_back, source_of_flag
from scorer.log.chunks import Chunk, Place
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread
from scorer.worker.batch import Batches
from scorer.worker.partition import TransactionPartition
from scorer.worker.pipelines import Pipelines
from testing.rule_sets import keep, made_of
from tests.cases import NEW_YEAR
from tests.scorer_fakes import FakeShadow
from tests.test_scorer_already_sent import PLACE, SOURCE, Partition, Stored
from tests.test_scorer_pipelines import WITH_LEDGER, WITHOUT, Bench, Empty

COUNT, CHUNK, REPEATED = 40, 10, (15, 39)


class Sent(NamedTuple):
    offset: int


class Values:
    """A batch."""

    def __init__(self) -> None:
        self.all: list[bytes | None] = []

    def append(self, *, value: bytes | None, **_: object) -> object:
        self.all.append(value)
        return self

    def close(self) -> None:
        """Nothing is built here."""


class Producer:
    """Takes whole batches, and remembers the flags."""

    def __init__(self) -> None:
        self.flags: list[bytes | None] = []

    def create_batch(self) -> Values:
        return Values()

    async def send_batch(self, batch: Values, topic: str, partition: int) -> asyncio.Future[Sent]:
        assert partition == SOURCE.partition
        done: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        done.set_result(Sent(len(self.flags)))
        if topic == "risk-flags":
            self.flags += batch.all
        return done


class LogRecord(NamedTuple):
    offset: int
    value: bytes
    key: bytes
    timestamp: int = NEW_YEAR
    timestamp_type: int = 0
    headers: Sequence[tuple[str, bytes | None]] = ()


def records() -> list[LogRecord]:
    """Some are the same as the one before them, so that they have no flag."""
    all_said = [n - 1 if n in REPEATED else n for n in range(COUNT)]
    return [
        LogRecord(
            n,
            encode_transaction(Transaction(f"t{said}", NEW_YEAR + said, customer(said), "EUR", amount=said + 1)),
            customer(said).encode(),
        )
        for n, said in enumerate(all_said)
    ]


def customer(number: int) -> str:
    return f"c{number % 7}"


def forged(source: int, bundle: Bundle) -> bytes:
    version = bundle.manifest.version
    return encode(RiskFlag("t", "ann", EPOCH, 0.5, Level.LOW, (), (), None, version, *SOURCE, source))


class Worked(NamedTuple):
    flags: list[bytes | None]  # that were sent
    read: list[int]  # how many were read back after each chunk
    begun: int  # engines
    rebuilt: int  # how often histories were


class CountedEnds(Empty):
    """Asked once for each engine that is begun."""

    def __init__(self) -> None:
        self.asked = 0

    async def ends_of(self, topic: str, partitions: int) -> dict[int, int]:
        self.asked += 1
        return await super().ends_of(topic, partitions)


class CountedPipelines(Pipelines):
    rebuilt = 0

    def restore(self, pipeline: Pipeline, store: Store, partition: int, newest: int | None) -> int:
        self.rebuilt += newest is not None
        return super().restore(pipeline, store, partition, newest)


async def scored(
    folder: Path,
    bundle: Bundle,
    there: Sequence[bytes | None] = (),
    rules: RuleSet | None = None,
    share: Decider | None = None,
) -> Worked:
    """By a worker with an empty store that finds these flags. `rules`: in force. `share`: of a challenger."""
    path = folder / f"{uuid4()}.db"
    days, sent, given = LedgerDays(LedgerTerms(7, HOUR)), Partition([Stored(n, one) for n, one in enumerate(there)]), []
    producer, topics, metrics = Producer(), topics_of(""), Metrics(CollectorRegistry())
    threads = [StoreThread(path, name=name) for name in ("scoring", "storing")]
    failed: list[BaseException] = []

    async def confirm(topic: str, partition: int) -> None:
        assert Place(topic, partition) == SOURCE

    ends = CountedEnds()
    compiled = None if rules is None else compiled_for(rules, bundle.manifest)
    pipelines = CountedPipelines(
        bundle, days, threads[0], ends, topic=SOURCE.topic, partitions=2, rules_folder=folder / "rules", rules=compiled
    )
    pipelines.share_with(share)
    batches = Batches(
        topics=topics, pipelines=pipelines, days=days, scoring=threads[0],
        send=partial(send_all, producer), metrics=metrics, confirm=confirm, shadow=FakeShadow(),
    )  # fmt: skip
    taken = await threads[0].call(lambda store: store.take_over(*SOURCE, first_offset=0))
    await pipelines.take(0, pipelines.versions)
    partition = TransactionPartition(SOURCE, taken, threads[1], failed.append, pipelines.versions)
    if there:
        reader = LogReader(sent)
        [flags] = read_back(reader, [OutputRange(PLACE, 0, len(there), source_of_flag(SOURCE, COUNT))])
        partition.already_sent = AlreadySent(reader, flags=flags)
    read, ended, log = transaction_reader(HOUR), asyncio.Event(), records()
    for first in range(0, COUNT, CHUNK):
        ended.clear()
        piece = log[first : first + CHUNK]

        async def end() -> None:
            ended.set()

        await batches.score(partition, Chunk(SOURCE, piece, read(piece), first, first), end)
        while not ended.is_set() and not failed:
            await asyncio.sleep(0)
        given.append(sent.given)
    for thread in threads:
        thread.close()
    assert not failed, failed
    return Worked(producer.flags, given, ends.asked, pipelines.rebuilt)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, WITHOUT)
    yield made
    made.store.close()


def test_what_names_an_offset_far_ahead_makes_nothing_be_sent_twice(bench: Bench, tmp_path: Path) -> None:
    """A flag that looks like ours lies before all that were sent, of another bundle than is in use now."""
    there = asyncio.run(scored(tmp_path, bench.older)).flags
    assert len(there) == COUNT - len(REPEATED)
    found = asyncio.run(scored(tmp_path, bench.current, [forged(COUNT - 1, bench.older), *there]))
    assert found.flags == []


def test_what_was_never_sent_is_scored_with_the_bundle_in_use(bench: Bench, tmp_path: Path) -> None:
    """Though something far ahead names the older one."""
    there = asyncio.run(scored(tmp_path, bench.older)).flags[:18]
    wanted = asyncio.run(scored(tmp_path, bench.current)).flags[18:]
    for forgery in ([forged(COUNT - 1, bench.older), *there], [*there, forged(COUNT - 1, bench.older)]):
        assert asyncio.run(scored(tmp_path, bench.current, forgery)).flags == wanted


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_only_workers_wrote_is_read_no_further_than_the_chunk(bench: Bench, tmp_path: Path, is_gone: bool) -> None:
    """Also where it has to be said anew."""
    there = asyncio.run(scored(tmp_path, bench.older)).flags
    if is_gone:
        bench.older.folder.rename(tmp_path / "gone")
    found = asyncio.run(scored(tmp_path, bench.current, there))
    assert found.read == [12, 21, 30, 38]
    assert len(found.flags) == (len(there) if is_gone else 0)


@pytest.mark.parametrize(
    ("older", "begun", "rebuilt"),
    [(None, 1, 0), (WITH_LEDGER, 5, 7)],
    ids=["with a shared engine", "with engines of their own"],
)
def test_a_chunk_that_goes_back_and_forth_between_bundles_is_said_as_each_said_it(
    tmp_path: Path, older: FeatureSet | None, begun: int, rebuilt: int
) -> None:
    """Engines are begun for the bundle in use first; then for each chunk that of the other one that its flags name."""
    bench = Bench(tmp_path, WITHOUT, older)
    both = [asyncio.run(scored(tmp_path, bundle)).flags for bundle in (bench.older, bench.current)]
    there = [flags[n] for n, flags in enumerate(both[n // 5 % 2] for n in range(len(both[0])))]
    found = asyncio.run(scored(tmp_path, bench.current, there))
    assert (found.flags, found.begun, found.rebuilt) == ([], begun, rebuilt)
    bench.store.close()


# Rule sets, as bundles


@pytest.fixture
def sets(tmp_path: Path) -> tuple[RuleSet, RuleSet]:
    """Each says something else of half of the transactions."""
    made = [made_of({"big": f"amount >= {major}"}, action=Action.REVIEW) for major in (0.2, 0.3)]
    for one in made:
        keep(one, tmp_path / "rules")
    return made[0], made[1]


def test_what_a_rule_set_decided_and_was_sent_is_decided_with_it_again(
    bench: Bench, tmp_path: Path, sets: tuple[RuleSet, RuleSet]
) -> None:
    """Where another set is in force by now, or none; what was never sent is decided by what is in force."""
    first, second = sets
    there = asyncio.run(scored(tmp_path, bench.older, rules=first)).flags
    assert {json.loads(raw or b"")["rules_version"] for raw in there} == {first.version}
    for rules in (first, second, None):
        assert asyncio.run(scored(tmp_path, bench.current, there, rules)).flags == []
        wanted = asyncio.run(scored(tmp_path, bench.current, rules=rules)).flags[18:]
        assert asyncio.run(scored(tmp_path, bench.current, there[:18], rules)).flags == wanted


def test_a_chunk_that_goes_back_and_forth_between_rule_sets_is_decided_as_each_did_and_rebuilds_nothing(
    bench: Bench, tmp_path: Path, sets: tuple[RuleSet, RuleSet]
) -> None:
    each = [asyncio.run(scored(tmp_path, bench.current, rules=rules)).flags for rules in (None, *sets)]
    there = [flags[n] for n, flags in enumerate(each[n // 5 % 3] for n in range(len(each[0])))]
    found = asyncio.run(scored(tmp_path, bench.current, there, sets[1]))
    assert (found.flags, found.begun, found.rebuilt) == ([], 1, 0)


def test_where_the_rule_set_is_gone_that_is_said_and_the_one_in_force_decides(
    bench: Bench, tmp_path: Path, sets: tuple[RuleSet, RuleSet], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = sets
    there = asyncio.run(scored(tmp_path, bench.current, rules=first)).flags
    (tmp_path / "rules" / first.version).rename(tmp_path / "gone")
    wanted = asyncio.run(scored(tmp_path, bench.current, rules=second)).flags
    assert asyncio.run(scored(tmp_path, bench.current, there, second)).flags == wanted
    [said] = [message for message in caplog.messages if "cannot be used" in message]
    assert f"flags of {bench.current.manifest.version} with {first.version}" in said
    assert f"bring the rule set to {tmp_path / 'rules'}" in said


# A challenger's share, likewise


def test_what_a_challenger_decided_for_its_share_is_decided_by_it_again(bench: Bench, tmp_path: Path) -> None:
    """Where it has another share by now, or none; what was never sent is decided as it is now."""
    shares = [Decider(bench.older, percent) for percent in (50.0, 20.0)]
    whole = asyncio.run(scored(tmp_path, bench.current, share=shares[0])).flags
    decided = {(flag["customer_id"], flag["bundle_version"]) for flag in map(json.loads, filter(None, whole))}
    versions = bench.current.manifest.version, bench.older.manifest.version
    due = Share(*versions, 50.0)
    assert decided == {(customer(n), due.decides(customer(n))) for n in range(7)}
    assert {version for _, version in decided} == set(versions)
    for share in (*shares, None):
        found = asyncio.run(scored(tmp_path, bench.current, whole, share=share))
        assert (found.flags, found.begun, found.rebuilt) == ([], 1, 0)
        wanted = asyncio.run(scored(tmp_path, bench.current, share=share)).flags[18:]
        assert asyncio.run(scored(tmp_path, bench.current, whole[:18], share=share)).flags == wanted


@pytest.mark.parametrize("fields", [(WITHOUT, WITH_LEDGER), (WITH_LEDGER, WITHOUT)], ids=["it needs the ledger", "not"])
def test_a_worker_without_a_share_repeats_one_though_its_bundle_needs_another_engine(
    tmp_path: Path, fields: tuple[FeatureSet, FeatureSet]
) -> None:
    bench = Bench(tmp_path, *fields)
    share = Decider(bench.older, 50.0)
    both = [asyncio.run(scored(tmp_path, bench.current, share=one)).flags for one in (share, None)]
    there = [flags[n] for n, flags in enumerate(both[n // 5 % 2] for n in range(len(both[0])))]
    assert asyncio.run(scored(tmp_path, bench.current, there)).flags == []
    bench.store.close()
