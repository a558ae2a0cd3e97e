"""A rule set is put in force while a worker runs, or taken out of it: it is taken at a chunk's edge, or refused with
the reason."""

import asyncio
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from risk.block import block_of
from risk.bundle import CURRENT, read_bundle
from risk.catalogue import FeatureSet
from risk.errors import RuleError
from risk.rules.compiled import CompiledRules
from risk.rules.rule_set import RuleSet
from risk.store import Refusal, Role
from risk.versions import Versions
from scorer.worker.swap import RulesWatch, check_none_is_meant
from scorer.worker.watch import Found
from testing.rule_sets import made_of, put_in_force
from testing.stores import flag, store_flags
from tests.test_scorer_pipelines import WITH_LEDGER, sale
from tests.test_scorer_swap import Watched as WatchedBundles
from trainer.in_force import make_current

ME = "box:1"
BIG, SMALL = made_of({"big": "amount > 0.5"}), made_of({"small": "amount < 0.5"})
UNFIT = made_of({"odd": "new_device_30d"})  # the bundle has no devices


class Watched(WatchedBundles):
    """A worker's rules, and who looks after them and its bundles."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.rules = self.bench.rules_folder
        self.rules_watch = RulesWatch(self.rules, self.parts)
        self.sales = 0

    @property
    def decided_by(self) -> str | None:
        return self.pipelines.versions.rules

    def put_in_force(self, rules: RuleSet | None) -> None:
        put_in_force(rules, self.rules)
        self.look()

    def look(self) -> None:
        asyncio.run(self.rules_watch.look())

    def promote_with(self, field: str) -> str:
        """A bundle that has this field, too."""
        made = self.another(fields=FeatureSet(WITH_LEDGER.fields | {field})).manifest.version
        make_current(self.models, made)
        asyncio.run(self.watch.look())
        return made

    def look_at_both(self) -> None:
        for watch in (self.watch, self.rules_watch):
            asyncio.run(watch.look())

    def refused(self, role: Role = Role.RULES) -> list[Refusal]:
        return asyncio.run(self.bench.store.call(lambda store: store.refusals(role)))

    def counted(self) -> tuple[float | None, float | None]:
        value = self.registry.get_sample_value
        return value("trustlens_rules_refusals_total"), value("trustlens_rules_refused")

    def in_rules_metric(self, version: str) -> float | None:
        return self.registry.get_sample_value("trustlens_rules_info", {"version": version})

    def decided(self) -> str | None:
        """By what the next chunk is decided."""
        pipeline = asyncio.run(self.pipelines.take(0, self.pipelines.versions))
        decided = pipeline.score(block_of([sale(self.sales)])).decided
        self.sales += 1
        return None if decided is None else decided.rules_versions[0]


@pytest.fixture
def watched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Watched]:
    caplog.set_level(logging.INFO, "scorer")
    made = Watched(tmp_path)
    yield made
    made.bench.store.close()


def test_a_set_comes_into_force_another_takes_its_place_and_none_decides_again(watched: Watched) -> None:
    """With the engine and the scorer that are there."""
    watched.look()
    assert watched.decided() is None
    engine = asyncio.run(watched.pipelines.take(0, watched.pipelines.versions)).engine
    for rules in (BIG, SMALL, None, BIG):
        watched.put_in_force(rules)
        wanted = None if rules is None else rules.version
        assert watched.decided_by == watched.decided() == wanted
        assert asyncio.run(watched.pipelines.take(0, watched.pipelines.versions)).engine is engine
        assert [watched.in_rules_metric(each.version) for each in (BIG, SMALL)] == [
            1 if rules is each else None for each in (BIG, SMALL)
        ]
    assert watched.counted() == (0, 0)


def test_no_chunk_waits_for_rules_or_a_model(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.decided()
    watched.put_in_force(BIG)

    def too_late(*_: object) -> None:
        raise AssertionError("something is loaded while a chunk waits")

    monkeypatch.setattr("risk.pipeline.Scorer", too_late)
    monkeypatch.setattr("scorer.worker.pipelines.rules_of_version", too_late)
    assert watched.decided() == BIG.version


def test_a_set_that_the_bundle_cannot_serve_is_refused(watched: Watched) -> None:
    watched.put_in_force(BIG)
    watched.put_in_force(UNFIT)
    [refused] = watched.refused()
    assert refused.refused == UNFIT.version
    assert "rule odd of" in refused.reason
    assert "got new_device_30d, expected a feature that" in refused.reason
    watched.put_in_force(None)
    assert (watched.decided_by, watched.refused(), watched.counted()) == (None, [], (1, 0))


def test_a_set_decides_until_it_is_said_that_none_does(watched: Watched) -> None:
    """What names it may be away with its disk; to decide without rules would look like a calm day."""
    watched.put_in_force(BIG)
    watched.rules.rename(watched.folder / "away")
    watched.look()
    assert watched.decided_by == BIG.version
    [refused] = watched.refused()
    assert refused.refused == CURRENT
    assert (
        f"nothing is there, expected a file that names a rule set, or none, for {BIG.version} decided" in refused.reason
    )
    watched.rules.mkdir()  # the place of a disk that is not there
    watched.look()
    assert (watched.decided_by, watched.counted()) == (BIG.version, (1, 1))
    watched.put_in_force(None)
    assert (watched.decided_by, watched.refused(), watched.counted()) == (None, [], (1, 0))


def test_a_folder_that_cannot_be_looked_into_is_refused(watched: Watched) -> None:
    watched.look()
    watched.rules.write_text("a file in its place")
    watched.look()
    assert [refused.refused for refused in watched.refused()] == [CURRENT]


def test_no_worker_begins_without_rules_where_the_store_knows_of_a_set(watched: Watched) -> None:
    def check() -> None:
        asyncio.run(watched.bench.store.call(partial(check_none_is_meant, watched.rules)))

    check()
    rows = [flag(0)._replace(rules_version=BIG.version)]
    asyncio.run(watched.bench.store.call(lambda store: store_flags(store, rows)))
    with pytest.raises(RuleError, match=f"current: nothing is there, .* for {BIG.version} decided until now"):
        check()
    put_in_force(None, watched.rules)
    check()
    (watched.rules / CURRENT).unlink()
    asyncio.run(watched.bench.store.call(lambda store: store_flags(store, [flag(1)])))
    check()  # none decided the newest one


def test_while_none_decides_a_current_that_names_no_set_is_refused_too(watched: Watched) -> None:
    watched.rules.mkdir()
    (watched.rules / CURRENT).write_text("rules-0123456789abcdef")
    watched.look()
    assert [refused.refused for refused in watched.refused()] == [CURRENT]


def test_a_set_in_force_goes_with_a_bundle_that_is_promoted(watched: Watched) -> None:
    watched.put_in_force(BIG)
    version = watched.promote_with("device_id")
    assert watched.pipelines.versions == Versions(version, BIG.version)
    assert watched.decided() == BIG.version
    watched.put_in_force(UNFIT)  # which this one can serve
    assert watched.decided() == UNFIT.version


def test_a_bundle_that_the_set_in_force_cannot_be_used_with_is_refused(watched: Watched) -> None:
    with_devices = watched.promote_with("device_id")
    watched.put_in_force(UNFIT)
    watched.promote_with("country")
    assert watched.pipelines.versions == Versions(with_devices, UNFIT.version)
    [refused] = watched.refused(Role.BUNDLE)
    assert "got new_device_30d, expected a feature that" in refused.reason


@pytest.mark.parametrize("rules", [made_of({"odd": "new_country_30d"}), BIG, None], ids=["that fit it", "any", "none"])
def test_a_bundle_and_rules_that_were_promoted_come_into_force_together(
    watched: Watched, rules: RuleSet | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither fits what goes: one after the other, each would be refused for ever."""
    old = watched.promote_with("device_id")
    watched.put_in_force(UNFIT)
    caplog.clear()
    put_in_force(rules, watched.rules)
    new = watched.promote_with("country")
    wanted = None if rules is None else rules.version
    assert watched.pipelines.versions == Versions(new, wanted)
    watched.look_at_both()
    assert (watched.decided(), watched.counted()) == (wanted, (0, 0))
    assert caplog.messages == [
        f"goes on with bundle {new}, in place of {old}",
        f"goes on with rules {wanted or 'none'}, in place of {UNFIT.version}",
    ]
    assert watched.in_rules_metric(UNFIT.version) is None


