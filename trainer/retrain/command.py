"""`retrain`: history, training, judgement, decision, each step written down before the next one begins."""

import argparse
import os
import shutil
import time
from hashlib import sha256
from pathlib import Path

import msgspec

from console.options import settings_of
from console.output import replaced
from console.start import EXIT_OK
from console.terminal import say, warn
from evaluation.drifting import Drifting, drifting_now
from evaluation.result import Evaluation
from risk.bundle import CURRENT, Bundle, Manifest, bundle_of_version, current_bundle, named_bundle
from risk.challenger import CHALLENGER, named_challenger
from risk.clock import to_date
from risk.errors import BundleError, OptionError, StoreError, TrustLensError
from risk.settings import Settings
from risk.share import of_the_customers
from risk.store import RetrainingEnd, Store, open_store, open_to_report
from risk.topics import topics_of
from trainer.bundle_writer import prepare_folder
from trainer.history.columns import columns_of
from trainer.history.command import concerns_of, say_history, write_history
from trainer.history.from_store import Days, days_of_store
from trainer.in_force import (
    make_challenger,
    make_current,
    remember_refused,
    why_not_in_force,
    why_not_unasked,
)
from trainer.options import MARGIN, RANDOM, RESAMPLES
from trainer.printing import Stages, say_end
from trainer.record import By
from trainer.reproducible import one_thread
from trainer.retrain.due import now_ms
from trainer.retrain.lease import Lease, Others, begin
from trainer.retrain.record import LEFT, PROMOTED, SHADOW, WAITS, Done, Learned, Outcome
from trainer.retrain.status import DETAILS, REPORT
from trainer.splits import moved_to_end
from trainer.train import learn_and_evaluate, write
from trainer.train_options import as_trained_on, periods_of


def run_retrain(options: argparse.Namespace) -> int:
    for each in (MARGIN, RESAMPLES):
        each.check(options)
    if options.json:
        raise OptionError("--json: got it without --status, expected both; a retraining itself is told in words")
    settings, models, reports = settings_of(options), options.models, options.reports
    prepare_folder("--models", models)
    prepare_folder("--reports", reports)
    in_use = bundle_of_version(models, current_bundle(models).name)
    open_store(settings.db, read_only=True).close()  # where there is none it says so; the next line would make one
    with open_store(settings.db) as store:
        number = begin(store, Others(time.monotonic), time.sleep, now_ms, options.every)
        say(f"retraining  {number}; `python -m trainer retrain --status` tells how far it is")
        lease = Lease(number, store, lambda: open_store(settings.db), now_ms)
        retraining = Retraining(options, settings, store, in_use, lease)
        try:
            with lease:
                _clear_killed(store, settings.db, reports)
                done = retraining.run()
                store.end_retraining(number, now_ms(), done.end())
        except BaseException as error:  # however it ends, the store says how
            retraining.end_early(error)
            raise
    say(f"{done.outcome:11} {done.why}")
    return EXIT_OK


def scratch_of(reports: Path, store: Path, number: int) -> Path:
    """The history that a retraining learns from, while it goes on. Beside the reports, for a system's temporary files
    may be in memory; other stores may have their reports here, too."""
    place = sha256(os.fsencode(store.resolve())).hexdigest()[:8]
    return reports / f".retraining-{store.name}-{place}-{number}.part"


def _clear_killed(store: Store, path: Path, reports: Path) -> None:
    for run in store.retrainings():
        if run.outcome == "killed":
            shutil.rmtree(scratch_of(reports, path, run.number), ignore_errors=True)


