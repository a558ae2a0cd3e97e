"""What the log names and no worker can use: a bundle that is gone, or one that raises, or rules that do."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from risk.bundle import Bundle, Manifest, bundle_of_version, read_bundle
from risk.catalogue import EngineTerms
from risk.clock import HOUR
from risk.codes import Array
from risk.events import FiredRule
from risk.pipeline import Decider, DecisionError
from risk.rules.compiled import CompiledRules, RuleResults, compiled_for
from risk.rules.rule_set import RuleSet
from risk.scorer import Scorer
from risk.share import Share
from risk.versions import Versions
from testing.bundles import write_bundle
from testing.rule_sets import keep, made_of
from tests.test_scorer_pipelines import LEARNED, WITHOUT, Bench
from tests.test_scorer_reading_back import CHUNK, scored


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, WITHOUT)
    yield made
    made.store.close()


@pytest.fixture
def third(bench: Bench, tmp_path: Path) -> Bundle:
    return bench._bundle(tmp_path / "made", WITHOUT, 0.03)


def test_hundreds_of_shares_that_the_log_names_make_each_bundle_be_read_once_and_leave_nothing(
    bench: Bench, third: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody can write flags that name one for each percentage, also of bundles and rule sets that are there."""
    one, other, gone = bench.older.manifest.version, third.manifest.version, "linear-00000000"
    rules = made_of({"big": "amount >= 1"})
    keep(rules, bench.rules_folder)
    read: list[str] = []
    compiled: list[str] = []

    def reads(models: Path, version: str) -> Bundle:
        read.append(version)
        return bundle_of_version(models, version)

    def compiles(rule_set: RuleSet, manifest: Manifest) -> CompiledRules:
        compiled.append(manifest.version)
        return compiled_for(rule_set, manifest)

    monkeypatch.setattr("scorer.worker.pipelines.bundle_of_version", reads)
    monkeypatch.setattr("scorer.worker.pipelines.compiled_for", compiles)
    pipelines, most = bench.pipelines, 0

    async def chunk() -> None:
        nonlocal most
        for percent in range(1, 101):
            for in_use, challenger in ((one, other), (other, one), (one, gone), (gone, other)):
                named = Versions(in_use, rules.version, Share(in_use, challenger, percent / 2))
                for customer in ("ann", "bob"):
                    await pipelines.take(0, await pipelines.versions_for([named], customer))
                    most = max(most, len(pipelines._begun))
        await pipelines.take(0, pipelines.versions)
        pipelines.retire()

    asyncio.run(chunk())
    assert sorted(read) == sorted([one, other, gone])
    assert sorted(compiled) == sorted([one, other])
    assert most == 4  # two bundles beside the rules, the one in use, and one share
    assert list(pipelines._begun) == [pipelines.versions]
    [said] = caplog.messages
    assert f"flags of {gone}, which cannot be used" in said


@pytest.mark.parametrize(("lost", "goes_on"), [(1, 0), (0, 1), (1, 2), (0, 2)], ids=str)
def test_of_a_share_with_a_bundle_that_is_gone_the_other_one_repeats_its_own(
    bench: Bench, third: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture, lost: int, goes_on: int
) -> None:
    """What the lost one decided, the one in use decides now, and that is said. Of the bundles, the first was in use,
    and the second the challenger."""
    bundles = bench.current, bench.older, third
    there = asyncio.run(scored(tmp_path, bench.current, share=Decider(bench.older, 50.0))).flags
    gone, now = bundles[lost], bundles[goes_on]
    gone.folder.rename(tmp_path / "gone")
    alone = asyncio.run(scored(tmp_path, now)).flags
    is_lost = [json.loads(flag or b"")["bundle_version"] == gone.manifest.version for flag in there]
    assert 0 < sum(is_lost) < len(there)
    found = asyncio.run(scored(tmp_path, now, there))
    assert found.flags == [flag for flag, is_new in zip(alone, is_lost, strict=True) if is_new]
    assert (found.begun, found.rebuilt) == (1, 0)
    [said] = [message for message in caplog.messages if "cannot be used" in message]
    assert f"flags of {gone.manifest.version}, which" in said
    assert f"{now.manifest.version} scores their transactions again" in said


