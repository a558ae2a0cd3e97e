"""Labels that never stop coming, beside transactions that wait for ledger days."""

from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.feed import feed
from storm.ground import PARTITIONS, Ground
from testing.far import far_kafka
from testing.label_flood import LabelFlood
from testing.systems import System

FAST, SLOW = 5_000, 500  # labels a second
AWAY_SECONDS = 0.01


def labels_without_end(ground: Ground) -> Outcome:
    """Five thousand a second. They come after the days that are waited for were due, and hold none of them up."""
    with ground.system() as system:
        return _beside_labels(ground, system, ground.broker.address, FAST)


def labels_from_afar(ground: Ground) -> Outcome:
    """Five hundred a second, and ten milliseconds each way to the broker: the end of the labels is always further on
    than the store by the time that somebody knows it."""
    with (
        far_kafka(ground.folder / "far", AWAY_SECONDS) as far,
        ground.system(environment=far.environment("")) as system,
    ):
        return _beside_labels(ground, system, far.near.address, SLOW)


def _beside_labels(ground: Ground, system: System, address: str, rate: int) -> Outcome:
    """`address`: where the broker is near."""
    history, topics = ground.world.history, system.topics
    crew = Crew(system)
    crew.join(2)
    crew.until_shared()
    with LabelFlood(address, topics.labels, PARTITIONS, rate, history.transactions[0].event_time) as flood:
        feed(address, history.items(topics, PARTITIONS))
        total = len(history.transactions)
        crew.until(lambda: flood.sent > 0 and crew.scored() >= total, f"{total} transactions are scored")
    return conclude(crew, ground.world.truth, f"{flood.sent:,} labels beside them")
