"""Messages that cannot be scored, among those that can."""

from producer.__main__ import main as producer
from risk.events import RejectReason, Transaction
from storm.bad import BadMessages, from_a_slow_clock
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import PARTITIONS, Ground, send
from storm.history import History
from storm.reading import read
from storm.until import StormError, went_well

REPAIRABLE = 40


def bad_messages(ground: Ground) -> Outcome:
    """Of every kind: each is among the rejects, with its reason and its bytes, and the good ones are scored."""
    with ground.system() as system:
        bad = BadMessages(system.topics, PARTITIONS, ground.dice)
        sent = send(system, bad.among(ground.world.history, ground.size.bad_messages))
        crew = Crew(system)
        crew.join(2)
        count = sum(one.item.is_bad for one in sent)
        return conclude(crew, ground.world.truth, f"{count} bad messages", sent=sent)


def redrive(ground: Ground) -> Outcome:
    """Messages that were rejected for a sender's wrong clock are scored once they are sent again."""
    events = ground.world.history.events
    late = [event for event in events if isinstance(event, Transaction)][-REPAIRABLE:]
    rest = History(event for event in events if event not in late)
    with ground.system() as system:
        items = from_a_slow_clock(rest.items(system.topics, PARTITIONS), late, system.topics, PARTITIONS)
        sent = send(system, items)
        crew = Crew(system)
        crew.join()
        crew.until_scored()
        if len(read(system).rejects) != REPAIRABLE:
            raise StormError(f"got {len(read(system).rejects)} rejects, expected {REPAIRABLE}")
        for _ in range(2):  # the second time there is nothing to do
            went_well(system.run(producer, "redrive", "--reason", RejectReason.AHEAD_OF_CLOCK.value), "redrive")
        return conclude(crew, ground.world.truth, f"{REPAIRABLE} sent again", sent=sent)
