"""The second part: broker, topics, two workers and the reporter, each started as anybody would start it."""

import re
import signal

from demo.ground import Ground
from demo.running import Program, Programs
from demo.telling import Teller
from ops.reporter import LISTENING

PARTITIONS = 4
SESSION_SECONDS = 8.0
# A worker that has nothing to do joins again at once.
JOINS_AGAIN_SECONDS = 2.0

_BROKER = re.compile(r"(?:TRUSTLENS_BROKERS=|answers on )([\w.]+:\d+)")
_OWNS = re.compile(r": owns (.*)$", re.MULTILINE)
_HEARD_OF_OTHER = "because it is rebalancing"


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


def start_workers(teller: Teller, programs: Programs, ground: Ground, *, is_real: bool) -> None:
    with teller.step("workers", "starting two workers") as step:
        words = ["scorer", "worker", "--bundle", str(ground.models / "current"), "--metrics-port", "0"]
        words += ["--session-seconds", f"{SESSION_SECONDS:g}"]
        first = programs.serve("worker-1", *words)
        programs.until(lambda: len(_owned(first)) == PARTITIONS, "the first worker has all partitions")
        second = programs.serve("worker-2", *words)
        if not is_real:
            _hold_leader(programs, first)
        programs.until(lambda: 0 < len(_owned(second)) < PARTITIONS, "the second worker has its share")
        programs.until(lambda: len(_owned(first)) + len(_owned(second)) == PARTITIONS, "the first has left it to it")
        step.came = f"2 processes share the {PARTITIONS} partitions"


def _hold_leader(programs: Programs, leader: Program) -> None:
    """The broker in memory waits for nearly a session when somebody joins, and then is done as soon as the group's
    leader has spoken: it turns away a member that speaks a moment later, and that one waits for ever. So the leader,
    who is quicker, is held until the other has spoken. A real broker waits for both."""
    programs.until(lambda: _HEARD_OF_OTHER in leader.said(), "the first worker hears of the second")
    programs.let_be(JOINS_AGAIN_SECONDS)
    leader.process.signal(signal.SIGSTOP)
    programs.let_be(SESSION_SECONDS - JOINS_AGAIN_SECONDS)
    leader.process.signal(signal.SIGCONT)


def _owned(worker: Program) -> set[str]:
    """The partitions of transactions that it owns, as it said last."""
    said = _OWNS.findall(worker.said())
    return set(re.findall(r"transactions-\d+", said[-1])) if said else set()


def start_reporter(teller: Teller, programs: Programs, port: int) -> str:
    """Its address."""
    with teller.step("reporter", "starting the reporter") as step:
        reporter = programs.serve("reporter", "kpi_reporter", "serve", "--port", str(port))
        address = _said(programs, reporter, LISTENING, "the reporter listens")
        step.came = f"KPIs, metrics and an explorer of the store at {address}"
    return address


def _said(programs: Programs, program: Program, what: re.Pattern[str], meaning: str) -> str:
    programs.until(lambda: what.search(program.said()) is not None, meaning)
    found = what.search(program.said())
    assert found is not None, "it was there, and a log only grows"
    return found[1]
