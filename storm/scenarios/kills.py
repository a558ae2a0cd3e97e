"""Workers are killed, and come and go, while they work."""

from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import Ground, fill
from storm.load import Load

# Of the kills, so many come at any time after the start, takeover and rebuilding included.
EARLY = 0.3
START_SECONDS = 4.0


def kills(ground: Ground) -> Outcome:
    """SIGKILL to one of two workers at random moments, while a replay goes on: mostly to the one that is at work, and
    now and then to the one that has just begun."""
    dice, world = ground.dice, ground.world
    total = len(world.history.transactions)
    with ground.system() as system:
        crew = Crew(system)
        rate = str(max(1_000, total // 60))
        with Load(system, world.file, "--rate", rate) as load:
            crew.join(2)
            for moment in sorted(dice.sample(range(1, total), ground.size.kills)):
                if dice.random() < EARLY:
                    crew.let_be(dice.uniform(0, START_SECONDS))
                    crew.kill(crew.workers[-1])
                else:
                    crew.until(lambda moment=moment: crew.scored() >= moment, f"{moment} transactions are scored")
                    crew.let_be(dice.uniform(0, 0.1))
                    crew.kill(crew.workers[0])
                crew.join()
            crew.until(load.is_done, "the replay is done")
        return conclude(crew, world.truth, f"{ground.size.kills} kills")


def rebalances(ground: Ground) -> Outcome:
    """Workers join, leave by SIGTERM and leave by SIGKILL, one to four of them, in a full topic."""
    dice, world = ground.dice, ground.world
    total = len(world.history.transactions)
    with ground.system() as system:
        fill(system, world.history)
        crew = Crew(system)
        crew.join()
        for moment in sorted(dice.sample(range(1, total), ground.size.rebalances)):
            crew.until(lambda moment=moment: crew.scored() >= moment, f"{moment} transactions are scored")
            crew.let_be(dice.uniform(0, 0.1))
            if len(crew.workers) == 1 or (len(crew.workers) < 4 and dice.random() < 0.5):
                crew.join()
            else:
                end = crew.leave if dice.random() < 0.5 else crew.kill
                end(dice.choice(crew.workers))
        return conclude(crew, world.truth, f"{ground.size.rebalances} rebalances")
