"""What a worker logs: ours all of it, and of others' repetitions one in a while."""

import logging

from scorer.worker.logs import SPARED_SECONDS, Sparing


class SetClock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


def said(sparing: Sparing, name: str, sentence: str, *arguments: object) -> str | None:
    """What comes through of a line, if it does."""
    record = logging.LogRecord(name, logging.ERROR, "file.py", 1, sentence, arguments, None)
    return record.getMessage() if sparing.filter(record) else None


def test_what_a_client_repeats_is_said_once_in_a_while_and_counted() -> None:
    """Whatever node it names: a broker that is away must not fill the disk."""
    clock = SetClock()
    sparing = Sparing(clock)
    assert said(sparing, "aiokafka", "Unable to connect to %s", 1) == "Unable to connect to 1"
    assert [said(sparing, "aiokafka", "Unable to connect to %s", node) for node in range(500)] == [None] * 500
    assert said(sparing, "aiokafka", "Something else") == "Something else"
    assert said(sparing, "aiokafka.fetcher", "Unable to connect to %s", 1) == "Unable to connect to 1"
    clock.time += SPARED_SECONDS
    assert said(sparing, "aiokafka", "Unable to connect to %s", 2) == "Unable to connect to 2 (and 500 more like it)"
    clock.time += SPARED_SECONDS
    assert said(sparing, "aiokafka", "Unable to connect to %s", 3) == "Unable to connect to 3"


def test_what_we_say_comes_through_each_time() -> None:
    sparing = Sparing(SetClock())
    assert [said(sparing, "scorer.worker.keeper", "closed %s", n) for n in (1, 2)] == ["closed 1", "closed 2"]
