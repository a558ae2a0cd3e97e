"""The second part: broker, topics, two workers and the reporter, each started as anybody would start it."""

import re

from demo.errors import DemoError
from demo.ground import Ground
from demo.running import Program, Programs
from demo.telling import Teller

PARTITIONS = 4
SESSION_SECONDS = 6
TRIES = 4

_BROKER = re.compile(r"(?:TRUSTLENS_BROKERS=|answers on )([\w.]+:\d+)")
_HOLDS = re.compile(r": holds (.*)$", re.MULTILINE)
_TURNED_AWAY = "Unexpected error from SyncGroup"
_LISTENING = re.compile(r"listening on (http://\S+)")


def start_broker(teller: Teller, programs: Programs, ground: Ground, *, is_real: bool) -> None:
    with teller.step("broker", "starting Apache Kafka" if is_real else "starting the broker in memory") as step:
        if is_real:
            # Port 0: any free one, so that a Kafka on the usual port is left in peace.
            broker = programs.serve("kafka", "ops.kafka", "--port", "0", "--data", str(ground.folder / "kafka"))
        else:
            broker = programs.serve("embedded", "ops.embedded")
        address = _said(programs, broker, _BROKER, "the broker answers")
        programs.settings["BROKERS"] = address
        programs.finish("topics", "producer", "topics", "--partitions", str(PARTITIONS))
        step.came = f"{'Apache Kafka' if is_real else 'in memory'}, at {address}; its topics are made"


def start_workers(teller: Teller, programs: Programs, ground: Ground) -> None:
    with teller.step("workers", "starting two workers") as step:
        words = ["scorer", "worker", "--bundle", str(ground.models / "current"), "--metrics-port", "0"]
        # The broker in memory makes a group wait for as long as a session whenever somebody joins.
        words += ["--session-seconds", f"{SESSION_SECONDS:g}"]
        first = programs.serve("worker-1", *words)
        programs.until(lambda: len(_held(first)) == PARTITIONS, "the first worker has all partitions")
        programs.watch_over(_second(programs, first, words))
        step.came = f"2 processes share the {PARTITIONS} partitions"


def _second(programs: Programs, first: Program, words: list[str]) -> Program:
    """The broker in memory is done with a round as soon as the group's leader has spoken, and turns away whoever
    speaks a moment later. A real one waits. Who was turned away is started again once the group has forgotten it."""
    for _ in range(TRIES):
        second = _joined(programs, first, words)
        if _held(second):
            return second
        second.process.kill()
        programs.until(lambda: len(_held(first)) == PARTITIONS, "the first worker has all partitions again")
    raise DemoError(f"worker-2: was turned away by the broker in memory {TRIES} times; try again, or add --kafka")


def _joined(programs: Programs, first: Program, words: list[str]) -> Program:
    """A second worker that has partitions, or was turned away. Either way the first has left some to it."""
    second = programs.begin("worker-2", *words)

    def has_come() -> bool:
        programs.done(second)  # which says why, should it have ended
        return bool(_held(second)) or _TURNED_AWAY in second.said()

    programs.until(has_come, "the second worker has joined the first")
    programs.until(lambda: len(_held(first)) < PARTITIONS, "the first worker has left some to the second")
    return second


def _held(worker: Program) -> set[str]:
    """The partitions of transactions that it holds, as it said last."""
    said = _HOLDS.findall(worker.said())
    return set(re.findall(r"transactions-\d+", said[-1])) if said else set()


def start_reporter(teller: Teller, programs: Programs, port: int) -> str:
    """Its address."""
    with teller.step("reporter", "starting the reporter") as step:
        reporter = programs.serve("reporter", "kpi_reporter", "serve", "--port", str(port))
        address = _said(programs, reporter, _LISTENING, "the reporter listens")
        step.came = f"KPIs, metrics and an explorer of the store at {address}"
    return address


def _said(programs: Programs, program: Program, what: re.Pattern[str], meaning: str) -> str:
    programs.until(lambda: what.search(program.said()) is not None, meaning)
    found = what.search(program.said())
    assert found is not None, "it was there, and a log only grows"
    return found[1]
