"""Ledger days that somebody waits for, and days that were closed before something came for them."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from msgspec.structs import replace

from risk.clock import DAY, HOUR
from risk.events import Label, Transaction
from risk.kafka.topic_states import AHEAD, UNLIMITED
from risk.ledger_log import ClosedDay
from risk.store import FlagRow, open_store
from scorer.ledger.closed_days import DayQueue
from scorer.worker.faust_adapter import SESSION_SECONDS
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.feed import feed, open_transaction
from storm.ground import PARTITIONS, Ground, fill, send
from storm.history import Due, History, Item, Truth, due_by, item_of, otherwise, truth_of
from storm.judging import judge
from storm.reading import read
from storm.scenarios.ledger import EMPTY, in_partition, skewed_history
from storm.until import StormError, went_well

STRAGGLERS = "trustlens_transactions_on_closed_day_total"
WITHOUT_DAY = "trustlens_flags_without_ledger_day_total"
CORRECTED = 30
LABEL_DELAY_DAYS = 7
IN_2199 = 7_226_582_400_000


def dies_while_another_waits(ground: Ground) -> Outcome:
    """SIGKILL to a worker whose partitions another needs for the next ledger day, while that one waits. What the day
    needs comes when the victim is stopped already, and it stays a member of its group until it is killed."""
    first, rest = ground.world.history.until(ground.dice.uniform(0.05, 0.5))
    with ground.system() as system:
        crew = Crew(system, session_seconds=SESSION_SECONDS)
        crew.join(2)
        crew.until_shared()
        fill(system, first)
        crew.until_scored()
        victim = ground.dice.choice(crew.workers)
        crew.freeze(victim)
        fill(system, rest)
        crew.until(lambda: _is_waiting(crew), "the other worker waits for a ledger day")
        crew.kill(victim)
        return conclude(crew, ground.world.truth, "1 kill", rebuild=True)


def aborted(ground: Ground) -> Outcome:
    """Before each transaction of the producer comes one that says otherwise and is aborted; and two of another producer
    stay open for a while, of a transaction that is committed and of a label that is not. What was aborted is nothing,
    and no day is closed over what is open."""
    with ground.system() as system:
        items = ground.world.history.items(system.topics, PARTITIONS)
        transactions = [place for place, item in enumerate(items) if item.day is not None]
        first, second = transactions[len(transactions) // 4], transactions[len(transactions) * 5 // 8]
        label = next(item for item in items[second:] if item.day is None)

        def send_committed(some: Sequence[Item]) -> None:
            feed(system.address, some, transactional=system.prefix, aborts=True)

        send_committed(items[:first])
        crew = Crew(system, "--give-up-seconds", "600")
        crew.join(2)
        crew.until_scored()
        with open_transaction(system.address, [items[first]], f"{system.prefix}open", commits=True):
            send_committed(items[first + 1 : second])
            _check_held_up(crew, items[first].day or 0)
        crew.until_scored()
        with open_transaction(system.address, [otherwise(label)], f"{system.prefix}open", commits=False):
            send_committed(items[second:])
            # What was due before may be closed: half a day after its label cutoff, a week after the day.
            _check_held_up(crew, (items[second].day or 0) - LABEL_DELAY_DAYS + 2)
        return conclude(crew, ground.world.truth, rebuild=True)


def _check_held_up(crew: Crew, day: int) -> None:
    """Who needs this day, or one just before it, waits; neither it nor a later one is closed."""
    crew.until(lambda: _is_waiting(crew, since=day + LABEL_DELAY_DAYS - 2), "a worker waits for a ledger day")
    crew.let_be(1)
    newest = crew.closed_days()[-1].closed.day
    if newest >= day:
        raise StormError(f"ledger day {newest} was closed, and what day {day} needs is in an open transaction")


def corrected_label(ground: Ground) -> Outcome:
    """Labels that say the contrary come after their day was closed, dated before its cutoff: the day stays."""
    history = ground.world.history
    first, second = history.until(0.6)
    with ground.system() as system:
        fill(system, first)
        crew = Crew(system)
        crew.join()
        crew.until_scored()
        newest = crew.closed_days()[-1].closed.day
        contrary = [
            replace(label, is_fraud=not label.is_fraud, labelled_at=label.labelled_at + 1)
            for label in _labels_until(first, newest)
        ]
        send(system, [item_of(label, system.topics, PARTITIONS) for label in contrary[-CORRECTED:]])
        fill(system, second)
        return conclude(crew, ground.world.truth, f"{len(contrary[-CORRECTED:])} corrected", rebuild=True)


def straggler(ground: Ground) -> Outcome:
    """A transaction of a closed day comes from a partition that had nothing: scored, counted, and the day stays."""
    history = skewed_history(ground.world.history)
    first, second = history.until(0.6)
    with ground.system() as system:
        fill(system, first)
        crew = Crew(system)
        crew.join()
        crew.until_scored()
        late = _of_nobody(first, (crew.closed_days()[-1].closed.day) * DAY + 12 * HOUR)
        send(system, [item_of(late, system.topics, PARTITIONS)])
        crew.until_scored()
        _check(crew, STRAGGLERS, 1)
        fill(system, second)
        truth = truth_of(history, ground.world.models)
        among = truth_of(history.together_with(late), ground.world.models)
        whole = {
            version: {**due, late.transaction_id: among[version][late.transaction_id]} for version, due in truth.items()
        }
        return conclude(crew, whole, "1 straggler", rebuild=True)


def week_ahead(ground: Ground) -> Outcome:
    """A transaction dated a week ahead breaks the producer's promise: days are closed early, and nobody waits for ever.
    What comes for those days is scored all the same, by the days as they were closed."""
    history = skewed_history(ground.world.history)
    first, second = history.until(0.6)
    with ground.system() as system:
        fill(system, first)
        crew = Crew(system)
        crew.join(2)
        crew.until_scored()
        ahead = _of_nobody(first, first.transactions[-1].event_time + 7 * DAY)
        send(system, [item_of(ahead, system.topics, PARTITIONS)])
        crew.until_scored()
        fill(system, second)
        crew.until_scored()
        _check(crew, WITHOUT_DAY, 0)
        stragglers = crew.count(STRAGGLERS)
        whole = history.together_with(ahead)
        truth = _truth_by(whole, system.models, crew.closed_days())
        return conclude(crew, truth, f"{stragglers:.0f} stragglers", rebuild=True)


def another_century(ground: Ground) -> Outcome:
    """A transaction dated in 2199, in a record that says it was sent then, on a broker that takes it: no day is closed
    before its time, and all others are scored as if it were not there. Its own day is given up."""
    history = skewed_history(ground.world.history)
    first, second = history.until(0.6)
    with ground.system() as system:
        asyncio.run(_take_any_time(system.address, system.topics.transactions))
        fill(system, first)
        crew = Crew(system, "--give-up-seconds", "5")
        crew.join(2)
        crew.until_scored()
        far = _of_nobody(first, IN_2199)
        send(system, [item_of(far, system.topics, PARTITIONS)._replace(timestamp=IN_2199)])
        crew.until_scored()
        fill(system, second)
        crew.until_scored()
        _check(crew, WITHOUT_DAY, 1)
        if crew.closed_days()[-1].closed.day > history.transactions[-1].event_time // DAY:
            raise StormError("days were closed that nobody has come to")
        crew.stop()
        truth = {
            version: {**due, far.transaction_id: Due(b"", is_high=False)}
            for version, due in truth_of(history, ground.world.models).items()
        }
        findings = judge(read(system), truth)
        went_well(system.scorer("verify", "--bundle", str(system.models / "current")), "verify")
        return Outcome(findings._replace(wrong=findings.wrong - {far.transaction_id}), "1 from 2199")


async def _take_any_time(address: str, topic: str) -> None:
    """As brokers did before 4.0, and as a person may set it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        config = {"retention.ms": str(UNLIMITED), AHEAD: str(2**63 - 1)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
    finally:
        await admin.close()


def goes_on_without_a_day(ground: Ground) -> Outcome:
    """A worker stands still, and the other has waited long enough: it goes on with the days that there are, and its
    flags say so. They are what the log was worth then, so they count as right."""
    total = len(ground.world.history.transactions)
    with ground.system() as system:
        crew = Crew(system, "--give-up-seconds", "0.5", session_seconds=60)
        crew.join(2)
        crew.until_shared()
        fill(system, ground.world.history)
        crew.until(lambda: crew.scored() >= total * 0.65, "most transactions are scored")
        sleeper = ground.dice.choice(crew.workers)
        crew.freeze(sleeper)
        crew.until(lambda: _has_gone_on(crew), "the other worker has gone on without a ledger day")
        sleeper.signal(signal.SIGCONT)
        crew.until_scored()
        counted = crew.count(WITHOUT_DAY)
        crew.stop()
        made = read(system)
        findings = judge(made, ground.world.truth)
        without = {row.transaction_id for row in made.rows if _went_without(row)}
        said = system.scorer("verify", "--bundle", str(system.models / "current"))
        if said.code or f"ledger day that was due: {len(without):,}\n" not in said.out or counted != len(without):
            raise StormError(f"{len(without)} flags, counted {counted}, and verify says: {said.out}{said.err}")
        return Outcome(findings._replace(wrong=findings.wrong - without), f"{len(without)} went on without")


def _has_gone_on(crew: Crew) -> bool:
    store = open_store(crew.system.store, read_only=True)
    try:
        return any(_went_without(row) for row in store.flags())
    finally:
        store.close()


def _went_without(row: FlagRow) -> bool:
    return row.ledger_day is not None and row.ledger_day < row.event_time // DAY - LABEL_DELAY_DAYS


def _is_waiting(crew: Crew, *, since: int = 0) -> bool:
    """Something of that day or a later one."""
    return any(
        (p.waiting_epoch, p.waiting_offset) == (p.owner_epoch, p.next_offset)
        and p.waiting_head is not None
        and p.waiting_head >= since * DAY
        for p in crew.positions()
    )


def _labels_until(history: History, day: int) -> list[Label]:
    """Of transactions up to that day."""
    days = {transaction.transaction_id: transaction.event_time // DAY for transaction in history.transactions}
    return [label for label in history.labels if days[label.transaction_id] <= day]


def _of_nobody(history: History, event_time: int) -> Transaction:
    """At a merchant whom many know, by a customer whom nobody knows, in the partition that has none."""
    return replace(
        history.transactions[0],
        transaction_id="of-nobody",
        customer_id=in_partition("nobody", EMPTY),
        event_time=event_time,
    )


def _truth_by(history: History, models: Path, days: Sequence[ClosedDay]) -> Truth:
    version = (models / "current").read_text().strip()
    return {version: due_by(history, models / version, DayQueue(days, has_begun=False))}


def _check(crew: Crew, metric: str, expected: float) -> None:
    found = crew.count(metric)
    if found != expected:
        raise StormError(f"{metric}: got {found}, expected {expected}")
