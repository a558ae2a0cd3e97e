"""The broker goes away while everybody works, and comes back."""

from risk.settings import PREFIX
from scorer.worker.exits import EXIT_AWAY
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import Ground, fill
from storm.load import Load
from storm.second_node import outputs_on_second_node, second_node
from storm.until import StormError
from testing.far import far_kafka, is_fetch

# The worker's request timeout, made short, and a pause that is longer.
SEND_SECONDS = 2.0
AWAY_SECONDS = 5.0


def broker_killed(ground: Ground) -> Outcome:
    """SIGKILL to the broker in the middle of a replay; it comes back with its data."""
    world, total = ground.world, len(ground.world.history.transactions)
    with ground.system() as system:
        crew = Crew(system)
        crew.join(2)
        with Load(system, world.file, "--rate", str(max(1_000, total // 60))) as load:
            moment = ground.dice.randrange(total // 4, total // 2)
            crew.until(lambda: crew.scored() >= moment, f"{moment} transactions are scored")
            ground.broker.kill()
            ground.broker.restart()
            crew.until(load.is_done, "the replay is done", restart=True)
        return conclude(crew, world.truth, "1 fault", restart=True)


def leader_away(ground: Ground) -> Outcome:
    """The outputs have no leader for longer than the request timeout, with batches under way: the client gives those
    batches up and would send the next ones, so the worker has to end, and whoever comes next repairs."""
    world, total = ground.world, len(ground.world.history.transactions)
    node = second_node(ground.broker.node, ground.folder / "second")
    node.start()
    try:
        with ground.system(prepare=outputs_on_second_node) as system:
            crew = Crew(system, "--send-seconds", f"{SEND_SECONDS:g}")
            crew.join(2)
            crew.until_shared()
            fill(system, world.history)
            moment = ground.dice.randrange(1, total // 2)
            crew.until(lambda: crew.scored() >= moment, f"{moment} transactions are scored")
            node.kill()
            crew.until(lambda: EXIT_AWAY in crew.statuses, "a worker ends for what it could not send", restart=True)
            node.start()
            return conclude(crew, world.truth, "1 fault", restart=True)
    finally:
        node.kill()


def silent_at_start(ground: Ground) -> Outcome:
    """The broker goes silent for good at the first fetch of a worker that starts, while it reads the ledger's topic: it
    ends, to be started again, and says why."""
    history, total = ground.world.history, len(ground.world.history.transactions)
    with (
        far_kafka(ground.folder / "far", 0.0, is_fetch) as far,
        ground.system(environment=far.near.environment("")) as system,
    ):
        fill(system, history)
        crew = Crew(system)
        crew.join()
        crew.until(lambda: crew.scored() >= total, f"{total} transactions are scored")
        crew.stop()
        system.store.unlink()  # so that there is much of the ledger to be read
        late, near = Crew(system, "--read-seconds", f"{SEND_SECONDS:g}"), system.environment
        system.environment = {**near, f"{PREFIX}BROKERS": far.address}
        [starting] = late.join()
        system.environment = near
        status = late.until_ended(starting)
        if status != EXIT_AWAY or "merchant-ledger-0: nothing came behind offset 0" not in starting.said():
            raise StormError(f"the worker ended with status {status}: {starting.said()[-1000:]}")
        crew.join()
        return conclude(crew, ground.world.truth, "1 fault")


def broker_paused(ground: Ground) -> Outcome:
    """The broker answers nothing for longer than the request timeout, with batches under way."""
    world, total = ground.world, len(ground.world.history.transactions)
    with ground.system() as system:
        fill(system, world.history)
        crew = Crew(system, "--send-seconds", f"{SEND_SECONDS:g}")
        crew.join(2)
        moment = ground.dice.randrange(1, total // 2)
        crew.until(lambda: crew.scored() >= moment, f"{moment} transactions are scored")
        ground.broker.pause()
        try:
            crew.let_be(AWAY_SECONDS, restart=True)
        finally:
            ground.broker.resume()
        return conclude(crew, world.truth, "1 fault", restart=True)
