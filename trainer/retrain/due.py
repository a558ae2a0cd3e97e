"""`retrain --every`: waits until one is due, for a service that is started again each time it ends."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from console.options import settings_of
from console.terminal import say
from risk.bundle import CURRENT
from risk.clock import MINUTE, SECOND, to_text
from risk.errors import BundleError
from risk.store import open_store


def wait(options: argparse.Namespace) -> None:
    store, models = settings_of(options).db, options.models
    wait_until_due(lambda: last_learned(store, models) + options.every, now_ms, time.sleep)


def wait_until_due(due_at: Callable[[], int], now: Callable[[], int], pause: Callable[[float], None]) -> None:
    """Asks again each minute: somebody may retrain meanwhile, on another machine or by hand."""
    said = None
    while (due := due_at()) > now():
        if due != said:
            say(f"the next retraining is due at {to_text(due // SECOND * SECOND)}")
            said = due
        pause(min(due - now(), MINUTE) / SECOND)


def last_learned(store: Path, models: Path) -> int:
    """When the newest retraining began that nobody stopped; before the first one, when what is in use was put in use.
    What failed or was killed counts: it would be tried again and again, by a service that is started again at once."""
    with open_store(store, read_only=True) as opened:
        runs = [run for run in opened.retrainings() if run.outcome != "stopped"]
    if runs:
        return runs[-1].begun_at
    try:
        return int((models / CURRENT).stat().st_mtime * 1000)
    except FileNotFoundError:
        raise BundleError(
            f"{models}: got no {CURRENT}, expected the name of the bundle in use; train one first, or name another "
            "folder by --models"
        ) from None


def now_ms() -> int:
    return int(time.time() * 1000)
