"""A worker is stopped for so long that others take its partitions over; then it goes on, and must not write."""

import signal
from collections.abc import Callable

from storm.concluding import Outcome, conclude
from storm.crew import ENOUGH_SECONDS, Crew, status_of
from storm.ground import Ground, fill
from storm.reading import read
from storm.until import StormError, until
from testing.systems import Worker


def stopped_at_work(ground: Ground) -> Outcome:
    """SIGSTOP in the middle of its work; SIGCONT when another worker has done all of it."""
    moment = ground.dice.randrange(1, len(ground.world.history.transactions) // 2)
    with ground.system() as system:
        fill(system, ground.world.history)
        crew = Crew(system)
        stale = _stopped(crew, lambda _: crew.scored() >= moment)
        crew.join()
        crew.until_scored()
        before = read(system).rows
        _go_on(stale)
        if read(system).rows != before:
            raise StormError("a stale owner wrote to the store")
        return conclude(crew, ground.world.truth, "1 stop")


def stopped_in_takeover(ground: Ground) -> Outcome:
    """SIGSTOP when it has taken the first of its partitions over; SIGCONT when another worker has done so, and nothing
    else: the epoch alone tells the two apart."""
    with ground.system() as system:
        fill(system, ground.world.history)
        crew = Crew(system)
        stale = _stopped(crew, _has_taken_over)
        [other] = crew.join()
        crew.until(lambda: _has_taken_over(other), "the other worker takes over")
        crew.freeze(other)
        _go_on(stale)
        other.signal(signal.SIGCONT)
        return conclude(crew, ground.world.truth, "2 stops", restart=True)


def _has_taken_over(worker: Worker) -> bool:
    return "took over" in worker.said()


def _stopped(crew: Crew, is_time: Callable[[Worker], bool]) -> Worker:
    """One that was stopped when it was time; the crew is without it."""
    [worker] = crew.join()
    crew.until(lambda: is_time(worker), "it is time to stop the worker")
    crew.freeze(worker)
    crew.workers.remove(worker)
    return worker


def _go_on(stale: Worker) -> None:
    """It either ends, because its partitions are somebody else's, or comes back into the group as a new member."""
    owns = stale.said().count(": owns ")
    stale.signal(signal.SIGCONT)
    until(
        lambda: status_of(stale) is not None or stale.said().count(": owns ") > owns,
        ENOUGH_SECONDS,
        "the stale owner has noticed",
    )
    status = status_of(stale)
    if status == 0:
        raise StormError("a stale owner ended with status 0, expected one that says so, or none")
    if status is None:
        stale.signal(signal.SIGTERM)
        stale.wait(ENOUGH_SECONDS)
