"""A reporter that somebody started: where it listens, and whether it has figures to show."""

import re
import subprocess
from urllib.request import urlopen

from ops.leashed import Leashed
from risk.errors import TrustLensError

# What it says as soon as it has its port; figures come later, once it has read the store.
LISTENING = re.compile(r"listening on (http://\S+)")

LOOKS_EVERY_SECONDS = 0.1
ANSWERS_WITHIN_SECONDS = 30.0


class ReporterEndedError(TrustLensError):
    """It could not serve. Not worth a repetition as it is."""


def address_of(reporter: Leashed) -> str:
    """Once it has figures to show."""
    while not ((found := LISTENING.search(reporter.log.read_text(errors="replace"))) and _is_ready(found[1])):
        try:
            status = reporter.wait(LOOKS_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        raise ReporterEndedError(
            f"the reporter ended with status {status}, expected it to serve: {reporter.last_words()}"
        )
    return found[1]


def _is_ready(address: str) -> bool:
    try:
        with urlopen(f"{address}/ready", timeout=ANSWERS_WITHIN_SECONDS):
            return True
    except OSError:  # urllib's, of an answer 503, too: as long as it has none
        return False