def test_where_going_back_and_forth_would_rebuild_histories_the_bundle_in_use_decides_all(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As where one on other terms came into use since."""
    there = asyncio.run(scored(tmp_path, bench.current, share=Decider(bench.older, 50.0))).flags
    bench.older.folder.rename(tmp_path / "gone")
    terms = EngineTerms("EUR", max_lateness_ms=HOUR)
    version = write_bundle(tmp_path / "made", WITHOUT, LEARNED, [0.1, 0.1], terms=terms).version
    (tmp_path / "made").rename(bench.models / version)
    now = read_bundle(bench.models / version)
    found = asyncio.run(scored(tmp_path, now, there))
    assert (found.flags, found.rebuilt) == (asyncio.run(scored(tmp_path, now)).flags, 0)
    said = [message for message in caplog.messages if "cannot be used" in message]
    assert len(said) == 2
    assert f"{bench.current.manifest.version} and {version} cannot have one engine" in said[1]


class Broken(NamedTuple):
    """Whatever this bundle is to score raises."""

    version: str

    def scores(self, scorer: Scorer, values: Array) -> Array:
        if scorer.manifest.version == self.version:
            raise RuntimeError("no such operator")
        return whole_scores(scorer, values)


whole_scores = Scorer.scores


def break_scorer(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> None:
    broken = Broken(bundle.manifest.version)
    monkeypatch.setattr(Scorer, "scores", lambda scorer, values: broken.scores(scorer, values))


@pytest.mark.parametrize("percent", [50.0, None])
def test_a_bundle_that_the_log_names_and_that_raises_ends_no_worker(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    percent: float | None,
) -> None:
    """Its successor would read the same. The one in use decides what it did, and nothing else is sent again."""
    share = None if percent is None else Decider(bench.older, percent)
    there = asyncio.run(scored(tmp_path, bench.older if share is None else bench.current, share=share)).flags
    version = bench.older.manifest.version
    is_its = [json.loads(flag or b"")["bundle_version"] == version for flag in there]
    break_scorer(monkeypatch, bench.older)
    alone = asyncio.run(scored(tmp_path, bench.current)).flags
    found = asyncio.run(scored(tmp_path, bench.current, there))
    assert found.flags == [flag for flag, is_new in zip(alone, is_its, strict=True) if is_new]
    [said] = [message for message in caplog.messages if "cannot decide" in message]
    decides = f"{bench.current.manifest.version} decides its transactions"
    assert said == f"{version} cannot decide (RuntimeError: no such operator); {decides}"


def test_rules_that_the_log_names_and_that_raise_end_no_worker(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they do so only once it is worked out what they compared, which is in the second chunk."""
    first, second = (made_of({"big": f"amount >= {major}"}) for major in (0.2, 0.3))
    keep(first, tmp_path / "rules")
    there = asyncio.run(scored(tmp_path, bench.current, rules=first)).flags
    wanted = asyncio.run(scored(tmp_path, bench.current, rules=second)).flags
    whole = CompiledRules.evaluate

    class Unsaid(list[FiredRule]):
        def __iter__(self) -> Iterator[FiredRule]:
            raise RuntimeError("no such column")

    def evaluate(rules: CompiledRules, *given: Any) -> RuleResults:
        results = whole(rules, *given)
        if rules.version != first.version:
            return results
        return results._replace(fired=[Unsaid([one for one in fired]) for fired in results.fired])  # noqa: C416

    monkeypatch.setattr(CompiledRules, "evaluate", evaluate)
    assert asyncio.run(scored(tmp_path, bench.current, there, second)).flags == wanted[CHUNK:]


def test_where_what_is_in_use_raises_the_worker_ends(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody said what should decide in its place."""
    break_scorer(monkeypatch, bench.current)
    with pytest.raises(DecisionError, match=f"{bench.current.manifest.version} cannot decide"):
        asyncio.run(scored(tmp_path, bench.current, share=Decider(bench.older, 50.0)))
