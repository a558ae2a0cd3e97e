"""The programs, each by its own command and on a leash: whatever ends the demo ends them."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple, Self

from demo.errors import DemoError
from ops.leashed import Leashed
from risk.settings import PREFIX

LOOKS_EVERY_SECONDS = 0.1
# A program that is not ready by then will not be: the slowest takes a few seconds, on a busy machine some more.
READY_WITHIN_SECONDS = 120.0
ENDS_WITHIN_SECONDS = 15.0
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Program(NamedTuple):
    name: str
    process: Leashed

    def said(self) -> str:
        return self.process.log.read_text(errors="replace")

    def status(self, within_seconds: float = 0.0) -> int | None:
        """None while it runs."""
        try:
            return self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            return None


class Programs:
    """Leaving the context ends what still runs: what serves first, the broker, when nobody needs it any more."""

    def __init__(
        self, logs: Path, environment: Mapping[str, str], ends: Callable[[Sequence[str]], None] = lambda _: None
    ) -> None:
        """`environment`: of the user; its settings are not the demo's. `ends` is told the names of what still runs
        before it is ended, for that takes a while."""
        self.settings: dict[str, str] = {}
        self._logs, self._ends = logs, ends
        self._environment = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
        self._begun: list[Program] = []
        self._serving: list[Program] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with held_back():
            running = [program for program in self._begun if program.status() is None]
            if running:
                self._ends([program.name for program in running])
            broker = self._serving[:1]
            _end([program for program in self._begun if program not in broker])
            _end(broker)

    def serve(self, name: str, *words: str) -> Program:
        """It goes on by itself; that it ends before the demo does is an error."""
        program = self.begin(name, *words)
        self._serving.append(program)
        return program

    def begin(self, name: str, *words: str) -> Program:
        """`python -m` and the words. What it says goes to a log of its name."""
        settings = {PREFIX + setting: value for setting, value in self.settings.items()}
        given = {**self._environment, **settings, "PYTHONUNBUFFERED": "1"}
        command = ["env", "-i", *(f"{variable}={value}" for variable, value in given.items())]
        with held_back():
            program = Program(name, Leashed([*command, sys.executable, "-m", *words], self._logs / f"{name}.log"))
            self._begun.append(program)
        return program

    def done(self, program: Program, within_seconds: float = 0.0) -> bool:
        """Whether it has done its work; DemoError when it could not, or when one that serves has ended."""
        status = program.status(within_seconds)
        if status:
            raise DemoError(_ended(program, status))
        self.check()
        return status == 0

    def finish(self, name: str, *words: str) -> str:
        """What it said, once it has done its work."""
        program = self.begin(name, *words)
        self.until_done(program)
        return program.said()

    def until_done(self, program: Program) -> None:
        while not self.done(program, LOOKS_EVERY_SECONDS):
            pass

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        end = monotonic() + READY_WITHIN_SECONDS
        while not is_so():
            self.check(LOOKS_EVERY_SECONDS)
            if monotonic() > end:
                raise DemoError(
                    f"still not so after {READY_WITHIN_SECONDS:.0f} s: {what}; the programs' logs are in {self._logs}"
                )

    def let_be(self, seconds: float) -> None:
        """They work for a while."""
        end = monotonic() + seconds
        while monotonic() < end:
            self.check(LOOKS_EVERY_SECONDS)

    def check(self, within_seconds: float = 0.0) -> None:
        """DemoError when one that serves has ended. Waits so long for each."""
        for program in self._serving:
            status = program.status(within_seconds / len(self._serving))
            if status is not None:
                raise DemoError(_ended(program, status))


def _end(programs: Sequence[Program]) -> None:
    """All are told before any is waited for: a worker would wait for one that leaves after it."""
    for program in programs:
        program.process.signal(signal.SIGCONT)
        program.process.signal(signal.SIGTERM)
    for program in programs:
        if program.status(ENDS_WITHIN_SECONDS) is None:
            program.process.kill()


@contextmanager
def held_back() -> Iterator[None]:
    """Ctrl-C and the like come when this is over: a program is known once it is begun, and all are ended or none."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda caught, _: came.append(caught)) for number in _ENDS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
        for caught in came:
            signal.raise_signal(caught)


def _ended(program: Program, status: int) -> str:
    words = program.process.last_words() or "nothing"
    return (
        f"{program.name}: ended with status {status}, expected it to do its work; its last words: "
        f"{words.splitlines()[-1]} (all of them: {program.process.log})"
    )
