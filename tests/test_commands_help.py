"""Every command: help with an example that it understands, what it may end with, and words for a mistake."""

import argparse
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from bench.__main__ import parser as bench
from bench.against.__main__ import parser as against
from bench.reporter_beside import parser as reporter_beside
from bench.stream.__main__ import parser as stream
from console.commands import parser_of
from console.options import Parser
from console.start import EXIT_ENDED, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from demo.command import parser as demo
from ops.embedded.__main__ import parser as embedded
from ops.kafka.__main__ import parser as kafka
from ops.pictures import parser as pictures
from storm.__main__ import parser as storm

ROOT = Path(__file__).parent.parent
PROGRAMS = ("trainer", "producer", "scorer", "kpi_reporter")
STATUSES = (EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_ENDED)
HEAVY = (
    "numpy",
    "pandas",
    "pyarrow",
    "sklearn",
    "lightgbm",
    "xgboost",
    "catboost",
    "onnxruntime",
    "numba",
    "faust",
    "aiokafka",
    "datasette",
)


def command_parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for name in PROGRAMS:
        module = import_module(f"{name}.commands")
        yield module.PROGRAM, parser_of(module.PROGRAM, module.DESCRIPTION, module.COMMANDS, ())
        for command in module.COMMANDS:
            parser = parser_of(module.PROGRAM, module.DESCRIPTION, module.COMMANDS, [command.name])
            yield f"{module.PROGRAM} {command.name}", parser.get_default("parsers")[command.name]
    for parser in (demo(), storm(), kafka(), embedded(), pictures(), bench(), stream(), against(), reporter_beside()):
        yield parser.prog, parser


PARSERS = dict(command_parsers())
COMMANDS = [name for name in PARSERS if name.removeprefix("python -m ") not in PROGRAMS]


def examples_of(parser: argparse.ArgumentParser) -> list[str]:
    block = re.search(r"^examples?:\n((?:  .+\n)+)", parser.format_help(), re.MULTILINE)
    return [] if block is None else [line.strip() for line in block[1].splitlines()]


@pytest.mark.parametrize("name", PARSERS)
def test_help_has_examples_and_every_exit_status(name: str) -> None:
    said = PARSERS[name].format_help()
    assert examples_of(PARSERS[name])
    statuses = said.split("\nexit status:\n")[1]
    told = [int(number) for number in re.findall(r"^  (\d+) +\S", statuses, re.MULTILINE)]
    assert told == sorted({*told, *STATUSES})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_of_its_command_and_is_understood(name: str) -> None:
    for example in examples_of(PARSERS[name]):
        assert example == name or example.startswith(f"{name} ")
        PARSERS[name].parse_args(shlex.split(example.removeprefix(name)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for_and_what_comes_after_it(name: str) -> None:
    """An option that takes a value says as what: a file, a number, a day."""
    for action in PARSERS[name]._actions:
        if action.help == argparse.SUPPRESS:
            continue
        assert action.help, action
        if action.option_strings and action.nargs is None and action.choices is None:
            assert action.metavar is not None, action


def test_every_command_that_takes_a_bundle_takes_it_alike() -> None:
    """One declaration: the same default, the same words."""
    found = {
        name: (action.default, action.help, action.required)
        for name, parser in PARSERS.items()
        for action in parser._actions
        if "--bundle" in action.option_strings and not name.startswith("python -m bench")
    }
    assert len(found) == 6
    assert len(set(found.values())) == 1, found


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_that_there_is_not_is_named_with_the_status_of_a_mistake(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *command = name.removeprefix("python -m ").split()
    is_program = program in PROGRAMS
    read = partial(import_module(f"{program}.commands").run, environment={}) if is_program else PARSERS[name].parse_args
    with pytest.raises(SystemExit) as ended:
        read([*command, "--no-such-option"])
    said = capsys.readouterr()
    assert ended.value.code == EXIT_USAGE
    assert said.out == ""
    assert said.err.splitlines()[-1].startswith(name)


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        ("trainer", ["inpsect", "mine.csv"], "got 'inpsect', expected one of"),
        ("trainer", ["inpsect", "mine.csv"], "; did you mean inspect?"),
        ("kpi_reporter", ["shw"], "got 'shw', expected one of serve, drift, show; did you mean show?"),
        ("trainer", ["train", "mine.csv", "--model", "lightgb"], "; did you mean lightgbm?"),
        ("scorer", ["zzz"], "argument COMMAND: got 'zzz', expected one of worker, "),
    ],
)  # fmt: skip
def test_a_slip_in_a_command_or_a_choice_is_named(
    program: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main = import_module(f"{program}.__main__").main
    with pytest.raises(SystemExit, match=str(EXIT_USAGE)):
        main(words, {})
    error = " ".join(capsys.readouterr().err.split())
    assert said in error
    assert ("did you mean" in error) == (words != ["zzz"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_list_of_commands_loads_what_none_of_them_needs(program: str) -> None:
    """Whoever asks what there is does not wait for what trains or streams."""
    script = (
        f"import sys, {program}.commands as commands\ntry:\n    commands.run(['--help'], {{}})\nexcept SystemExit:\n"
    )
    script += f"    sys.exit(' '.join(name for name in {HEAVY} if name in sys.modules))\n"
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr.strip()) in ((0, ""), (1, ""))


def test_a_command_loads_nothing_of_another() -> None:
    script = "import sys, producer.commands as commands\ncommands.run(['topics'], {'TRUSTLENS_BROKERS': 'x'})\n"
    script += "print(sorted(name for name in ('pandas', 'pyarrow', 'numpy') if name in sys.modules))"
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
    assert "TRUSTLENS_BROKERS: got 'x'" in said.stderr


def test_help_is_as_wide_as_the_terminal_but_for_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    module = import_module("trainer.commands")
    top = parser_of(module.PROGRAM, module.DESCRIPTION, module.COMMANDS, ["features"])
    parser: Parser = top.get_default("parsers")["features"]
    examples = examples_of(parser)
    lines = [line for line in parser.format_help().splitlines() if line.strip() not in examples]
    assert max(map(len, examples)) > 60
    assert max(map(len, lines)) <= 60


# On a terminal, and elsewhere


def on_a_terminal(command: list[str], environment: dict[str, str]) -> str:
    """All that a command says on a terminal of its own."""
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**plain, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
        )
        os.close(theirs)
        said = b""
        # A terminal whose other side is gone answers with an error, not with an end.
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:
            pass
        assert process.wait() == 0, said
    os.close(ours)
    return said.decode()


GENERATE = [sys.executable, "-m", "trainer", "generate", "trustlens", "few.csv", "--rows", "2000"]
COLOUR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-8]|9[0-7]|4[0-8])(?:;[\d;]*)?m")


def test_a_terminal_has_colours_unless_nobody_wants_them() -> None:
    assert COLOUR.search(on_a_terminal(GENERATE, {}))
    assert not COLOUR.search(on_a_terminal(GENERATE, {"NO_COLOR": "1"}))


def test_what_is_not_a_terminal_gets_plain_lines(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(GENERATE, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "\x1b" not in said.stdout + said.stderr
    assert "\r" not in said.stdout + said.stderr


def test_an_interrupt_ends_a_command_in_one_line(tmp_path: Path) -> None:
    """Before it has finished, and without leaving anything."""
    rows = ["--rows", "5000000"]
    command = [sys.executable, "-m", "trainer", "generate", "trustlens", str(tmp_path / "many.csv"), *rows]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.iterdir()):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert (process.returncode, said) == (EXIT_INTERRUPTED, "interrupted; nothing half-written was left behind\n")
    assert list(tmp_path.iterdir()) == []
