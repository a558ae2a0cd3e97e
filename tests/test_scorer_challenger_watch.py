"""A challenger is named, exchanged and removed while a worker runs, or refused with the reason."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import pytest

from risk.bundle import ONNX, Bundle, Drift, LearnedCategory, LearnedNumber
from risk.challenger import CHALLENGER, pointer_to
from risk.clock import HOUR
from risk.codes import Array
from risk.rules.compiled import compiled_for
from risk.scorer import Scorer
from risk.share import Share, of_the_customers
from risk.store import ShadowSpan
from risk.versions import Versions
from scorer.worker import shadow, swap
from scorer.worker.shadow import Waiting, check_quick
from scorer.worker.watch import AGAIN_SECONDS
from testing.rule_sets import made_of
from tests.challenger_rig import Rig, given
from tests.test_scorer_buffer import unreadable
from tests.test_scorer_pipelines import WITH_LEDGER, WITHOUT
from trainer.in_force import make_current


@pytest.fixture
def rig(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Rig]:
    caplog.set_level(logging.INFO, "scorer")
    made = Rig(tmp_path)
    yield made
    made.close()


def test_which_challenger_was_to_score_from_when_is_stored_with_the_chunks(rig: Rig) -> None:
    rig.score([given(0)])  # before anybody looked
    first = rig.begin(0.5)
    rig.score([given(1)], [given(2)])
    second = rig.begin(0.6)
    rig.score([unreadable(3)], [given(4)])
    rig.name(None)
    rig.score([given(5)], [given(6)])
    rig.work()
    assert rig.starts() == [(1, first.manifest.version), (4, second.manifest.version), (5, None)]
    assert rig.spans(first) == [ShadowSpan(0, 1, 3, 2)]
    assert rig.spans(second) == [ShadowSpan(0, 3, 5, 1)]


def test_a_worker_that_has_not_looked_yet_says_nothing_of_challengers(rig: Rig) -> None:
    """A restart is no end of a challenger."""
    bundle = rig.begin()
    rig.score([given(0)])
    rig.challenger._is_known, rig.challenger._scorer = False, None
    rig.score([given(1)])
    assert rig.starts() == [(0, bundle.manifest.version)]


def test_the_challenger_ends_when_it_is_put_in_use(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0)])
    make_current(rig.models, bundle.manifest.version)
    rig.run(rig.current_watch.look())
    rig.score([given(1)])  # nobody looked at the challenger since
    rig.look()
    assert rig.challenger.version is None
    rig.score([given(2)])
    rig.work()
    assert [pair.offset for pair in rig.pairs(bundle)] == [0]
    assert rig.starts() == [(0, bundle.manifest.version), (1, None)]
    assert rig.refused() == []


def test_the_bundle_in_use_may_be_exchanged_beside_a_challenger(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0)])
    old, new = rig.current, rig.another(0.7)
    make_current(rig.models, new.manifest.version)
    rig.run(rig.current_watch.look())
    rig.score([given(1)])
    rig.work()
    assert [pair.bundle_version for pair in rig.pairs(bundle)] == [old, new.manifest.version]
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 2, 2)]


def test_without_a_challenger_nothing_waits_and_nothing_is_said(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.look()
    rig.score([given(0)])
    assert not rig.challenger._waiting
    assert (rig.starts(), rig.refused(), caplog.messages) == ([], [], [])
    assert (rig.counted("challenger_refused"), rig.counted("shadow_given_up_total")) == (0, 0)


def test_it_is_shown_while_there_is_one(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    version = rig.begin().manifest.version
    label = {"version": version, "model": "linear"}
    rig.look()
    assert rig.registry.get_sample_value("trustlens_challenger_info", label) == 1
    rig.name(None)
    assert rig.registry.get_sample_value("trustlens_challenger_info", label) is None
    assert caplog.messages == [f"the challenger is {version}", f"the challenger is {version} no more"]


def cut(bundle: Bundle) -> None:
    path = bundle.folder / ONNX
    path.write_bytes(path.read_bytes()[:-1])


def test_one_that_is_not_whole_is_refused_and_the_one_before_goes_on(rig: Rig) -> None:
    before, torn = rig.begin(0.5), rig.another(0.6)
    rig.score([given(0)])
    cut(torn)
    rig.name(torn.manifest.version)
    rig.look()
    rig.score([given(1)])
    assert rig.starts() == [(0, before.manifest.version)]
    assert rig.counted("challenger_refused") == 1


@pytest.mark.parametrize(
    ("terms", "why"),
    [({"label_delay_days": 8}, "label_delay_days: got 8, expected 7"), ({"bucket_ms": HOUR * 2}, "bucket_ms")],
)
def test_one_on_other_terms_is_refused(rig: Rig, terms: dict[str, int], why: str) -> None:
    bundle = rig.another(**terms)
    rig.name(bundle.manifest.version)
    [refused] = rig.refused()
    assert refused.reason.startswith(f"{bundle.manifest.version} cannot score beside {rig.current} ({why}")
    assert rig.challenger.version is None


def test_one_that_needs_a_ledger_is_refused_beside_one_that_has_none(tmp_path: Path) -> None:
    rig = Rig(tmp_path, WITHOUT)
    rig.name(rig.another(fields=WITH_LEDGER).manifest.version)
    assert "fields: got merchant_id among them" in rig.refused()[0].reason
    rig.close()


def named_again(rig: Rig, bundle: Bundle) -> None:
    (rig.models / CHALLENGER).write_text(f"{bundle.manifest.version}\n")


def named_with_a_share(rig: Rig, bundle: Bundle) -> None:
    (rig.models / CHALLENGER).write_text(pointer_to(bundle.manifest.version, 10.0))


def brought_back(_: Rig, bundle: Bundle) -> None:
    path = bundle.folder / ONNX
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(raw)


@pytest.mark.parametrize("change", [named_again, named_with_a_share, brought_back])
def test_one_that_cannot_score_is_the_challenger_no_more_until_something_changes_and_the_other_goes_on(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Rig, Bundle], None],
) -> None:
    bundle = rig.begin()
    monkeypatch.setattr(shadow, "AT_ONCE", 1)
    rig.score([given(0)], [given(1)])

    def fail(_: Sequence[Waiting]) -> None:
        raise RuntimeError("no such operator")

    with monkeypatch.context() as broken:
        broken.setattr(shadow, "pieces_of", fail)
        rig.work()
    rig.look()
    rig.score([given(2)])
    [refused] = rig.refused()
    assert refused.refused == bundle.manifest.version
    assert refused.reason == f"{bundle.manifest.version} cannot score (RuntimeError: no such operator)"
    assert (rig.spans(bundle), rig.challenger.version) == ([], None)
    assert rig.starts() == [(0, bundle.manifest.version), (2, None)]
    assert rig.counted("shadow_given_up_total") == 2
    assert caplog.text.count("cannot score; it is the challenger no more") == 1
    assert "no such operator" in caplog.text
    for _ in range(2):  # it would fail again, and be told again
        rig.time += AGAIN_SECONDS
        rig.look()
        assert (rig.challenger.version, rig.counted("challenger_refusals_total")) == (None, 1)
        assert [one.refused for one in rig.refused()] == [bundle.manifest.version]
    change(rig, bundle)
    rig.look()
    rig.look()  # what still changes is not read
    assert rig.challenger.version == bundle.manifest.version
    assert rig.refused() == []


def test_one_that_cannot_score_what_it_is_tried_with_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """All workers would end, and again at each start."""
    bundle = rig.another()

    def fail(_: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr("scorer.worker.swap.check_quick", fail)
    rig.name(bundle.manifest.version)
    [refused] = rig.refused()
    assert refused.reason == f"{bundle.manifest.version} cannot be used (RuntimeError: no such operator)"


def test_one_whose_model_is_slow_is_refused_with_what_it_takes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = rig.another()
    with monkeypatch.context() as limited:
        limited.setattr(shadow, "MOST_MICROSECONDS", 0)
        rig.name(slow.manifest.version)
    [refused] = rig.refused()
    assert refused.refused == slow.manifest.version
    assert "µs a transaction, expected at most 0 of a challenger" in refused.reason
    assert (rig.challenger.version, rig.counted("challenger_refused")) == (None, 1)
    rig.score([given(0)])
    assert rig.counted("shadow_given_up_total") == 0


def test_a_version_that_the_store_knows_otherwise_is_refused(rig: Rig) -> None:
    bundle = rig.another()
    version = bundle.manifest.version
    rig.ask(lambda store: store.remember_challenger(version, '{"seed":1}'))
    rig.name(version)
    assert "got another manifest than the store remembers by this version" in rig.refused()[0].reason


def away(rig: Rig, _: Bundle) -> str:
    rig.models.rename(rig.folder / "away")
    return "challenger: No such file or directory, expected a file that names a bundle"


def not_mounted(rig: Rig, bundle: Bundle) -> str:
    away(rig, bundle)
    rig.models.mkdir()
    return "models: current is not there, expected bundles"


def half_written(rig: Rig, bundle: Bundle) -> str:
    (rig.models / CHALLENGER).write_text(bundle.manifest.version[:-1])
    return "expected a bundle in"


def cut_in_its_share(rig: Rig, bundle: Bundle) -> str:
    (rig.models / CHALLENGER).write_text(f"{bundle.manifest.version}\nshare ")
    return "expected share and a percentage"


def unreadable_pointer(rig: Rig, _: Bundle) -> str:
    (rig.models / CHALLENGER).unlink()
    (rig.models / CHALLENGER).mkdir()
    return "challenger: "


def without_its_folder(rig: Rig, bundle: Bundle) -> str:
    bundle.folder.rename(rig.folder / "bundle away")
    return "expected a bundle in"


@pytest.mark.parametrize("percent", [None, 50.0])
@pytest.mark.parametrize(
    "go", [away, not_mounted, half_written, cut_in_its_share, unreadable_pointer, without_its_folder]
)
def test_where_nobody_can_tell_which_challenger_is_named_the_one_before_goes_on(
    rig: Rig, caplog: pytest.LogCaptureFixture, go: Callable[[Rig, Bundle], str], percent: float | None
) -> None:
    """As without the disk on which it is. Said it is, and a file that is really gone ends it."""
    bundle = rig.begin()
    version = bundle.manifest.version
    rig.name(pointer_to(version, percent))
    before = rig.pipelines.versions
    assert (before.share is None) is (percent is None)
    why = go(rig, bundle)
    rig.look()
    [refused] = rig.refused()
    assert (refused.refused, why in refused.reason) == (CHALLENGER, True)
    assert (rig.challenger.version, rig.pipelines.versions) == (version, before)
    assert rig.counted("challenger_share_percent") == (percent or 0)
    assert caplog.messages[-1].endswith(f"{version}{of_the_customers(percent)} goes on")
    rig.score([given(0)])
    assert rig.starts() == [(0, version)]


def test_a_share_of_which_nobody_can_read_ends_where_other_rules_come_into_force(rig: Rig) -> None:
    """They cannot be compiled for what may be no challenger any more, and what is shown is what is so."""
    version = rig.begin().manifest.version
    rig.name(pointer_to(version, 50.0))
    half_written(rig, rig.pipelines.current)
    rig.look()
    rules = made_of({"big": "amount >= 1"})
    rig.pipelines.go_on_with_rules(compiled_for(rules, rig.pipelines.current.manifest))
    rig.time += AGAIN_SECONDS
    rig.look()
    assert (rig.challenger.version, rig.pipelines.versions.share) == (version, None)
    assert rig.counted("challenger_share_percent") == 0
    rig.name(pointer_to(version, 50.0))
    assert rig.pipelines.versions == Versions(rig.current, rules.version, Share(rig.current, version, 50.0))


def test_one_that_fails_while_nobody_can_tell_which_is_named_decides_no_more(rig: Rig) -> None:
    bundle = rig.begin()
    rig.name(pointer_to(bundle.manifest.version, 50.0))
    away(rig, bundle)
    rig.look()
    rig.challenger.go_on_with(None)
    rig.challenger.failure = "it cannot score"
    rig.look()
    assert (rig.challenger.version, rig.pipelines.versions.share) == (None, None)


def test_another_share_and_other_rules_load_no_model(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the challenger is made of is in memory: its folder may be gone, and no share pauses for a model."""
    version = rig.begin().manifest.version

    def loaded(*_: object) -> None:
        raise AssertionError("a bundle is read again")

    monkeypatch.setattr(swap, "bundle_of_version", loaded)
    monkeypatch.setattr(swap, "ready_to_score", loaded)
    for percent in (10.0, 50.0, None, 20.0):
        rig.name(pointer_to(version, percent))
        share = rig.pipelines.versions.share
        assert (None if share is None else share.percent) == percent
    rules = made_of({"big": "amount >= 1"})
    rig.pipelines.go_on_with_rules(compiled_for(rules, rig.pipelines.current.manifest))
    assert rig.pipelines.versions.share is None
    rig.look()
    assert rig.pipelines.versions == Versions(rig.current, rules.version, Share(rig.current, version, 20.0))
    assert rig.refused() == []


