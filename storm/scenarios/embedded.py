"""The broker in memory, with one worker."""

from risk.settings import PREFIX
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import Ground, fill
from storm.history import History, truth_of
from testing.brokers import embedded

# It holds 5 MB of a partition, and no more.
MOST_EVENTS = 4_000


def embedded_broker(ground: Ground) -> Outcome:
    """From a standing start."""
    history = History(ground.world.history.events[:MOST_EVENTS])
    with embedded(ground.folder / "embedded.log") as address:
        environment = {f"{PREFIX}BROKERS": address, f"{PREFIX}TOPIC_PREFIX": ""}
        with ground.system(environment=environment) as system:
            fill(system, history)
            crew = Crew(system)
            crew.join()
            return conclude(crew, truth_of(history, ground.world.models))
