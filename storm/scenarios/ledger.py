"""The merchant ledger, where partitions are of very different speed, empty, cut short, or end in nothing at all."""

from console.start import EXIT_FAILED
from risk.kafka.partitions import partition_of
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.feed import feed
from storm.ground import PARTITIONS, Ground, fill
from storm.history import History, truth_of
from storm.losing import worked
from storm.retention import delete_records
from storm.until import StormError

# Of a hundred customers so many are in each partition.
SKEW = (80, 19, 1, 0)
EMPTY = 3


def skewed(ground: Ground) -> Outcome:
    """Four fifths of the customers in one partition, one customer in another, and nobody in the last."""
    history = skewed_history(ground.world.history)
    with ground.system() as system:
        fill(system, history)
        crew = Crew(system)
        crew.join(2)
        return conclude(crew, truth_of(history, ground.world.models), rebuild=True)


def markers(ground: Ground) -> Outcome:
    """Written in transactions: every partition ends in a marker, which no consumer sees."""
    with ground.system() as system:
        feed(system.address, ground.world.history.items(system.topics, PARTITIONS), transactional=system.prefix)
        crew = Crew(system)
        crew.join(2)
        return conclude(crew, ground.world.truth, rebuild=True)


def emptied(ground: Ground) -> Outcome:
    """Retention has taken all of one partition before the first worker came, and all of another behind it."""
    gone, short_lived = 0, 1
    first, second = ground.world.history.until(0.5)
    first = first.without(lambda customer: partition_of(customer.encode(), PARTITIONS) == gone)
    with ground.system() as system:
        fill(system, ground.world.history.until(0.5)[0])
        delete_records(system, [gone])
        crew = Crew(system)
        crew.join(2)
        crew.until_scored()
        delete_records(system, [short_lived])
        fill(system, second)
        history = History([*first.events, *second.events])
        return conclude(crew, truth_of(history, ground.world.models), gone=True)


def gap(ground: Ground) -> Outcome:
    """Retention takes what was not scored yet: no worker goes on by itself, and with --accept-gap one does."""
    lost = 0
    first, rest = ground.world.history.until(0.4)
    second, third = rest.until(0.4)
    with ground.system() as system:
        fill(system, first)
        crew = Crew(system)
        worked(crew)
        fill(system, second)
        delete_records(system, [lost])
        [refuses] = crew.join()
        status = crew.until_ended(refuses)
        if status != EXIT_FAILED or "records are gone" not in refuses.said():
            raise StormError(f"a worker met a gap and ended with status {status}: {refuses.said()[-1000:]}")
        fill(system, third)
        accepts = Crew(system, "--accept-gap")
        accepts.join(2)
        left = second.without(lambda customer: partition_of(customer.encode(), PARTITIONS) == lost)
        history = History([*first.events, *left.events, *third.events])
        return conclude(accepts, truth_of(history, ground.world.models), "1 gap", gone=True)


def skewed_history(history: History) -> History:
    """The same customers, with names that put them where they shall be."""
    names = sorted({event.customer_id for event in history.events})
    edges = [sum(SKEW[:number]) / sum(SKEW) * len(names) for number in range(1, len(SKEW) + 1)]
    wanted = {name: next(n for n, edge in enumerate(edges) if place < edge) for place, name in enumerate(names)}
    moved = {name: in_partition(name, wanted[name]) for name in names}
    return history.customers_moved(moved.__getitem__)


def in_partition(name: str, wanted: int) -> str:
    tries = (f"{name}-{number}" for number in range(1_000_000))
    return next(tried for tried in tries if partition_of(tried.encode(), PARTITIONS) == wanted)
