"""One worker, put together: every part is made here and in clients.py, and nowhere else."""

import asyncio
import gc
import logging
import os
import platform
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version as version_of_package
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry

from console.alive import ALIVE_EVERY_SECONDS
from console.start import EXIT_OK
from risk.bundle import Bundle
from risk.kafka.connection import Connection
from risk.kafka.log import LIMIT_SECONDS, Reads
from risk.rules.compiled import CompiledRules
from risk.topics import group_of
from scorer.ledger.closed_days import LedgerDays
from scorer.ledger.closer import ClosingTerms, LedgerCloser
from scorer.ledger.follower import Follower
from scorer.ledger.waiting import GIVES_UP_AFTER_SECONDS, StallTimer
from scorer.metrics import Metrics, Standings, answer
from scorer.worker.batch import Batches
from scorer.worker.buffer import Buffer
from scorer.worker.clients import SEND_SECONDS, Clients
from scorer.worker.exits import end_now, end_within, fatal, stalled
from scorer.worker.faust_adapter import SESSION_SECONDS, ScorerApp, make_app, watch_group
from scorer.worker.group_stores import GroupStores, StorePlace, members_of
from scorer.worker.health import LagMonitor, LedgerWait, Upkeep, Watchdog
from scorer.worker.logs import ignore_group_warnings
from scorer.worker.ownership import Ownership
from scorer.worker.pipelines import Pipelines
from scorer.worker.shadow import Challenger
from scorer.worker.swap import BundleWatch, ChallengerWatch, RulesWatch, check_none_is_meant, ready_to_score
from scorer.worker.watch import Watch, WatchParts, look_after

log = logging.getLogger(__name__)

# What is under way takes a fraction of a second; a store that is locked, or a broker that is away, takes longer.
STOP_SECONDS = 30.0
STOPS = (signal.SIGTERM, signal.SIGINT)

Task = Callable[[], Coroutine[None, None, None]]
Opened = TypeVar("Opened")


class Options(NamedTuple):
    bundle: Bundle
    models: Path | None  # where `current` says what to go on with; None where the bundle was named itself
    rules: CompiledRules | None  # in force, for that bundle
    rules_folder: Path
    connection: Connection
    prefix: str
    store: Path
    metrics_host: str
    metrics_port: int
    accept_gap: bool
    stall_seconds: float
    give_up_seconds: float = GIVES_UP_AFTER_SECONDS
    send_seconds: float = SEND_SECONDS
    session_seconds: float = SESSION_SECONDS
    read_seconds: float = LIMIT_SECONDS
    alive: Callable[[], None] = lambda: None  # to be called while the loop turns


