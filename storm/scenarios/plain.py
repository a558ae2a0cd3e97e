"""Nothing goes wrong: workers of different number, from a standing start and at a pace."""

from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import Ground, fill
from storm.load import Load


def one_worker(ground: Ground) -> Outcome:
    """A full topic, and one worker from a standing start."""
    with ground.system() as system:
        fill(system, ground.world.history)
        crew = Crew(system)
        crew.join()
        return conclude(crew, ground.world.truth)


def two_workers(ground: Ground) -> Outcome:
    """Everything at once, for two workers that are there."""
    return _together(ground, 2)


def four_workers(ground: Ground) -> Outcome:
    """The same, with a partition for each."""
    return _together(ground, 4)


def _together(ground: Ground, count: int) -> Outcome:
    with ground.system() as system:
        crew = Crew(system)
        crew.join(count)
        crew.until_shared()
        fill(system, ground.world.history)
        return conclude(crew, ground.world.truth)


def paced(ground: Ground) -> Outcome:
    """The producer's replay at a pace, beside two workers that wait for it."""
    with ground.system() as system:
        crew = Crew(system)
        crew.join(2)
        with Load(system, ground.world.file, "--rate", "2000") as load:
            crew.until(load.is_done, "the replay is done")
        return conclude(crew, ground.world.truth)
