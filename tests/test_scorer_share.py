"""A challenger that decides for a share of the customers in a worker: with real bundles and a real store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from risk.catalogue import FeatureSet
from risk.challenger import pointer_to
from risk.clock import HOUR
from risk.share import Share
from risk.store import FlagRow, Role, ShareStart
from scorer.worker.watch import AGAIN_SECONDS
from testing.rule_sets import made_of
from tests.challenger_rig import Rig, alone
from tests.test_scorer_buffer import Given
from tests.test_scorer_pipelines import WITHOUT, sale
from tests.test_scorer_unusable import break_scorer
from trainer.in_force import make_current


def customer(offset: int) -> str:
    return f"c{offset % 9}"


def given(offset: int) -> Given:
    return Given(offset, replace(sale(offset), customer_id=customer(offset)), key=customer(offset).encode())


def chunk(first: int, behind: int) -> list[Given]:
    return [given(offset) for offset in range(first, behind)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def rows(rig: Rig) -> list[FlagRow]:
    found: list[FlagRow] = rig.ask(lambda store: list(store.flags()))
    return found


def share_starts(rig: Rig) -> list[tuple[int, str | None, float | None]]:
    found: list[ShareStart] = rig.ask(lambda store: store.share_starts())
    return [(start.first_offset, start.challenger, start.percent) for start in found]


def test_a_share_comes_and_grows_and_ends_at_a_chunk_and_the_store_knows_from_when(rig: Rig) -> None:
    """Every row is decided by its customer's bundle, to the bit; the challenger scores the others in the shadow."""
    challenger = rig.another(0.5)
    version, current = challenger.manifest.version, rig.current
    percents: list[float | None] = [None, 20.0, 50.0, None]
    for turn, percent in enumerate(percents):
        rig.name(pointer_to(version, percent))
        assert rig.counted("challenger_share_percent") == (percent or 0)
        rig.score(chunk(turn * 30, turn * 30 + 15), chunk(turn * 30 + 15, turn * 30 + 30))
        rig.work()
    rig.name(None)
    rig.score(chunk(120, 150))

    shares = [None if percent is None else Share(current, version, percent) for percent in (*percents, None)]
    each_share = [(customer(n), shares[n // 30]) for n in range(150)]
    is_given = [share is not None and share.decides(name) == version for name, share in each_share]
    found = rows(rig)
    assert [row.bundle_version == version for row in found] == is_given
    assert 10 < sum(is_given) < 60
    transactions = [given(offset).event for offset in range(150)]
    each = alone(rig.pipelines.current, transactions), alone(challenger, transactions)
    assert [(row.score, row.level) for row in found] == [each[turn][n] for n, turn in enumerate(map(int, is_given))]
    assert share_starts(rig) == [(0, None, None), (30, version, 20.0), (60, version, 50.0), (90, None, None)][1:]
    assert [start.version for start in rig.ask(lambda store: store.starts(Role.BUNDLE))] == [current]
    assert rig.ask(lambda store: store.newest_bundles()) == {0: current}
    assert {bundle.version for bundle in rig.ask(lambda store: store.bundles())} == {current, version}
    # What it decides itself is no score in the shadow; a span goes on over it.
    assert [pair.offset for pair in rig.pairs(challenger)] == [n for n in range(120) if not is_given[n]]
    assert [(span.first_offset, span.next_offset) for span in rig.spans(challenger)] == [(0, 120)]
    assert rig.counted("challenger_decisions_total") == sum(is_given)
    assert rig.counted("shadow_transactions_total") == 120 - sum(is_given)


def test_a_challenger_that_is_promoted_has_no_share_any_more(rig: Rig) -> None:
    challenger = rig.another(0.5)
    version = challenger.manifest.version
    rig.name(pointer_to(version, 50.0))
    rig.score(chunk(0, 20))
    make_current(rig.models, version)
    rig.run(rig.current_watch.look())
    rig.look()
    rig.score(chunk(20, 40))
    assert {row.bundle_version for row in rows(rig)[20:]} == {version}
    assert share_starts(rig) == [(0, version, 50.0), (20, None, None)]


def test_the_bundle_in_use_may_change_under_a_share(rig: Rig) -> None:
    challenger, another = rig.another(0.5), rig.another(0.3)
    before, version, after = rig.current, challenger.manifest.version, another.manifest.version
    rig.name(pointer_to(version, 50.0))
    rig.score(chunk(0, 20))
    make_current(rig.models, after)
    rig.run(rig.current_watch.look())
    rig.score(chunk(20, 40))
    assert [row.bundle_version for row in rows(rig)] == [
        Share(before if n < 20 else after, version, 50.0).decides(customer(n)) for n in range(40)
    ]
    assert share_starts(rig) == [(0, version, 50.0)]
    starts = rig.ask(lambda store: store.starts(Role.BUNDLE))
    assert [(start.first_offset, start.version) for start in starts] == [(0, before), (20, after)]


@pytest.mark.parametrize("text", ["share 0", "share 60", "share ten", "portion 10", "share 10\nshare 20", "share 1.25"])
def test_what_is_no_share_is_refused(rig: Rig, text: str) -> None:
    version = rig.another(0.5).manifest.version
    rig.name(f"{version}\n{text}\n")
    [refused] = rig.refused()
    assert "expected share and a percentage" in refused.reason
    rig.score(chunk(0, 20))
    assert {row.bundle_version for row in rows(rig)} == {rig.current}
    rig.name(pointer_to(version, 50.0))
    assert rig.refused() == []


def test_on_other_terms_or_without_the_ledger_it_decides_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, WITHOUT)
    for fields, terms, words in (
        (WITHOUT, {"max_lateness_ms": HOUR}, "max_lateness_ms"),
        (FeatureSet(frozenset({"customer_id", "merchant_id"})), {}, "needs no merchant ledger"),
    ):
        version = rig.another(0.5, fields, **terms).manifest.version
        rig.name(pointer_to(version, 50.0))
        [refused] = rig.refused()
        assert words in refused.reason
    rig.score(chunk(0, 20))
    assert {row.bundle_version for row in rows(rig)} == {rig.current}
    assert share_starts(rig) == []
    rig.close()


def test_rules_that_come_into_force_are_compiled_for_the_challenger_before_it_decides_again(rig: Rig) -> None:
    """Until then the bundle in use decides for all; and where they do not fit the challenger, it does so to the end."""
    from risk.rules.compiled import compiled_for

    challenger = rig.another(0.5)
    version = challenger.manifest.version
    rig.name(pointer_to(version, 50.0))
    rig.score(chunk(0, 20))
    rules = made_of({"big": "amount >= 1"})
    rig.pipelines.go_on_with_rules(compiled_for(rules, rig.pipelines.current.manifest))
    rig.score(chunk(20, 40))
    rig.look()
    rig.score(chunk(40, 60))
    found = rows(rig)
    assert {row.bundle_version for row in found[20:40]} == {rig.current}
    assert [row.bundle_version for row in found[40:]] == [
        Share(rig.current, version, 50.0).decides(customer(n)) for n in range(40, 60)
    ]
    assert {(row.rules_version, row.decision) for row in found[40:]} == {(rules.version, "alert")}
    assert share_starts(rig) == [(0, version, 50.0), (20, None, None), (40, version, 50.0)]


def test_one_that_raises_while_it_decides_is_refused_and_the_bundle_in_use_decides_the_chunk(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Workers would end at that chunk again and again. Nothing is lost or said twice, and it is tried again once it is
    named again."""
    challenger = rig.another(0.5)
    version = challenger.manifest.version
    rig.name(pointer_to(version, 50.0))
    rig.score(chunk(0, 20))
    with monkeypatch.context() as broken:
        break_scorer(broken, challenger)
        rig.score(chunk(20, 30), chunk(30, 40))
        assert rig.refused() == []
        rig.look()
    [refused] = rig.refused()
    assert refused.refused == version
    assert refused.reason == f"{version} cannot decide (RuntimeError: no such operator)"
    assert (rig.counted("challenger_refused"), rig.counted("challenger_refusals_total")) == (1, 1)
    assert (rig.counted("challenger_share_percent"), rig.challenger.version) == (0, None)
    assert caplog.text.count(f"{refused.reason}; {rig.current} decides its transactions") == 1
    rig.score(chunk(40, 50))
    found = rows(rig)
    assert [row.source_offset for row in found] == list(range(50))
    assert {row.bundle_version for row in found[20:]} == {rig.current}
    wanted = alone(rig.pipelines.current, [given(offset).event for offset in range(50)])
    assert [(row.score, row.level) for row in found[20:]] == wanted[20:]
    assert sum(int(entry.split()[1]) for entry in rig.journal if "risk-flags" in entry) == 50
    assert share_starts(rig) == [(0, version, 50.0), (20, None, None)]
    rig.time += AGAIN_SECONDS
    rig.look()
    assert len(rig.refused()) == 1
    rig.name(pointer_to(version, 50.0))
    rig.look()
    assert rig.refused() == []
    rig.score(chunk(50, 70))
    assert share_starts(rig)[2:] == [(50, version, 50.0)]
