"""How every program starts and ends: to load its commands may fail or be interrupted, as they may themselves."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from select import select
from typing import NoReturn

import pytest

from console.options import Parser
from console.start import EXIT_ENDED, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, Run, end_when_told, start

EACH_END = pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, EXIT_INTERRUPTED, "interrupted"), (signal.SIGTERM, EXIT_ENDED, "ended")],
)


def lacking(module: str) -> NoReturn:
    raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def test_a_library_that_is_not_installed_is_named_with_what_installs_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert start(lambda: lacking("lightgbm.sklearn"), [], {}) == EXIT_FAILED
    assert capsys.readouterr().err.startswith("error: lightgbm.sklearn is not installed here; run `make setup`")


@pytest.mark.parametrize("module", ["risk.nowhere", "demo.nowhere", "bench.nowhere", "storm.nowhere", "ops.nowhere"])
def test_a_module_of_ours_that_is_not_there_is_a_mistake_and_no_missing_library(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=module):
        start(lambda: lacking(module), [], {})


@contextmanager
def handlers_of_ours() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)}
    hook = sys.unraisablehook
    end_when_told()
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for each, handler in before.items():
            signal.signal(each, handler)


def told(number: signal.Signals) -> int:
    """This process, as from outside; the handler is run before the next line is reached."""
    signal.raise_signal(number)
    return 0


@EACH_END
def test_an_end_from_outside_is_one_line_and_a_status(
    number: signal.Signals, status: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:  # noqa: ARG001 - as every program is called
        return told(number)

    def load() -> Run:
        told(number)
        return run

    with handlers_of_ours():
        assert (start(load, [], {}), capsys.readouterr().err) == (status, f"{word}; nothing was begun\n")
        assert (start(lambda: run, [], {}), capsys.readouterr().err) == (
            status,
            f"{word}; nothing half-written was left behind\n",
        )


@EACH_END
def test_an_end_that_comes_out_as_another_error_is_an_end(
    number: signal.Signals, status: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """pybind11 raises an ImportError where the import of a module is interrupted, Python 3.11 a RuntimeError where the
    making of a class is."""

    def load() -> NoReturn:
        try:
            told(number)
        except BaseException as error:
            raise RuntimeError("Error calling __set_name__") from error
        raise AssertionError

    with handlers_of_ours():
        assert (start(load, [], {}), capsys.readouterr().err) == (status, f"{word}; nothing was begun\n")


class Told:
    """Is told to end where Python drops what is raised."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        told(self.number)


@EACH_END
def test_an_end_that_python_drops_comes_again(
    number: signal.Signals, status: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def load() -> NoReturn:
        Told(number)
        select([], [], [], 60)
        raise AssertionError("was told to end, and goes on")

    with handlers_of_ours():
        assert (start(load, [], {}), capsys.readouterr().err) == (status, f"{word}; nothing was begun\n")


def test_a_module_that_cannot_be_imported_keeps_its_error() -> None:
    def load() -> NoReturn:
        raise ImportError("libgomp.so.1: cannot open shared object file")

    with pytest.raises(ImportError, match="libgomp"):
        start(load, [], {})


def test_an_option_is_not_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    """What is short today would mean another option as soon as there are two."""
    parser = Parser(prog="try")
    parser.add_argument("--write")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--writ", "x"])
    assert ended.value.code == EXIT_USAGE
    assert "--writ x" in capsys.readouterr().err
