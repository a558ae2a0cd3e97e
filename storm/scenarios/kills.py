"""Workers are killed, and come and go, while a replay goes on."""

from functools import partial

from storm.concluding import Outcome, conclude
from storm.crew import ENOUGH_SECONDS, Crew
from storm.ground import Ground
from storm.load import Load
from testing.systems import Worker

# What a fault takes with everything that follows from it; the replay lasts for so long for each of them.
FAULT_SECONDS = 4.0
# Of the kills, so many come at any time after a start, takeover and rebuilding included.
EARLY = 0.3
START_SECONDS = 4.0
# So many who joined may take their share before the next thing happens.
PATIENT = 0.7
MOST_WORKERS = 4


def kills(ground: Ground) -> Outcome:
    """SIGKILL to one of two workers at random moments: mostly to the one that is at work, and now and then to the one
    that has just begun."""
    dice, count = ground.dice, ground.size.kills
    with ground.system() as system:
        crew = Crew(system)
        with Load(system, ground.world.file, "--rate", _rate(ground, count)) as load:
            crew.join(2)
            for _ in range(count):
                if dice.random() < EARLY:
                    crew.let_be(dice.uniform(0, START_SECONDS))
                    crew.kill(crew.workers[-1])
                else:
                    _let_work(ground, crew, load)
                    crew.kill(crew.workers[0])
                crew.join()
            crew.until(load.is_done, "the replay is done", FAULT_SECONDS * count + ENOUGH_SECONDS)
        return conclude(crew, ground.world.truth, f"{count} kills")


def rebalances(ground: Ground) -> Outcome:
    """Workers join, leave by SIGTERM and leave by SIGKILL, one to four of them."""
    dice, count = ground.dice, ground.size.rebalances
    with ground.system() as system:
        crew = Crew(system)
        with Load(system, ground.world.file, "--rate", _rate(ground, count)) as load:
            crew.join()
            for _ in range(count):
                _let_work(ground, crew, load)
                if len(crew.workers) == 1 or (len(crew.workers) < MOST_WORKERS and dice.random() < 0.5):
                    [joiner] = crew.join()
                    if dice.random() < PATIENT:
                        crew.until(partial(_is_in_group, joiner), "the joiner is in the group")
                else:
                    end = crew.leave if dice.random() < 0.5 else crew.kill
                    end(dice.choice(crew.workers))
            crew.until(load.is_done, "the replay is done", FAULT_SECONDS * count + ENOUGH_SECONDS)
        return conclude(crew, ground.world.truth, f"{count} joined or left, {_slowest(crew.goodbyes)}")


def _slowest(goodbyes: list[float]) -> str:
    return f"the slowest goodbye of {len(goodbyes)} took {max(goodbyes):.1f} s" if goodbyes else "none by SIGTERM"


def _is_in_group(worker: Worker) -> bool:
    return ": owns " in worker.said()


def _rate(ground: Ground, faults: int) -> str:
    """So that there is something to do until the last of them."""
    return str(max(1, round(len(ground.world.history.transactions) / (faults * FAULT_SECONDS))))


def _let_work(ground: Ground, crew: Crew, load: Load) -> None:
    """Until somebody has stored something since the last fault, and then for any time: at once, there is what has piled
    up to be worked on as fast as can be, and later there is what comes."""
    before = crew.scored()
    crew.until(lambda: crew.scored() > before or load.is_done(), "somebody has gone on")
    crew.let_be(ground.dice.choice([ground.dice.uniform(0, 0.3), ground.dice.uniform(0, START_SECONDS)]))