async def run(options: Options) -> None:
    """Works until it is told to stop by SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    for number in STOPS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        notifying = asyncio.create_task(_fatal_on_error(partial(_notify_alive, options.alive)))
        stack.push_async_callback(_cancel, [notifying])
        clients = Clients(
            options.connection,
            options.prefix,
            stack,
            send_seconds=options.send_seconds,
            read_seconds=options.read_seconds,
        )
        registry = CollectorRegistry()
        metrics = Metrics(registry)
        for topic in (clients.topics.transactions, clients.topics.labels):
            metrics.count_topic(topic)
        stack.callback(_show_metrics(options, registry, metrics))
        await _unless_stopped(stop, clients.open(options.store, metrics))
        stack.callback(end_within, STOP_SECONDS)  # to close a store waits for whoever has it locked
        group, place = group_of(options.prefix), StorePlace.of(options.store)
        stores = GroupStores(place, group, partial(members_of, clients.admin, group), options.session_seconds)
        await _unless_stopped(stop, stores.before_joining())
        ownership, lag, tasks = await _unless_stopped(stop, _assemble(options, clients, metrics))
        stack.push_async_callback(ownership.close)
        registry.register(Standings(ownership.standings))
        watchdog = Watchdog(lag.progress, stalled, fatal, options.stall_seconds)
        stack.callback(watchdog.stop)
        running = [asyncio.create_task(_fatal_on_error(task)) for task in (*tasks, stores.run)]
        stack.push_async_callback(_cancel, running)
        app = make_app(
            group=group,
            client_id=place.client_id,
            topics=clients.topics,
            connection=options.connection,
            ownership=ownership,
            fatal=fatal,
            session_seconds=options.session_seconds,
        )
        watchdog.start()
        await _until(stop, app, metrics)
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)  # it is ending; to be told again changes nothing
    log.info("ended")


async def _assemble(options: Options, clients: Clients, metrics: Metrics) -> tuple[Ownership, LagMonitor, list[Task]]:
    """The partitions, what tells how it goes, and what runs beside it."""
    if options.rules is None:
        await clients.side.call(partial(check_none_is_meant, options.rules_folder))
    scorer = await clients.scoring.call(lambda _: ready_to_score(options.bundle))
    manifest, topics = options.bundle.manifest, clients.topics
    terms = ClosingTerms(manifest.terms.ledger_terms, manifest.max_lateness_ms, manifest.max_ahead_ms)
    days = LedgerDays(terms.ledger)
    follower = Follower(
        await clients.reader(Reads.MARKED),
        topics.ledger,
        days,
        clients.side,
        metrics,
        clients.watch.confirm,
        accept_gap=options.accept_gap,
    )
    await follower.start()
    pipelines = Pipelines(
        options.bundle,
        days,
        clients.scoring,
        clients.bounds,
        topic=topics.transactions,
        partitions=clients.partitions,
        rules_folder=options.rules_folder,
        scorer=scorer,
        rules=options.rules,
    )
    name = f"{socket.gethostname()}:{os.getpid()}"
    has_ledger = manifest.feature_set.has_ledger
    buffer = Buffer(
        ordered_topic=topics.transactions, delay_days=manifest.label_delay_days if has_ledger else None, days=days
    )
    challenger = Challenger(clients.scoring, clients.storing, metrics, lambda: buffer.has_time)
    ownership = Ownership(
        topics=topics,
        buffer=buffer,
        batches=Batches(
            topics=topics,
            pipelines=pipelines,
            days=days,
            scoring=clients.scoring,
            send=clients.send,
            metrics=metrics,
            confirm=clients.watch.confirm,
            shadow=challenger,
        ),
        pipelines=pipelines,
        store=clients.scoring,
        commits=clients.storing,
        bounds=clients.bounds,
        confirm=clients.watch.confirm,
        reader=clients.open_reader,
        metrics=metrics,
        name=name,
        accept_gap=options.accept_gap,
        fatal=fatal,
    )
    wait = LedgerWait(
        ownership=ownership,
        days=days,
        store=clients.side,
        metrics=metrics,
        stall_timer=StallTimer(
            topics=topics,
            partitions=clients.partitions,
            terms=terms,
            bounds=clients.bounds,
            limit_seconds=options.give_up_seconds,
        ),
    )
    lag = LagMonitor(
        ownership, clients.bounds, metrics, topics.transactions, lambda: wait.is_hopeless, lambda: clients.is_store_held
    )
    upkeep = Upkeep(
        topic=topics.transactions,
        partitions=clients.partitions,
        ownership=ownership,
        store=clients.side,
        bounds=clients.bounds,
    )
    parts = WatchParts(pipelines, clients.side, metrics, name)
    in_force: list[Watch[Any]] = [RulesWatch(options.rules_folder, parts)]
    tasks: list[Task] = [clients.watch.run, follower.run, wait.run, upkeep.run, lag.run]
    if options.models is not None:
        in_force.insert(0, BundleWatch(options.models, parts))  # it takes rules that come with it
        watch = ChallengerWatch(options.models, parts, challenger)
        await watch.look()  # before anything is scored: a restart neither ends a share nor begins one
        tasks += [partial(look_after, watch), challenger.run]
    tasks.append(partial(look_after, *in_force))
    if has_ledger:
        closer = LedgerCloser(
            topics=topics,
            partitions=clients.partitions,
            terms=terms,
            days=days,
            store=clients.side,
            bounds=clients.bounds,
            confirm=clients.watch.confirm,
            publish=partial(clients.send, topics.ledger, 0),
            metrics=metrics,
            owner=ownership.owner_of_first,
        )
        ownership.on_commit = closer.nudge
        days.arrived = ownership.wake
        tasks.append(closer.run)
    return ownership, lag, tasks


def _show_metrics(options: Options, registry: CollectorRegistry, metrics: Metrics) -> Callable[[], None]:
    """In a thread of its own; how to end it. First of all, so that a port that is taken is told before anything is
    begun."""
    metrics.scores_with(options.bundle.manifest)
    metrics.decides_by(None if options.rules is None else options.rules.version)
    metrics.build.labels(version_of_package("trustlens"), platform.python_version()).set(1)
    address, close = answer(registry, options.metrics_host, options.metrics_port)
    log.info("metrics at %s/metrics", address)
    log.info("begins with bundle %s", options.bundle.manifest.version)
    log.info("begins with rules %s", "none" if options.rules is None else options.rules.version)
    return close


async def _notify_alive(alive: Callable[[], None]) -> None:
    while True:
        alive()
        await asyncio.sleep(ALIVE_EVERY_SECONDS)


async def _unless_stopped(stop: asyncio.Event, opening: Coroutine[None, None, Opened]) -> Opened:
    """Opening may wait for whoever has the store locked, in a thread that hears nothing."""
    opened, stop_asked = asyncio.create_task(opening), asyncio.create_task(stop.wait())
    await asyncio.wait([opened, stop_asked], return_when=asyncio.FIRST_COMPLETED)
    if not opened.done():
        log.info("stops: nothing was begun")
        end_now(EXIT_OK)
    stop_asked.cancel()
    return opened.result()


async def _until(stop: asyncio.Event, app: ScorerApp, metrics: Metrics) -> None:
    if stop.is_set():
        return
    # Starting waits for partitions, and may wait for long; meanwhile the app may crash.
    starting = asyncio.create_task(_fatal_on_error(partial(_start, app, metrics)))
    watching = asyncio.create_task(_fatal_on_error(partial(watch_group, app)))
    stop_asked, stopped = asyncio.create_task(stop.wait()), asyncio.create_task(app.wait_until_stopped())
    await asyncio.wait([stop_asked, stopped], return_when=asyncio.FIRST_COMPLETED)
    if app.crash_reason is not None:
        fatal(app.crash_reason)
    log.info("stops: what is under way is finished, what waits is left to whoever comes next")
    ignore_group_warnings()
    end_within(STOP_SECONDS)
    await app.stop()
    await _cancel([stop_asked, stopped, watching, starting])


async def _start(app: ScorerApp, metrics: Metrics) -> None:
    await app.start()
    metrics.up.set(1)


async def _fatal_on_error(task: Task) -> None:
    """Begun here, so that one that is cancelled before its turn leaves nothing that was never awaited."""
    try:
        await task()
    except asyncio.CancelledError:
        raise
    except Exception as error:
        fatal(error)


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def collect_less() -> None:
    """Rows come and go by the thousand and hold no cycles; looking for some after every 700 is lost time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
