"""Learning again from a store: what comes of it, who may, and what is left where somebody is killed."""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from console.options import settings_of
from console.start import EXIT_FAILED, EXIT_OK
from evaluation.drifting import Drifting
from risk.bundle import read_bundle
from risk.errors import DatasetError, OptionError
from risk.store import Retraining, Store, open_store
from tests.stored_histories import store_of
from tests.trainings import QUICK, small_history
from trainer.__main__ import main
from trainer.record import RECORD
from trainer.retrain.command import Retraining as Retrained
from trainer.retrain.command import scratch_of
from trainer.retrain.lease import Lease, this_process
from trainer.splits import Period, Periods, moved_to_end

ROOT = Path(__file__).parent.parent
NOW = 1_800_000_000_000


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world, a bundle that learned from its first days, and a store that has all of them."""
    folder = tmp_path_factory.mktemp("retrain")
    cards = folder / "cards.parquet"
    small_history(cards, customers=250)
    words = ["--model", "logistic", "--train", "2024-09-13..2024-11-01", "--test", "2024-11-08..2024-11-20"]
    asked = ["--models", str(folder / "models"), "--reports", str(folder / "reports"), *QUICK, *words]
    assert main(["train", str(cards), *asked], {}) == EXIT_OK
    store_of(cards, None, folder / "risk.db")
    return folder


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    """Of its own, for a test that changes it."""
    subprocess.run(["cp", "-a", *map(str, trained.iterdir()), str(tmp_path)], check=True)
    return tmp_path


def retrain(home: Path, *words: str) -> int:
    folders = ["--models", str(home / "models"), "--reports", str(home / "reports")]
    evidence = () if "--status" in words else QUICK
    return main(["retrain", *folders, *evidence, *words], {"TRUSTLENS_DB": str(home / "risk.db")})


def runs(home: Path) -> list[Retraining]:
    with open_store(home / "risk.db", read_only=True) as store:
        return store.retrainings()


def named(home: Path, name: str) -> str | None:
    path = home / "models" / name
    return path.read_text().strip() if path.exists() else None


def test_what_comes_of_it_is_put_in_the_shadow_and_everything_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = named(home, "current")
    assert retrain(home, "--margin", "1") == EXIT_OK
    [run] = runs(home)
    assert (run.outcome, run.version, named(home, "current")) == ("shadow", named(home, "challenger"), before)
    assert run.why == f"{run.version} scores in the shadow of {before}"
    assert run.version != before
    assert run.why in capsys.readouterr().out
    manifest, ours = read_bundle(home / "models" / str(run.version)).manifest, read_bundle(home / "models").manifest
    for name in ("seed", "currency", "thresholds", "label_delay_days"):
        if name != "thresholds":
            assert getattr(manifest, name) == getattr(ours, name)
    # Days were named, so the new periods are as long as those of the old ones, and end with the newest day that is due.
    assert manifest.training.test is not None
    assert (manifest.training.test.first, manifest.training.test.until) == ("2024-12-12", "2024-12-24")
    told = json.loads((home / "reports" / str(run.version) / "retrain-1.json").read_text())
    assert run.details is not None
    assert told == json.loads(run.details)
    assert told["learned"]["last"] == "2024-12-23"
    assert told["beside"]["version"] == before
    assert (home / "reports" / str(run.version) / "report.html").exists()
    assert not list((home / "reports").glob(".retraining*"))


@pytest.mark.proof
def test_asked_to_it_puts_it_in_use_and_the_record_says_by_what(home: Path) -> None:
    before = named(home, "current")
    assert retrain(home, "--margin", "1", "--promote") == EXIT_OK
    [run] = runs(home)
    assert (run.outcome, run.version, named(home, "challenger")) == ("promoted", named(home, "current"), None)
    last = json.loads((home / "models" / RECORD).read_text().splitlines()[-1])
    assert (last["version"], last["before"], last["by"]) == (run.version, before, "retrain")
    # Once more there is nothing new to learn.
    assert retrain(home, "--margin", "1", "--promote") == EXIT_OK
    assert [run.outcome for run in runs(home)] == ["promoted", "left"]
    # Each told what it did, though both came to the same bundle.
    told = [home / "reports" / str(run.version) / f"retrain-{number}.md" for number in (1, 2)]
    heads = [path.read_text().splitlines()[0] for path in told]
    assert heads == ["# Retraining 1: promoted", "# Retraining 2: left"]
    assert runs(home)[-1].why == f"{run.version} is in use already: the history is that which it learned from"


def test_what_is_not_as_good_is_left(home: Path) -> None:
    """It learned the opposite, because until the test begins every label says so."""
    before = named(home, "current")
    with open_store(home / "risk.db") as store:
        store._file.connection.execute("update labels set is_fraud = 1 - is_fraud where labelled_at < 1733875200000")
    assert retrain(home, "--promote") == EXIT_OK
    [run] = runs(home)
    assert (run.outcome, named(home, "current"), named(home, "challenger")) == ("left", before, None)
    assert run.version is not None
    assert run.why is not None
    assert run.why.startswith(f"{run.version} was left: ")
    last = json.loads((home / "models" / RECORD).read_text().splitlines()[-1])
    assert (last["version"], last["before"], last["by"], last["refused"]) == (run.version, before, "retrain", True)
    assert run.why == f"{run.version} was left: {last['against']}"
    assert read_bundle(home / "models" / run.version)


@pytest.mark.proof
def test_what_is_in_the_shadow_is_not_replaced_unasked(home: Path) -> None:
    current = named(home, "current")
    (home / "models" / "challenger").write_text(f"{current}\n")
    assert retrain(home, "--margin", "1") == EXIT_OK
    assert runs(home)[-1].why == (
        f"{current} is in the shadow already, and is to be seen there for long enough; promote it, end it by "
        "`promote --no-shadow`, or say --replace"
    )
    assert retrain(home, "--margin", "1", "--replace") == EXIT_OK
    assert [run.outcome for run in runs(home)] == ["waits", "shadow"]
    assert named(home, "challenger") == runs(home)[-1].version


@pytest.mark.parametrize(("there", "why"), [("{}", "{0} decides for 10 % of the customers"), ("gone-0", "{1}: got ")])
def test_a_challenger_that_may_decide_is_not_replaced_even_if_asked(home: Path, there: str, why: str) -> None:
    """It is people who end that, also where nobody can read which one it is: workers that know it go on."""
    current, pointer = named(home, "current"), home / "models" / "challenger"
    pointer.write_text(f"{there.format(current)}\nshare 10\n")
    assert retrain(home, "--margin", "1", "--replace") == EXIT_OK
    [run] = runs(home)
    assert (run.outcome, (run.why or "").startswith(why.format(current, pointer))) == ("waits", True)
    assert pointer.read_text() == f"{there.format(current)}\nshare 10\n"


def test_without_drift_there_is_nothing_to_do_and_it_is_said_when_that_is_unknown(home: Path) -> None:
    assert retrain(home, "--if-drifted") == EXIT_OK
    assert runs(home)[-1].why == "whether anything has drifted cannot be said: no features are sampled yet"
    details = runs(home)[-1].details
    assert details is not None
    assert msgspec.convert(json.loads(details)["drift"], Drifting) == Drifting(why_not="no features are sampled yet")


def test_where_labels_have_stopped_what_came_after_is_neither_learned_from_nor_judged(home: Path) -> None:
    with open_store(home / "risk.db") as store:
        store._file.connection.execute("delete from labels where labelled_at > 1734600000000")  # 2024-12-19
    assert retrain(home, "--margin", "1") == EXIT_OK
    learned = json.loads(runs(home)[-1].details or "")["learned"]
    assert learned["last"] == "2024-12-11"
    assert learned["concerns"][0].startswith(
        "no label came for longer than the label delay, though transactions did until 2024-12-31, so that what "
        "happened after 2024-12-11 counts as not due"
    )


def test_where_labels_are_missing_nothing_is_learned(home: Path) -> None:
    with open_store(home / "risk.db") as store:
        of_days = "labelled_at between 1731000000000 and 1734000000000"  # 2024-11-07 to 2024-12-12
        store._file.connection.execute(f"delete from labels where {of_days}")
    assert retrain(home) == EXIT_OK
    [run] = runs(home)
    assert run.outcome == "left"
    assert run.why is not None
    assert run.why.startswith("labels are missing: no transaction of 2024-11-")
    assert run.version is None


def test_where_frauds_may_only_come_in_bursts_it_is_learned_with_a_warning_and_not_put_in_use(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_store(home / "risk.db") as store:
        begin = "transaction_id in (select transaction_id from risk_flags where event_time < 1727740800000)"  # October
        store._file.connection.execute(f"delete from labels where is_fraud = 0 or {begin}")
    before = named(home, "current")
    assert retrain(home, "--promote") == EXIT_OK
    assert "warning: LABELS MAY BE MISSING: no transaction of" in capsys.readouterr().err
    assert retrain(home, "--margin", "1") == EXIT_OK
    unasked, shadow = runs(home)
    assert (unasked.outcome, shadow.outcome, named(home, "current")) == ("left", "shadow", before)
    assert str(unasked.why).startswith("labels may be missing: no transaction of ")
    assert str(unasked.why).endswith("; without --promote it goes on, to the shadow at most")
    assert "LABELS MAY BE MISSING" in json.loads(shadow.details or "")["learned"]["concerns"][0]


def test_a_failure_is_remembered_with_its_words(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(home / "risk.db") as store:
        store._file.connection.execute("update labels set is_fraud = 0")
    assert retrain(home) == EXIT_FAILED
    [run] = runs(home)
    assert run.outcome == "failed"
    assert run.why is not None
    assert "got no fraud" in run.why or "0 known frauds" in run.why
    assert run.why in capsys.readouterr().err
    assert named(home, "challenger") is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_what_somebody_stops_is_no_failure(home: Path, error: BaseException) -> None:
    """Ctrl-C, or a system that ends its processes."""

    def stop() -> None:
        raise error

    with open_store(home / "risk.db") as store:
        retraining = meddled(home, store, "history", stop)
        with pytest.raises(type(error)):
            retraining.run()
        retraining.end_early(error)
    [run] = runs(home)
    assert (run.outcome, run.version, run.why) == ("stopped", None, "it was stopped at 'history'")


def test_a_schedule_is_remembered_and_a_run_by_hand_has_none(home: Path) -> None:
    current = named(home, "current")
    (home / "models" / "challenger").write_text(f"{current}\n")
    assert retrain(home, "--every", "1s") == EXIT_OK
    assert retrain(home) == EXIT_OK
    assert [run.every_ms for run in runs(home)] == [1_000, None]


# One at a time


def test_two_at_once_are_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(home / "risk.db") as store:
        store.begin_retraining("here:7", this_process(), NOW, lambda _: False)
    assert retrain(home) == EXIT_FAILED
    assert "retraining 1 is under way: here:7 does it, and is at 'begin', expected none" in capsys.readouterr().err
    assert len(runs(home)) == 1


@pytest.mark.proof
def test_one_that_was_killed_is_found_out_and_what_it_left_is_cleared(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By SIGKILL, while it learns; then another one begins at once."""
    command = [sys.executable, "-m", "trainer", "retrain", "--models", str(home / "models"), "--reports",
               str(home / "reports"), *QUICK, "--margin", "1"]  # fmt: skip
    environment = {**os.environ, "TRUSTLENS_DB": str(home / "risk.db"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.endswith("] features\n"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert retrain(home, "--status") == EXIT_OK
    said = capsys.readouterr().out
    assert "killed" in said
    assert list((home / "reports").glob(".retraining*")) == [scratch_of(home / "reports", home / "risk.db", 1)]
    assert retrain(home, "--margin", "1") == EXIT_OK
    killed, after = runs(home)
    assert killed.outcome == "killed"
    assert killed.why is not None
    assert "was killed, or its machine went down, at '" in killed.why
    assert after.outcome == "shadow"
    assert not list((home / "reports").glob(".retraining*"))
    assert retrain(home, "--status", "--json") == EXIT_OK
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [run["outcome"] for run in told] == ["killed", "shadow"]
    assert told[1]["details"]["version"] == named(home, "challenger")


def test_two_stores_may_have_their_reports_in_one_folder(tmp_path: Path) -> None:
    one, other = (scratch_of(tmp_path, tmp_path / folder / "risk.db", 1) for folder in ("a", "b"))
    assert one != other
    assert one.name.startswith(".retraining-risk.db-")


# What others do meanwhile


class Meddled(Lease):
    """Somebody does something when a retraining comes to a stage."""

    def __init__(self, home: Path, store: Store, stage: str, meddle: Callable[[], object]) -> None:
        number = store.begin_retraining("host:7", this_process(), NOW, lambda _: False)
        super().__init__(number, store, lambda: open_store(home / "risk.db"), lambda: NOW)
        self._when, self._meddle = stage, meddle

    def at(self, stage: str) -> None:
        super().at(stage)
        if stage == self._when:
            self._meddle()

    def check(self, stage: str) -> None:
        super().check(stage)
        if stage.startswith(self._when):
            self._meddle()


def meddled(home: Path, store: Store, stage: str, meddle: Callable[[], object], **changes: object) -> Retrained:
    asked = {"replace": False, "promote": False, "if_drifted": False, "margin": 1.0, "resamples": 20, "no_plots": True}
    environment = {"TRUSTLENS_DB": str(home / "risk.db"), "TRUSTLENS_RULES": str(home / "rules")}
    options = argparse.Namespace(
        models=home / "models", reports=home / "reports", environment=environment, **{**asked, **changes}
    )
    lease = Meddled(home, store, stage, meddle)
    return Retrained(options, settings_of(options), store, read_bundle(home / "models"), lease)


@pytest.mark.proof
@pytest.mark.parametrize("words", [{}, {"replace": True}])
def test_a_challenger_that_somebody_set_meanwhile_stays(home: Path, words: dict[str, object]) -> None:
    current = named(home, "current")
    with open_store(home / "risk.db") as store:
        done = meddled(
            home, store, "report", lambda: (home / "models" / "challenger").write_text(f"{current}\n"), **words
        ).run()
    assert done.outcome == "left"
    assert done.why == f"{done.version} was left: {current} was put in the shadow while it was trained"
    assert named(home, "challenger") == current


@pytest.mark.proof
@pytest.mark.parametrize(("now", "why"), [("{}", "{} got a share"), ("gone-0", "which challenger there is cannot")])
def test_a_challenger_that_got_a_share_meanwhile_stays(home: Path, now: str, why: str) -> None:
    current, pointer = named(home, "current"), home / "models" / "challenger"
    pointer.write_text(f"{current}\n")
    shared = f"{now.format(current)}\nshare 10\n"
    with open_store(home / "risk.db") as store:
        done = meddled(home, store, "report", lambda: pointer.write_text(shared), replace=True).run()
    assert done.outcome == "left"
    assert done.why.startswith(f"{done.version} was left: {why.format(current)} ")
    assert pointer.read_text() == shared


@pytest.mark.proof
def test_where_what_is_in_use_cannot_be_read_any_more_nothing_takes_its_place(home: Path) -> None:
    with open_store(home / "risk.db") as store:
        done = meddled(
            home, store, "report", lambda: (home / "models" / "current").write_text("gone-00000000"), promote=True
        ).run()
    assert done.outcome == "left"
    assert done.why.startswith(f"{done.version} was left: what is in use cannot be read any more: ")
    assert named(home, "current") == "gone-00000000"


@pytest.mark.proof
def test_what_workers_would_refuse_because_of_the_rules_in_force_is_left(home: Path) -> None:
    (home / "rules").mkdir()
    with open_store(home / "risk.db") as store:
        done = meddled(
            home, store, "report", lambda: (home / "rules" / "current").write_text("rules-gone"), promote=True
        ).run()
    assert done.outcome == "left"
    assert "was left: workers would refuse it, because it cannot be used with the rule set in force" in done.why


@pytest.mark.proof
def test_a_failure_after_it_was_put_in_use_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report's record cannot be written any more."""
    with open_store(home / "risk.db") as store:
        meddler: list[Retrained] = []

        def take_its_place() -> None:
            (home / "reports" / str(meddler[0].version) / "retrain-1.json").mkdir()

        meddler.append(meddled(home, store, "promote", take_its_place, promote=True))
        with pytest.raises(OptionError, match=r"cannot write .*retrain-1\.json") as raised:
            meddler[0].run()
        meddler[0].end_early(raised.value)
    [run] = runs(home)
    assert (run.outcome, run.version) == ("failed", named(home, "current"))
    assert str(run.why).endswith(f"; all the same {run.version} is in use")
    assert f"warning: all the same {run.version} is in use" in capsys.readouterr().err


# Periods


def test_named_periods_keep_their_lengths_and_end_with_the_newest_day() -> None:
    asked = Periods(Period(0, 40), Period(47, 57), Period(64, 74))
    assert moved_to_end(asked, 0, 99) == Periods(Period(26, 66), Period(73, 83), Period(90, 100))
    # Where the history is shorter, fit begins with it.
    assert moved_to_end(asked, 30, 99).fit == Period(30, 66)
    with pytest.raises(DatasetError, match=r"too few days: got data from .*, expected enough for periods as long as"):
        moved_to_end(asked, 70, 99)
