"""A challenger that decides for a share of the customers: which ones, and that each bundle comes to its own bits."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.block import Block, block_of
from risk.bundle import Bundle
from risk.clock import to_datetime
from risk.errors import OptionError
from risk.events import Rejected, Transaction
from risk.ledger import SeenDays
from risk.outputs import decode_flag, encode, versions_in, versions_of
from risk.pipeline import Decider, Pipeline
from risk.schedule import NO_SHARE, InForce, Schedule, Start, encode_schedule, read_schedule
from risk.share import Share, is_percent, share_of
from risk.versions import Versions
from risk.warming_up import LogStart
from scorer.log.chunks import Place
from scorer.log.outputs import Outgoing, of_parts
from testing.stores import NEW_YEAR
from tests.cases import Case, Knobs, generate
from tests.test_engine_shared import FEATURE_SETS, made

A, C = "linear-00000001", "linear-00000002"
CUSTOMERS = [f"customer {number}" for number in range(20_000)]
SOURCE = Place("transactions", 0)


class SomeRecord(NamedTuple):
    offset: int
    key: bytes
    value: bytes = b"{}"
    timestamp: int = 0
    timestamp_type: int = 0


def test_a_share_is_of_the_customers_and_the_same_everywhere() -> None:
    """The numbers are pinned: flags of other versions and other machines are checked by them."""
    given_ = Share(A, C, 10).given(CUSTOMERS)
    assert given_.mean() == pytest.approx(0.1, abs=0.01)
    assert np.flatnonzero(given_)[:5].tolist() == FIRST_GIVEN
    assert [Share(A, C, 10).decides(CUSTOMERS[row]) for row in (FIRST_GIVEN[0], FIRST_GIVEN[0] + 1)] == [C, A]


FIRST_GIVEN = [0, 16, 19, 24, 25]


def test_a_larger_share_keeps_the_customers_and_another_challenger_has_others() -> None:
    shares = [Share(A, C, percent).given(CUSTOMERS) for percent in (0.1, 5, 12.5, 50)]
    assert all((smaller <= larger).all() for smaller, larger in pairwise(shares))
    assert [share.mean() for share in shares] == pytest.approx([0.001, 0.05, 0.125, 0.5], abs=0.01)
    other = Share(A, "linear-00000003", 50).given(CUSTOMERS)
    assert (other & shares[-1]).mean() == pytest.approx(0.25, abs=0.02)
    assert (Share("linear-00000003", C, 50).given(CUSTOMERS) == shares[-1]).all()  # whatever is in use


@pytest.mark.parametrize(("percent", "can_be"), [(10, True), (0.1, True), (12.5, True), (50, True), (0, False),
                                                 (50.1, False), (-1, False), (1.25, False), (float("nan"), False),
                                                 (float("inf"), False)])  # fmt: skip
def test_a_share_is_a_percentage_with_one_decimal_up_to_half(percent: float, can_be: bool) -> None:
    assert is_percent(percent) is can_be


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return {name: made(folder / name, feature_set) for name, feature_set in FEATURE_SETS.items()}


def source(case: Case) -> SeenDays:
    days = SeenDays(case.rules.ledger_terms)
    days.learn(case.labels)
    return days


def messages(pipeline: Pipeline, case: Case, cuts: set[int]) -> Iterator[Outgoing]:
    """What a worker would send and store of the case, cut so."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(case.arrivals)), len(case.arrivals)]
    transactions = [arrival.transaction for arrival in case.arrivals]
    records = [SomeRecord(offset, one.customer_id.encode()) for offset, one in enumerate(transactions)]
    for first, last in pairwise(edges):
        block: Block = block_of(transactions[first:last])
        parts = pipeline.parts(pipeline.features(block), block)
        assert sum(len(part.block) for part in parts) == len(block)
        yield of_parts(pipeline, SOURCE, records[first:last], parts, lambda _: LogStart())


def without_share(value: bytes) -> bytes:
    flag = msgspec.json.decode(value)
    assert flag.pop("share")["percent"] == 40
    return msgspec.json.encode(flag)


def test_where_one_of_its_bundles_is_gone_none_of_that_ones_customers_is_decided(bundles: dict[str, Bundle]) -> None:
    """Whoever gives them to it is mistaken; what the other one decides is as ever."""
    case = generate(1, Knobs(rows=60, customers=12))
    in_use, challenger = bundles["bare"], bundles["no ledger"]
    both = Pipeline(in_use, source(case), challenger=Decider(challenger, 40))
    block = block_of([arrival.transaction for arrival in case.arrivals])
    whole = both.parts(both.features(block), block)
    for bundle, part in zip((in_use, challenger), whole, strict=True):
        half = Pipeline(bundle, source(case), share=both.share)
        assert half.versions == both.versions
        features = half.features(block)
        with pytest.raises(ValueError, match="got customers of either bundle"):
            half.parts(features, block)
        [own] = half.parts(features.select(part.rows), part.block)
        assert own.scored.scores == part.scored.scores


