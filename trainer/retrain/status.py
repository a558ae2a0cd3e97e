"""`retrain --status`: what is under way, and what came of earlier ones."""

import argparse
import time

import msgspec

from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import say, say_table
from risk.clock import SECOND, to_text
from risk.store import Retraining, open_store
from risk.words import duration_in_words
from trainer.retrain.lease import is_gone

SHOWN = 20
TITLES = ("", "begun", "took", "outcome", "bundle", "why")


def show_status(options: argparse.Namespace) -> int:
    with open_store(settings_of(options).db, read_only=True) as store:
        runs = store.retrainings()
    now = int(time.time() * 1000)
    if options.json:
        say(msgspec.json.encode([_for_programs(run, now) for run in runs]).decode())
    elif not runs:
        say("nothing was retrained yet")
    else:
        say_table([TITLES, *(_cells(run, now) for run in reversed(runs[-SHOWN:]))], left=6)
    return EXIT_OK


def outcome_of(run: Retraining, now: int) -> str:
    if run.outcome is not None:
        return run.outcome
    return "killed" if is_gone(run, now) else "under way"


def _cells(run: Retraining, now: int) -> tuple[str, ...]:
    outcome = outcome_of(run, now)
    until = run.ended_at if run.ended_at is not None else run.alive_at if outcome == "killed" else now
    took = duration_in_words(max(0, until - run.begun_at) // SECOND * SECOND)
    why = run.why or f"{run.owner} {'was' if outcome == 'killed' else 'is'} at: {run.stage}"
    return str(run.number), to_text(run.begun_at), took, outcome, run.version or "-", why


def _for_programs(run: Retraining, now: int) -> dict[str, object]:
    times = {name: None if at is None else to_text(at) for name, at in
             (("begun_at", run.begun_at), ("alive_at", run.alive_at), ("ended_at", run.ended_at))}  # fmt: skip
    details = None if run.details is None else msgspec.json.decode(run.details)
    return {
        "number": run.number, "owner": run.owner, **times, "stage": run.stage, "outcome": outcome_of(run, now),
        "version": run.version, "why": run.why, "details": details,
    }  # fmt: skip
