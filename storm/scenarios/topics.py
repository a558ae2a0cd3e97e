"""The topic of transactions is made again, and filled so that a record lies wherever one is expected next."""

import asyncio
import signal

from aiokafka.admin import AIOKafkaAdminClient

from scorer.worker.exits import EXIT_FAILED
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import PARTITIONS, Ground, fill
from storm.losing import delete
from storm.reading import read
from storm.until import StormError
from testing.systems import System

# A worker that was stopped for so long is still a member when it goes on, and fetches on where it was.
LONG_SESSION_SECONDS = 40.0


def made_again_under_a_worker(ground: Ground) -> Outcome:
    """While it runs."""
    return _made_again(ground, 1, is_stopped=False)


def made_again_behind_two_workers(ground: Ground) -> Outcome:
    """While both are stopped (SIGSTOP), so that no look of theirs lies between the old records and the new ones."""
    return _made_again(ground, 2, is_stopped=True)


def _made_again(ground: Ground, count: int, *, is_stopped: bool) -> Outcome:
    """They end and say why; nothing of the new topic is in the store; a new store has all of it."""
    first, _ = ground.world.history.until(0.5)
    with ground.system() as system:
        crew = Crew(system, session_seconds=LONG_SESSION_SECONDS)
        victims = crew.join(count)
        crew.until_shared()
        fill(system, first)
        crew.until_scored()
        before = read(system)
        for victim in victims if is_stopped else []:
            victim.signal(signal.SIGSTOP)
        asyncio.run(_delete(system))
        system.make_topics(PARTITIONS)
        fill(system, ground.world.history)
        for victim in victims if is_stopped else []:
            victim.signal(signal.SIGCONT)
        statuses = [crew.until_ended(victim) for victim in victims]
        told = ["topic id: got" in victim.said() for victim in victims]
        if set(statuses) != {EXIT_FAILED} or not all(told):
            raise StormError(
                f"workers whose topic was made again ended with {statuses}, expected {EXIT_FAILED} and the reason: "
                f"{[victim.said()[-1500:] for victim in victims]}"
            )
        if read(system).rows != before.rows:
            raise StormError("the store has rows of the new topic")
        delete(system.store)
        crew.join()
        return conclude(crew, ground.world.truth, f"statuses {statuses}")


async def _delete(system: System) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=system.address)
    await admin.start()
    try:
        await admin.delete_topics([system.topics.transactions])
    finally:
        await admin.close()
