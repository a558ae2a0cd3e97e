"""What a worker logs: lines for people, or an object a line for machines."""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

FORMATS = ("text", "json")
OURS = ("scorer", "risk")


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


# While a broker is away its client says so thousands of times a second.
REPEAT_SECONDS = 10.0


class RateLimit(logging.Filter):
    """Of what somebody else's logger says at one place in its code, whatever it names, one line in ten seconds; the
    next one that is let through says how many were not. What we say ourselves always comes through."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] in OURS:
            return True
        place, now = (record.name, record.lineno), self._clock()
        since, left_out = self._said.get(place, (-REPEAT_SECONDS, 0))
        if now - since < REPEAT_SECONDS:
            self._said[place] = since, left_out + 1
            return False
        self._said[place] = now, 0
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out:,} more like it)", None
        return True


GROUP_LOGGER = "aiokafka.consumer.group_coordinator"
# What the client says when the group goes on without a member, or a member without the group.
_REBALANCING = ("because it is rebalancing", "generation id is not", "member_id was not recognized")


def ignore_group_warnings() -> None:
    """A worker that leaves its group expects the group to go on without it. While it works that is a warning, and a
    heartbeat that fails for any other reason still is."""
    logging.getLogger(GROUP_LOGGER).addFilter(_is_no_rebalancing)


def _is_no_rebalancing(record: logging.LogRecord) -> bool:
    said = record.getMessage()
    return not (said.startswith("Heartbeat failed") and any(words in said for words in _REBALANCING))


def log_to_stderr(level: str, kind: str) -> None:
    """Faust and the client say little of use below a warning; what they do say there comes through."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RateLimit())
    handler.setFormatter(
        JsonLines() if kind == "json" else logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    if level != "debug":
        # The last is where Faust says that a service of ours starts and stops.
        for name in ("faust", "mode", "aiokafka", "asyncio", "scorer.worker.faust_adapter"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # Under load it says that a commit of the group's offset took longer than the interval between two. That offset
        # only shows the lag to others; where a worker goes on is in the store.
        logging.getLogger("mode.timers").setLevel(logging.ERROR)