@given(
    seed=st.integers(0, 2**32 - 1),
    pair=st.permutations(list(FEATURE_SETS)).map(lambda names: names[:2]),
    cuts=st.sets(st.integers(1, 119), max_size=6),
)
def test_what_is_decided_is_what_each_bundle_decides_alone_of_its_customers(
    bundles: dict[str, Bundle], seed: int, pair: list[str], cuts: set[int]
) -> None:
    """To the byte, in the order of the log, wherever the pieces are cut."""
    case = generate(seed, Knobs(rows=120, customers=12))
    in_use, challenger = (bundles[name] for name in pair)
    both = Pipeline(in_use, source(case), challenger=Decider(challenger, 40))
    assert both.share is not None
    alone = [Pipeline(bundle, source(case)) for bundle in (in_use, challenger)]
    wanted = [next(messages(pipeline, case, set())) for pipeline in alone]
    customers = [arrival.transaction.customer_id for arrival in case.arrivals]
    which = both.share.given(customers).astype(int).tolist()

    found = list(messages(both, case, cuts))
    flags = [out for piece in found for out in piece.flags]
    due = sorted(
        (out for turn, each in enumerate(wanted) for out in each.flags if which[out.source_offset] == turn),
        key=lambda out: out.source_offset,
    )
    assert [out.source_offset for out in flags] == [out.source_offset for out in due]
    for got, expected in zip(flags, due, strict=True):
        assert got.message.key == expected.message.key
        assert without_share(got.message.value or b"") == msgspec.json.encode(
            msgspec.json.decode(expected.message.value or b"")
        )
    for name in ("alerts", "rejects"):
        got_ids = [out.source_offset for piece in found for out in getattr(piece, name)]
        due_ids = sorted(
            out.source_offset
            for turn, each in enumerate(wanted)
            for out in getattr(each, name)
            if which[out.source_offset] == turn
        )
        assert got_ids == due_ids
    rows = [row for piece in found for row in piece.rows]
    assert [row[:-1] for row in rows] == [
        row[:-1]
        for row in sorted((row for turn, each in enumerate(wanted) for row in each.rows if which[row[1]] == turn),
                          key=lambda row: row[1])
    ]  # fmt: skip
    # The drift that is looked for is that of the bundle in use.
    assert [sample for piece in found for sample in piece.samples] == [
        sample for sample in wanted[0].samples if which[sample[1]] == 0
    ]
    days = [day for piece in found for day in piece.history_days]
    assert len(days) == len(flags)


def test_flags_and_alerts_name_the_share_and_the_bundle_that_decided(bundles: dict[str, Bundle]) -> None:
    case = generate(3, Knobs(rows=200, customers=12))
    pipeline = Pipeline(bundles["bare"], source(case), challenger=Decider(bundles["no ledger"], 12.5))
    [out] = messages(pipeline, case, set())
    assert out.alerts
    for raw in (one.message.value for one in (*out.flags, *out.alerts)):
        assert versions_in(raw) == pipeline.versions
        said = msgspec.json.decode(raw or b"")
        customer = said["transaction"]["customer_id"] if "transaction" in said else said["customer_id"]
        assert pipeline.share is not None
        assert said["bundle_version"] == pipeline.share.decides(customer)
    flag = decode_flag(next(iter(out.flags)).message.value)
    assert not isinstance(flag, Rejected)
    assert versions_of(flag) == pipeline.versions
    for wrong in (Share(A, A, 10), Share(A, "../x", 10), Share(A, "linear-00000003", 10)):
        forged = msgspec.structs.replace(flag, bundle_version=C, share=wrong)
        assert (versions_of(forged), versions_in(encode(forged))) == (None, None)
    named = Versions(A, None, Share(A, C, 10.0))
    ours = msgspec.structs.replace(flag, bundle_version=C, share=named.share)
    assert versions_of(ours) == named
    for percent in (b"60.0", b"0.0", b"-1.0", b"1.25", b"1e305"):
        forged_bytes = encode(ours).replace(b'"percent":10.0', b'"percent":' + percent)
        assert versions_in(forged_bytes) is None
        forged = decode_flag(forged_bytes)
        assert not isinstance(forged, Rejected)
        assert versions_of(forged) is None


@pytest.mark.parametrize("percent", ["60.0", "0.0", "-1", "1.25", "1e305", "NaN", "null"])
def test_nobody_reads_a_share_that_cannot_be(percent: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        share_of(f'{{"in_use":"{A}","challenger":"{C}","percent":{percent}}}')


def test_a_schedule_gives_a_challenger_its_customers(tmp_path: Path) -> None:
    """From one transaction to another, at a share that grows; nobody else's bundle changes."""
    at = {time: to_datetime(NEW_YEAR + time) for time in (2, 4, 6)}
    starts = Start(C, 0, at[2], "c", "c", 10.0), Start(C, 0, at[4], percent=50.0), Start(NO_SHARE, 0, at[6])
    schedule = Schedule((Start(A, 0),), 1, shares=starts)
    path = tmp_path / "schedule.json"
    path.write_bytes(encode_schedule(schedule))
    assert read_schedule(path) == schedule
    cursor = InForce(schedule, lambda *_: 0)
    names = CUSTOMERS[:40]
    block = block_of([Transaction(name, NEW_YEAR + time, name, "EUR") for time in range(8) for name in names])
    found = [cursor.versions[number].bundle for number in cursor.of(block)]
    due = {0: 0.0, 1: 0.0, 2: 0.0, 3: 10.0, 4: 50.0, 5: 50.0, 6: 0.0, 7: 0.0}  # at 2 the first is never there
    expected = [
        C if due[time] and Share(A, C, due[time]).given([name])[0] else A for time in range(8) for name in names
    ]
    assert found == expected
    assert {C, A} == set(found)


@pytest.mark.parametrize("share", [Start(C), Start("../x", percent=10.0), Start(NO_SHARE, percent=10.0),
                                   Start(C, percent=60.0), Start(C, percent=1.25)])  # fmt: skip
def test_a_schedule_of_what_is_no_share_is_refused(tmp_path: Path, share: Start) -> None:
    path = tmp_path / "schedule.json"
    path.write_bytes(encode_schedule(Schedule((Start(A),), shares=(share,))))
    with pytest.raises(OptionError, match="share 1: got"):
        read_schedule(path)
