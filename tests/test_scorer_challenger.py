"""What the challenger scores, when it gives way, and that what is in use never notices."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from risk.bundle import LearnedNumber, read_bundle
from risk.catalogue import FeatureSet
from risk.events import Transaction
from risk.store import Role, ShadowPiece, ShadowSpan
from scorer.worker import shadow
from testing.bundles import write_bundle
from tests.challenger_rig import Rig, alone, given
from tests.test_scorer_buffer import Given, unreadable
from tests.test_scorer_pipelines import WITHOUT, sale


@pytest.fixture
def rig(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Rig]:
    caplog.set_level(logging.INFO, "scorer")
    made = Rig(tmp_path)
    yield made
    made.close()


def test_every_transaction_is_scored_as_by_the_challenger_alone(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(n) for n in range(5)], [given(5)], [given(n) for n in range(6, 30)])
    rig.work()
    sales = [sale(n) for n in range(30)]
    pairs = rig.pairs(bundle)
    assert [(pair.challenger_score, pair.challenger_level) for pair in pairs] == alone(bundle, sales)
    assert [(pair.score, pair.level) for pair in pairs] == alone(rig.bench.current, sales)
    assert {pair.bundle_version for pair in pairs} == {rig.current}
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 30, 30)]
    assert (rig.counted("shadow_transactions_total"), rig.counted("shadow_given_up_total")) == (30, 0)


def test_what_is_sent_and_stored_is_what_it_would_be_without_one(tmp_path: Path) -> None:
    said = []
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
        rig = Rig(tmp_path / name)
        if name == "with":
            rig.begin()
        rig.score([given(n) for n in range(20)], [given(n) for n in range(20, 23)])
        rig.work()
        starts = [
            start[:4] for start in rig.ask(lambda store: store.starts(Role.BUNDLE))
        ]  # without the wall clock's time
        said.append((rig.journal, rig.ask(lambda store: list(store.flags())), starts))
        rig.close()
    assert said[0] == said[1]


def test_nothing_is_scored_before_the_chunk_itself_is_stored(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0)])
    assert rig.ask(lambda store: len(list(store.flags()))) == 1
    assert rig.spans(bundle) == []
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 1, 1)]


def test_duplicates_and_rejects_have_no_score_and_part_no_span(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0), given(1, number=0), unreadable(2), given(3)], [unreadable(4)], [given(5)])
    rig.work()
    assert [pair.offset for pair in rig.pairs(bundle)] == [0, 3, 5]
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 6, 3)]


def test_a_challenger_may_want_more_fields_and_attributes(tmp_path: Path) -> None:
    rig = Rig(tmp_path, WITHOUT)
    made = tmp_path / "made"
    wants = FeatureSet(frozenset({"customer_id", "device_id"}), ("age",))
    learned = (LearnedNumber("new_device_30d", 0.0, 0.0, 1.0, 0.0), LearnedNumber("attribute_age", 9.0, 0.0, 99.0, 9.0))
    version = write_bundle(made, wants, learned, [0.5, 0.1]).version
    made.rename(rig.models / version)
    rig.score([given(0)])
    rig.name(version)
    sales = [
        Transaction(
            f"d{n}", sale(n).event_time, "ann", "EUR", device_id=f"device {n // 2}", attributes={"age": 30.0 + n}
        )
        for n in range(1, 6)
    ]
    rig.score([Given(n, event, key=b"ann") for n, event in enumerate(sales, 1)])
    rig.work()
    bundle = read_bundle(rig.models / version)
    said = [(pair.challenger_score, pair.challenger_level) for pair in rig.pairs(bundle)]
    assert said == alone(bundle, [sale(0), *sales])[1:]
    assert len(set(said)) > 2
    rig.close()


def test_what_finds_no_room_is_given_up_in_whole_chunks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "MOST_WAITING", 5)
    bundle = rig.begin()
    rig.score([given(n) for n in range(4)], [given(n) for n in range(4, 6)], [given(6)], [given(7)])
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 4, 4), ShadowSpan(0, 6, 7, 1)]
    assert [pair.offset for pair in rig.pairs(bundle)] == [0, 1, 2, 3, 6]
    assert (rig.counted("shadow_transactions_total"), rig.counted("shadow_given_up_total")) == (5, 3)


def test_one_chunk_always_finds_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "MOST_WAITING", 5)
    bundle = rig.begin()
    rig.score([given(n) for n in range(9)])
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 9, 9)]


def test_what_waits_takes_room_by_what_it_holds(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of duplicates, late ones and rejects the offsets are kept, and they take room, too."""
    monkeypatch.setattr(shadow, "MOST_WAITING", 8)
    bundle = rig.begin()
    again = [[given(n, number=0) for n in range(first, first + 4)] for first in range(1, 9, 4)]
    rig.score([given(0)], *again, [unreadable(9)], [given(10), given(11, number=0), given(12)])
    assert [len(each.features.values) for each in rig.challenger._waiting._parts] == [1, 0, 0, 0, 2]
    rig.score(*([unreadable(n)] for n in range(13, 30)))
    assert len(rig.challenger._waiting) == 7
    rig.work()
    assert [pair.offset for pair in rig.pairs(bundle)] == [0, 10, 12]
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 15, 3)]
    assert rig.counted("shadow_given_up_total") == 0


