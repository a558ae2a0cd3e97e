"""What a worker logs: ours all of it, and of others' repetitions one in a while."""

import inspect
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module

import pytest
from aiokafka.consumer import group_coordinator

from scorer.worker.logs import GROUP_LOGGER, REPEAT_SECONDS, RateLimit, ignore_group_warnings


class SetClock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


def said(rate_limit: RateLimit, name: str, sentence: str, *arguments: object, line: int = 1) -> str | None:
    """What comes through of a line, if it does."""
    record = logging.LogRecord(name, logging.ERROR, "file.py", line, sentence, arguments, None)
    return record.getMessage() if rate_limit.filter(record) else None


def test_what_a_client_repeats_is_said_once_in_a_while_and_counted() -> None:
    """Whatever node it names: a broker that is away must not fill the disk."""
    clock = SetClock()
    rate_limit = RateLimit(clock)
    assert said(rate_limit, "aiokafka", "Unable to connect to %s", 1) == "Unable to connect to 1"
    assert [said(rate_limit, "aiokafka", "Unable to connect to %s", node) for node in range(500)] == [None] * 500
    assert [said(rate_limit, "aiokafka", f"Unable to connect to {node}") for node in range(500)] == [None] * 500
    assert said(rate_limit, "aiokafka", "Something else", line=2) == "Something else"
    assert said(rate_limit, "aiokafka.fetcher", "Unable to connect to %s", 1) == "Unable to connect to 1"
    clock.time += REPEAT_SECONDS
    assert (
        said(rate_limit, "aiokafka", "Unable to connect to %s", 2) == "Unable to connect to 2 (and 1,000 more like it)"
    )
    clock.time += REPEAT_SECONDS
    assert said(rate_limit, "aiokafka", "Unable to connect to %s", 3) == "Unable to connect to 3"


def test_what_we_say_comes_through_each_time() -> None:
    rate_limit = RateLimit(SetClock())
    assert [said(rate_limit, "scorer.ledger.closer", "closed %s", n) for n in (1, 2)] == ["closed 1", "closed 2"]


def test_a_commit_of_the_groups_offset_that_takes_its_time_is_no_news() -> None:
    """In a process of its own, for what is logged is switched for all of it."""
    timers = import_module("mode.timers")  # what Faust brings along
    assert '"Timer %s is overlapping (' in inspect.getsource(timers)
    lines = (
        "import logging",
        "from scorer.worker.logs import log_to_stderr",
        "log_to_stderr('info', 'text')",
        f"logging.getLogger('{timers.logger.name}').warning('Timer commit is overlapping')",
        "logging.getLogger('mode.worker').warning('something else')",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    [said] = done.stderr.splitlines()
    assert said.endswith("mode.worker: something else")


@pytest.fixture
def group() -> Iterator[logging.Logger]:
    """The client's own logger, as it was before."""
    logger = logging.getLogger(GROUP_LOGGER)
    before = list(logger.filters)
    yield logger
    logger.filters = before


PARTINGS = (
    "Heartbeat failed for group scorer because it is rebalancing",
    "Heartbeat failed for group scorer: generation id is not  current.",
    "Heartbeat failed: local member_id was not recognized; resetting and re-joining group",
)
CLIENTS_WORDS = ("because it is rebalancing", "generation id is not", "member_id was not recognized")
FAILURES = (
    "Heartbeat failed for group scorer: coordinator (node 1) is either not started or not valid",
    "Heartbeat failed: KafkaError('Unexpected exception in heartbeat task')",
    "Heartbeat send request failed: RequestTimedOutError. Will retry.",
)


def test_a_worker_that_ends_says_nothing_of_leaving_its_group(group: logging.Logger) -> None:
    """While it works it does, and what fails for another reason is said to the end."""
    assert group is group_coordinator.log
    said_by_the_client = inspect.getsource(group_coordinator)
    assert all(words in said_by_the_client for words in CLIENTS_WORDS)
    assert let_through(group, PARTINGS) == list(PARTINGS)
    ignore_group_warnings()
    assert let_through(group, (*PARTINGS, *FAILURES)) == list(FAILURES)


def let_through(logger: logging.Logger, sentences: Sequence[str]) -> list[str]:
    """By its filters; whether it is switched on is another's business."""
    records = [logging.LogRecord(logger.name, logging.WARNING, "file.py", 1, words, (), None) for words in sentences]
    return [record.getMessage() for record in records if logger.filter(record)]
