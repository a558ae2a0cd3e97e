"""`retrain --status`: what is under way, and what came of earlier ones."""

import argparse
from typing import Any

import msgspec

from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import say, say_table
from risk.clock import SECOND, to_text
from risk.errors import StoreError
from risk.store import IF_DAMAGED, Retraining, open_store
from risk.words import duration_in_words
from trainer.retrain.due import now_ms
from trainer.retrain.lease import is_gone

# All that a retraining did, for programs and for people: beside the new bundle's report, by its number.
DETAILS, REPORT = "retrain-{}.json", "retrain-{}.md"
SHOWN = 20
TITLES = ("", "begun", "took", "outcome", "bundle", "report", "why")


def show_status(options: argparse.Namespace) -> int:
    with open_store(settings_of(options).db, read_only=True) as store:
        runs = store.retrainings()
    if options.json:
        say(msgspec.json.encode([_for_programs(run) for run in runs]).decode())
    elif not runs:
        say("nothing was retrained yet")
    else:
        now = now_ms()
        say_table([TITLES, *(_cells(run, now) for run in reversed(runs[-SHOWN:]))], left=7)
    return EXIT_OK


def outcome_of(run: Retraining) -> str:
    if run.outcome is not None:
        return run.outcome
    return {True: "killed", False: "under way", None: "not ended"}[is_gone(run)]


def _cells(run: Retraining, now: int) -> tuple[str, ...]:
    outcome = outcome_of(run)
    until = run.ended_at if run.ended_at is not None else now if outcome == "under way" else run.alive_at
    took = duration_in_words(max(0, until - run.begun_at) // SECOND * SECOND)
    why = run.why
    if why is None:
        why = f"{run.owner} {'was' if outcome == 'killed' else 'is'} at: {run.stage}"
        if outcome == "not ended":  # on another machine, whose clock may be another
            why += f", as it said at {to_text(run.alive_at)} by its own clock"
    return str(run.number), to_text(run.begun_at), took, outcome, run.version or "-", _report(run), why


def _report(run: Retraining) -> str:
    """Where all that it did is told."""
    folder = (_details(run) or {}).get("report")
    return "-" if folder is None else f"{folder}/{REPORT.format(run.number)}"


def _details(run: Retraining) -> dict[str, Any] | None:
    try:
        return None if run.details is None else msgspec.json.decode(run.details, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise StoreError(
            f"retrainings: details of number {run.number}: {error}, expected what a retraining did; {IF_DAMAGED}"
        ) from None


def _for_programs(run: Retraining) -> dict[str, object]:
    times = {name: None if at is None else to_text(at) for name, at in
             (("begun_at", run.begun_at), ("alive_at", run.alive_at), ("ended_at", run.ended_at))}  # fmt: skip
    return {
        "number": run.number, "owner": run.owner, **times, "stage": run.stage, "outcome": outcome_of(run),
        "version": run.version, "why": run.why, "details": _details(run), "every_ms": run.every_ms,
    }  # fmt: skip