def test_a_large_chunk_is_scored_in_parts_that_wait_for_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "AT_ONCE", 4)
    bundle = rig.begin()
    duplicates = (5, 9, 10)
    rig.score([given(n, number=0 if n in duplicates else n) for n in range(12)])
    rig.has_time = False
    for last, count in ((4, 4), (9, 8), (12, 9)):
        rig.work()
        assert rig.spans(bundle) == [ShadowSpan(0, 0, last, count)]
    sales = [sale(n) for n in range(12) if n not in duplicates]
    assert [(pair.challenger_score, pair.challenger_level) for pair in rig.pairs(bundle)] == alone(bundle, sales)
    assert rig.challenger._waiting._room == 0


def test_what_follows_on_each_other_is_stored_as_one() -> None:
    some = [(0, 0.5, 1)], [(2, 0.5, 1), (3, 0.5, 1)], [], [(9, 0.5, 1)]
    pieces = [
        ShadowPiece(first, behind, rows)
        for (first, behind), rows in zip([(0, 2), (2, 4), (4, 6), (9, 10)], some, strict=True)
    ]
    assert shadow.joined_pieces(pieces) == [ShadowPiece(0, 6, [*some[0], *some[1]]), pieces[3]]
    assert shadow.joined_pieces([]) == []


def test_small_chunks_are_scored_as_one(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = rig.begin()
    scored: list[int] = []
    pieces_of = shadow.pieces_of
    monkeypatch.setattr(shadow, "pieces_of", lambda some: scored.append(len(some)) or pieces_of(some))
    rig.score(*([given(n)] for n in range(6)))
    rig.work()
    assert scored == [6]
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 6, 6)]


def test_what_is_stored_at_once_is_limited(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "AT_ONCE", 1)
    monkeypatch.setattr(shadow, "STORED_AT_ONCE", 2)
    bundle = rig.begin()
    rig.score([given(n) for n in range(5)])
    for count in (2, 4, 5):
        rig.work()
        assert rig.spans(bundle) == [ShadowSpan(0, 0, count, count)]


def test_it_goes_on_only_while_nothing_waits_to_be_scored(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "AT_ONCE", 2)
    bundle = rig.begin()
    rig.score([given(n) for n in range(2)], [given(n) for n in range(2, 4)])
    rig.has_time = False
    rig.work()  # the first was begun when there was time
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 2, 2)]
    rig.has_time = True
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 4, 4)]


def test_it_waits_for_time_and_then_scores_by_itself(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "LOOKS_EVERY_SECONDS", 0)
    bundle = rig.begin()
    rig.score([given(0)])
    looks = 0

    def has_time() -> bool:
        nonlocal looks
        looks += 1
        return looks > 3

    async def until_scored() -> None:
        working = asyncio.create_task(rig.challenger.run())
        while not rig.counted("shadow_transactions_total"):
            await asyncio.sleep(0)
        working.cancel()

    monkeypatch.setattr(rig.challenger, "_has_time", has_time)
    rig.run(until_scored())
    assert looks > 3
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 1, 1)]


def test_what_waits_when_the_partition_goes_is_given_up(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0), given(1)])
    rig.partition = rig.take_over()
    rig.work()
    assert (rig.spans(bundle), rig.pairs(bundle)) == ([], [])
    assert (rig.counted("shadow_transactions_total"), rig.counted("shadow_given_up_total")) == (0, 2)


def test_offsets_without_a_record_and_chunks_that_were_lost_are_told_apart(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0)])
    rig.work()
    rig.run(rig.partition.skip_to(5))
    rig.score([given(5)])
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 6, 2)]
    rig.score([given(6)])
    rig.partition = rig.take_over()  # the worker was killed with that chunk unscored by the challenger
    rig.work()
    rig.score([given(7)])
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 6, 2), ShadowSpan(0, 7, 8, 1)]


def test_what_is_scored_again_is_not_scored_in_the_shadow(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the store is rebuilt: the challenger may have learned from it. And it is no beginning or end of one."""
    bundle = rig.begin()
    rig.score([given(0)])
    with monkeypatch.context() as repeated:
        repeated.setattr("scorer.log.already_sent.AlreadySent.names_versions", True)
        rig.score([given(1)])
    rig.score([given(2)])
    rig.work()
    assert [pair.offset for pair in rig.pairs(bundle)] == [0, 2]
    assert rig.starts() == [(0, bundle.manifest.version)]


def test_an_engine_that_cannot_take_it_scores_on_alone(tmp_path: Path) -> None:
    """As where the bundle in use was exchanged for one without the ledger, and a partition began with that."""
    rig = Rig(tmp_path)
    bundle = rig.begin()
    plain = rig.another(0.7, fields=WITHOUT)
    rig.pipelines.current = plain
    rig.partition = rig.take_over()
    rig.score([given(0), given(1)])
    rig.work()
    assert rig.pairs(bundle) == []
    assert rig.counted("shadow_given_up_total") == 2
    rig.close()


def test_what_waits_is_scored_by_the_challenger_that_it_waits_for(rig: Rig) -> None:
    first = rig.begin(0.5)
    rig.score([given(0)])
    second = rig.begin(0.6)
    rig.score([given(1)])
    rig.work()
    assert [pair.challenger_score for pair in rig.pairs(first)] == [alone(first, [sale(0)])[0][0]]
    assert [pair.challenger_score for pair in rig.pairs(second)] == [alone(second, [sale(0), sale(1)])[1][0]]