@pytest.mark.parametrize("is_bundle_first", [True, False])
def test_what_was_refused_alone_is_taken_once_the_other_is_there(watched: Watched, is_bundle_first: bool) -> None:
    watched.promote_with("device_id")
    watched.put_in_force(UNFIT)
    fits_new = made_of({"odd": "new_country_30d"})
    if is_bundle_first:
        new = watched.promote_with("country")
        assert len(watched.refused(Role.BUNDLE)) == 1
        put_in_force(fits_new, watched.rules)
    else:
        watched.put_in_force(fits_new)
        assert len(watched.refused()) == 1
        new = watched.promote_with("country")
    watched.look_at_both()
    assert watched.pipelines.versions == Versions(new, fits_new.version)
    assert (watched.refused(), watched.refused(Role.BUNDLE)) == ([], [])


def test_where_the_rules_that_came_with_it_cannot_be_used_those_that_decide_go_on(watched: Watched) -> None:
    watched.put_in_force(BIG)
    put_in_force(UNFIT, watched.rules)
    new = watched.promote_with("country")
    watched.look_at_both()
    assert watched.pipelines.versions == Versions(new, BIG.version)
    assert [refused.refused for refused in watched.refused()] == [UNFIT.version]


def test_rules_compiled_for_a_bundle_that_went_meanwhile_are_not_taken(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = watched.rules_watch._load

    def slow(found: Found) -> CompiledRules | None:
        ready = load(found)
        older = watched.bench.older
        pipeline = asyncio.run(watched.pipelines.take(1, Versions(older.manifest.version)))
        watched.pipelines.go_on_with(read_bundle(older.folder), pipeline.scorer, None)
        return ready

    monkeypatch.setattr(watched.rules_watch, "_load", slow)
    watched.put_in_force(BIG)
    assert watched.decided_by is None
    monkeypatch.undo()
    watched.look()
    assert watched.pipelines.versions == Versions(watched.bench.older.manifest.version, BIG.version)