def test_what_was_the_challenger_before_is_read_again(rig: Rig) -> None:
    """Nothing of it is kept: it may have been changed."""
    bundle = rig.begin()
    rig.name(None)
    cut(bundle)
    rig.name(bundle.manifest.version)
    assert rig.challenger.version is None
    assert len(rig.refused()) == 1


def test_how_quick_a_model_is_is_tried_on_rows_as_in_its_fit_period(rig: Rig) -> None:
    """Rows that are all alike, such as zeros, go one way through its trees, and so more quickly."""
    deciles = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 1_000.0)
    manifest = msgspec.structs.replace(
        rig.another().manifest,
        features=(
            LearnedNumber("amount", 5.0, 0.5, 100.0, 5.0),
            LearnedCategory("country", ("DE", "FR"), "DE"),
            LearnedNumber("unknown_to_drift", 5.0, -1.0, 1.0, 5.0),
        ),
        drift=(Drift("amount", 0.0, deciles, {}),),
    )
    seen: list[Array] = []

    class Recorder:
        def __init__(self) -> None:
            self.manifest = manifest

        def scores(self, rows: Array) -> Array:
            seen.append(rows)
            return np.zeros(len(rows))

    check_quick(cast(Scorer, Recorder()))
    rows = seen[0]
    amounts, countries, others = rows.T
    assert (rows.dtype, len(rows)) == (np.float32, shadow.AT_ONCE)
    assert (amounts.min(), amounts.max()) == (0.5, 100.0)
    assert [np.mean(amounts < edge) for edge in (2.0, 5.0, 8.0)] == pytest.approx([0.2, 0.5, 0.8], abs=0.07)
    assert set(countries.tolist()) == {0, 1, 2, 3}
    assert -1 <= others.min() < -0.9 < 0.9 < others.max() <= 1
    assert len(set(map(tuple, rows.tolist()))) > 0.9 * len(rows)
