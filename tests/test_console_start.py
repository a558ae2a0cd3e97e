"""How every program starts and ends: to load its commands may fail or be interrupted, as they may themselves."""

import signal
from collections.abc import Mapping, Sequence
from typing import NoReturn

import pytest

from console.options import Parser
from console.start import EXIT_ENDED, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, Run, end_when_told, start


def lacking(module: str) -> NoReturn:
    raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def test_a_library_that_is_not_installed_is_named_with_what_installs_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert start(lambda: lacking("lightgbm.sklearn"), [], {}) == EXIT_FAILED
    assert capsys.readouterr().err.startswith("error: lightgbm.sklearn is not installed here; run `make setup`")


@pytest.mark.parametrize("module", ["risk.nowhere", "demo.nowhere", "bench.nowhere", "storm.nowhere", "ops.nowhere"])
def test_a_module_of_ours_that_is_not_there_is_a_mistake_and_no_missing_library(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=module):
        start(lambda: lacking(module), [], {})


def told(number: signal.Signals) -> int:
    """This process, as from outside; the handler is run before the next line is reached."""
    signal.raise_signal(number)
    return 0


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, EXIT_INTERRUPTED, "interrupted"), (signal.SIGTERM, EXIT_ENDED, "ended")],
)
def test_an_end_from_outside_is_one_line_and_a_status(
    number: signal.Signals, status: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:  # noqa: ARG001 - as every program is called
        return told(number)

    def load() -> Run:
        told(number)
        return run

    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    end_when_told()
    try:
        assert (start(load, [], {}), capsys.readouterr().err) == (status, f"{word}; nothing was begun\n")
        assert (start(lambda: run, [], {}), capsys.readouterr().err) == (
            status,
            f"{word}; nothing half-written was left behind\n",
        )
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_an_option_is_not_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    """What is short today would mean another option as soon as there are two."""
    parser = Parser(prog="try")
    parser.add_argument("--write")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--writ", "x"])
    assert ended.value.code == EXIT_USAGE
    assert "--writ x" in capsys.readouterr().err