class Retraining:
    """One run; `run` is its steps in order."""

    def __init__(
        self, options: argparse.Namespace, settings: Settings, store: Store, in_use: Bundle, lease: Lease
    ) -> None:
        self._options, self._settings, self._store, self._in_use, self._lease = options, settings, store, in_use, lease
        self._done = Done(lease.number, in_use.manifest.version)
        self.version: str | None = None  # what came of the training
        self._challenger: str | None = None  # when it began
        self._pointer: str | None = None  # the file by which it puts that in force

    def run(self) -> Done:
        """What it came to. Until `_put` nothing is in force; what is killed before leaves at most a whole bundle."""
        not_begun = self._why_not_begin()
        if not_begun is not None:
            outcome, why = not_begun
            return self._ends(outcome, None, why)
        folder = scratch_of(self._options.reports, self._settings.db, self._lease.number)
        if folder.exists():  # of an earlier store of this name
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        try:
            return self._learn(folder / "history.parquet")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _why_not_begin(self) -> tuple[Outcome, str] | None:
        options, manifest = self._options, self._in_use.manifest
        if manifest.training.split == RANDOM:
            raise OptionError(
                f"{manifest.version}: got a bundle that was trained on rows drawn at random, expected one trained by "
                "time: on the newest days nobody could compare the two. Train one without --split random"
            )
        if not options.promote and (waits := self._why_wait()) is not None:
            return WAITS, waits
        if options.if_drifted:
            self._lease.at("drift")
            with_drift = _drift(self._settings.db)
            self._done = msgspec.structs.replace(self._done, drift=with_drift)
            why = _why_not_drifted(with_drift)
            return None if why is None else (LEFT, why)
        return None

    def _why_wait(self) -> str | None:
        """What there is of a challenger is not replaced before people decided about it."""
        try:
            named = named_challenger(self._options.models)
        except BundleError as error:
            return (
                f"{error} It may decide for a share of the customers, and that is ended by people alone: mend it, or "
                "end it by `promote --no-shadow`"
            )
        if named is None:
            return None
        self._challenger = named.folder.name
        if named.percent is not None:
            return (
                f"{self._challenger} decides{of_the_customers(named.percent)}, and that is ended by people alone, not "
                "by --replace: promote it, leave it in the shadow by `promote VERSION --shadow`, or end it by `promote "
                "--no-shadow`"
            )
        if self._options.replace:
            return None
        return (
            f"{self._challenger} is in the shadow already, and is to be seen there for long enough; promote it, end it "
            "by `promote --no-shadow`, or say --replace"
        )

    def _learn(self, file: Path) -> Done:
        manifest, transactions = self._in_use.manifest, topics_of(self._settings.topic_prefix).transactions
        self._lease.at("history")
        days = days_of_store(self._store, transactions, manifest.label_delay_days)
        history = write_history(self._store, transactions, days, manifest, file)
        say_history(history, file)
        concerns = tuple(concerns_of(history))
        self._done = msgspec.structs.replace(
            self._done,
            learned=Learned(
                first=to_date(days.first).isoformat(),
                last=to_date(days.last).isoformat(),
                transactions=history.rows,
                frauds=history.frauds,
                labels=history.labels,
                concerns=concerns,
            ),
        )
        gaps = history.gaps
        if gaps is not None and gaps.is_sure:
            return self._ends(LEFT, None, f"labels are missing: {gaps.reason}")
        if gaps is not None and self._options.promote:  # frauds in bursts look the same: people can tell
            why = f"labels may be missing: {gaps.reason}; without --promote it goes on, to the shadow at most"
            return self._ends(LEFT, None, why)
        return self._train(file, days)

    def _train(self, file: Path, days: Days) -> Done:
        manifest = self._in_use.manifest
        asked = periods_of(manifest) if manifest.training.days_named else None
        periods = None if asked is None else moved_to_end(asked, days.first, days.last)
        train_options = as_trained_on(file, columns_of(manifest), manifest, periods, self._options)
        stages = Stages(self._lease.at)
        with one_thread():
            result = learn_and_evaluate(train_options, stages)
            trained, evaluation, is_new = write(train_options, result, stages)
        say_end(train_options, trained, evaluation, is_new)
        self.version = trained.version
        self._done = msgspec.structs.replace(
            self._done,
            training=trained.training,
            report=str(self._options.reports / trained.version),
            beside=evaluation.in_use,
        )
        try:  # once more: others may have put something in use meanwhile
            before = bundle_of_version(self._options.models, current_bundle(self._options.models).name).folder.name
        except BundleError as error:  # there is nothing to judge by
            why = f"{self.version} was left: what is in use cannot be read any more: {error}"
            return self._ends(LEFT, self.version, why)
        if self.version == before:
            why = f"{before} is in use already: the history is that which it learned from"
            return self._ends(LEFT, before, why)
        against = self._what_speaks_against(trained, evaluation, before)
        if against is not None:
            by: By = "retrain" if self._options.promote else "retrain-shadow"
            remember_refused(self._options.models, self.version, against, by=by)
            return self._ends(LEFT, self.version, f"{self.version} was left: {against}")
        return self._put(self.version, before)

    def _what_speaks_against(self, trained: Manifest, evaluation: Evaluation, before: str) -> str | None:
        against = why_not_unasked(evaluation, before)
        if against is None and self._options.promote:
            against = why_not_in_force(self._settings.rules, trained)
        if against is None and not self._options.promote:
            against = self._who_became_challenger(trained.version)
        return against

    def _who_became_challenger(self, trained: str) -> str | None:
        """Or what else became of the challenger while it was trained; None where nothing is in the way."""
        try:
            named = named_challenger(self._options.models)
        except BundleError as error:
            return f"which challenger there is cannot be read any more: {error}"
        if named is None:
            return None
        challenger = named.folder.name
        if challenger not in (self._challenger, trained):
            return f"{challenger} was put in the shadow while it was trained"
        return None if named.percent is None else f"{challenger} got a share of the customers while it was trained"

    def _put(self, version: str, before: str) -> Done:
        """The lease is looked at last before; what is put in force, is so by one rename."""
        models = self._options.models
        if self._options.promote:
            self._lease.check(f"promote {version}")
            self._pointer = CURRENT
            make_current(models, version, by="retrain")
            return self._ends(PROMOTED, version, f"{version} is in use; before: {before}")
        self._lease.check(f"shadow {version}")
        self._pointer = CHALLENGER
        make_challenger(models, version, by="retrain-shadow")
        return self._ends(SHADOW, version, f"{version} scores in the shadow of {before}")

    def end_early(self, error: BaseException) -> None:
        """It failed; or it was stopped, by Ctrl-C or as a system asks a process to end, which is no failure. The error
        is raised all the same, so that it must not be hidden by what goes wrong here."""
        outcome, why = "failed", str(error)
        if not isinstance(error, Exception):
            outcome, why = "stopped", f"it was stopped at {self._lease.stage!r}"
        elif not isinstance(error, TrustLensError):
            why = f"it was ended at {self._lease.stage!r}: {f'{type(error).__name__} {error}'.strip()}"
        put = self._put_all_the_same()
        if put is not None:
            why = f"{why}; all the same {put}"
            warn(f"all the same {put}")
        number = self._lease.number
        try:
            self._store.end_retraining(number, now_ms(), RetrainingEnd(outcome, self.version, why, None))
        except StoreError as other:
            warn(f"the store does not say what became of retraining {number}: {other}")

    def _put_all_the_same(self) -> str | None:
        """What it put in force, where it failed after that; None where nothing."""
        if self._pointer is None:
            return None
        try:
            named = named_bundle(self._options.models, self._options.models / self._pointer)[0].name
        except BundleError:  # whatever is there, it is not what was trained
            return None
        if named != self.version:
            return None
        return f"{named} {'is in use' if self._pointer == CURRENT else 'scores in the shadow'}"

    def _ends(self, outcome: Outcome, version: str | None, why: str) -> Done:
        done = msgspec.structs.replace(self._done, outcome=outcome, version=version, why=why)
        if done.report is not None:
            folder = Path(done.report)
            files = (folder / name.format(done.number) for name in (DETAILS, REPORT))
            with replaced(*files) as (record, report):
                record.write_bytes(msgspec.json.format(msgspec.json.encode(done), indent=1))
                report.write_text(done.told(self._in_use.manifest.currency), encoding="utf-8")
        return done


def _drift(store: Path) -> Drifting:
    reading = open_to_report(store)
    try:
        return drifting_now(reading)
    finally:
        reading.close()


def _why_not_drifted(drift: Drifting) -> str | None:
    """None where something has changed."""
    if drift.has_changed:
        return None
    if drift.why_not is not None or drift.changed is None:
        return f"whether anything has drifted cannot be said: {drift.why_not or drift.too_few}"
    return f"nothing has drifted from {drift.bundle} in the days to {to_date(drift.last_day or 0)}"
