"""What a worker goes on with is named by a file: it is taken, or refused with the reason, which is said, stored and
counted, and remembered. The same of a bundle, a rule set and a challenger."""

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from risk.bundle import ONNX
from risk.errors import BundleError
from risk.rules.rule_set import SEALED
from risk.store import Refusal, Role
from scorer.worker.watch import AGAIN_SECONDS
from testing.rule_sets import keep, made_of
from tests.challenger_rig import ME, Rig


class Named:
    """One of the three in a worker that has one already, and the file that names it."""

    def __init__(self, rig: Rig, role: Role) -> None:
        self.rig, self.role = rig, role
        self.watch = {Role.BUNDLE: rig.current_watch, Role.RULES: rig.rules_watch, Role.CHALLENGER: rig.watch}[role]
        self.folder: Path = rig.bench.rules_folder if role is Role.RULES else rig.models
        self.sealed = SEALED if role is Role.RULES else ONNX
        self.first = self.another(1)
        self.name(self.first)
        assert self.version == self.first

    @property
    def version(self) -> str | None:
        """What the worker goes on with."""
        challenger, (bundle, rules, _) = self.rig.challenger.version, self.rig.pipelines.versions
        return {Role.BUNDLE: bundle, Role.RULES: rules, Role.CHALLENGER: challenger}[self.role]

    def another(self, number: int) -> str:
        if self.role is Role.RULES:
            return keep(made_of({"big": f"amount > {number}"}), self.folder)
        return self.rig.another(number / 10).manifest.version

    def torn(self, number: int) -> str:
        version = self.another(number)
        path = self.folder / version / self.sealed
        path.write_bytes(path.read_bytes()[:-1])
        return version

    def name(self, text: str) -> None:
        (self.folder / "whole").write_text(text)
        (self.folder / "whole").replace(self.folder / self.watch.file)
        self.look()

    def look(self) -> None:
        self.rig.run(self.watch.look())

    def refused(self) -> list[Refusal]:
        found: list[Refusal] = self.rig.ask(lambda store: store.refusals(self.role))
        return found

    def counted(self) -> tuple[float | None, float | None]:
        return self.rig.counted(f"{self.role}_refusals_total"), self.rig.counted(f"{self.role}_refused")


@pytest.fixture
def rig(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Rig]:
    caplog.set_level(logging.INFO, "scorer")
    made = Rig(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=Role)
def named(rig: Rig, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Named:
    made = Named(rig, request.param)
    caplog.clear()
    return made


def test_the_same_version_again_changes_nothing(named: Named, caplog: pytest.LogCaptureFixture) -> None:
    named.name(named.first)
    assert (named.version, caplog.messages, named.counted()) == (named.first, [], (0, 0))


def test_what_is_not_whole_is_refused_once(named: Named, caplog: pytest.LogCaptureFixture) -> None:
    torn = named.torn(2)
    named.name(torn)
    for _ in range(5):
        named.look()
        named.rig.time += AGAIN_SECONDS  # it is read again, and nothing is said again
    [refused] = named.refused()
    assert (refused.owner, refused.refused) == (ME, torn)
    assert str(named.folder / torn / named.sealed) in refused.reason
    assert named.counted() == (1, 1)
    assert named.version == named.first
    [said] = [message for message in caplog.messages if "is not taken" in message]
    assert said.startswith(f"{named.watch.what} is not taken: {refused.reason}")
    assert said.endswith(f". {named.first} goes on")
    roles = [role for role in Role if named.rig.ask(lambda store, role=role: store.refusals(role))]  # type: ignore[misc]
    assert roles == [named.role]


@pytest.mark.parametrize(
    "text", ["", "../elsewhere", "linear-01234567", "linear-0123456", "rules-0123456789abcdef", "rules-01234567", "\0"]
)
def test_a_file_that_names_nothing_is_refused(named: Named, text: str) -> None:
    for _ in range(3):
        named.name(text)
    [refused] = named.refused()
    assert refused.refused == named.watch.file
    assert f", expected a {'rule set' if named.role is Role.RULES else 'bundle'} in {named.folder}" in refused.reason
    assert (named.version, named.counted()) == (named.first, (1, 1))


def test_a_refusal_is_over_when_another_is_named_or_the_one_before(named: Named) -> None:
    for number, version in ((2, named.another(3)), (4, named.first)):
        named.name(named.torn(number))
        assert len(named.refused()) == 1
        named.name(version)
        assert (named.version, named.refused(), named.counted()[1]) == (version, [], 0)
    assert named.counted()[0] == 2


def test_what_arrives_after_it_was_named_is_taken_once_it_is_whole(named: Named) -> None:
    """As where a folder is copied file by file: it is read when it has stopped changing, and refused once."""
    version = named.another(2)
    elsewhere, folder = named.rig.folder / "elsewhere", named.folder / version
    folder.rename(elsewhere)
    named.name(version)
    folder.mkdir()
    for path in sorted(elsewhere.iterdir()):
        (folder / path.name).write_bytes(b"")
        named.look()
        shutil.copy(path, folder / path.name)
        named.look()
    assert named.version == named.first
    named.look()
    assert (named.version, named.refused()) == (version, [])
    assert named.counted() == (2, 0)  # it was not there, and then it was not whole


def test_what_was_refused_is_read_again_after_a_while(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may have failed for a moment, which no file shows."""
    version = named.another(2)
    with monkeypatch.context() as failing:
        failing.setattr(named.watch, "_load", failed("Input/output error"))
        named.name(version)
    named.look()
    assert named.version == named.first
    named.rig.time += AGAIN_SECONDS
    named.look()
    assert named.version == version


def failed(why: str) -> Callable[..., Any]:
    def load(_: object) -> None:
        raise BundleError(why)

    return load


def test_what_is_named_while_another_is_loaded_goes_before_it(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = named.another(2), named.another(3)
    load: Callable[[object], object] = named.watch._load  # type: ignore[assignment]

    def slow(found: object) -> object:
        ready = load(found)
        (named.folder / named.watch.file).write_text(second)
        return ready

    monkeypatch.setattr(named.watch, "_load", slow)
    named.name(first)
    assert named.version == named.first
    named.look()
    assert named.version == second


def test_a_refusal_is_known_once_its_worker_has_a_partition(named: Named) -> None:
    """One that waits for a partition has none: another one's refusal takes its own away."""
    ask, torn = named.rig.ask, named.torn(2)
    ask(lambda store: store.take_over("transactions", 0, first_offset=0, owner="box:2"))
    named.name(torn)
    ask(lambda store: store.refuse(named.role, Refusal("box:2", torn, "torn", 1)))
    ask(lambda store: store.take_over("transactions", 0, first_offset=0, owner=ME))
    assert named.refused() == []
    named.rig.time += AGAIN_SECONDS
    named.look()
    [refused] = named.refused()
    assert (refused.owner, refused.refused, named.counted()) == (ME, torn, (1, 1))


def test_a_reason_that_is_no_unicode_ends_no_worker(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names paths, and of some file systems these are bytes of any kind."""
    monkeypatch.setattr(named.watch, "_load", failed("/models/caf\udce9: No such file or directory"))
    named.name(named.another(2))
    assert named.refused()[0].reason == "/models/caf\\udce9: No such file or directory"


@pytest.mark.parametrize("role", Role)
def test_a_worker_that_starts_forgets_what_one_of_its_name_refused(rig: Rig, role: Role) -> None:
    """Numbers of processes come again."""
    rig.ask(lambda store: store.refuse(role, Refusal(ME, "x", "torn", 1)))
    assert Named(rig, role).refused() == []
