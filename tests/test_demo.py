"""The demo as a newcomer runs it, small: to its end, broken off, and where something stands in its way."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from demo.ground import MARK
from risk.settings import PREFIX

ROOT = Path(__file__).parent.parent
SMALL = ("--customers", "100", "--rate", "2000")


@contextmanager
def _demo(folder: Path, *options: str, port: int = 0) -> Iterator["subprocess.Popen[str]"]:
    """A setting of the user's own system is among the environment: the demo must not go there."""
    elsewhere = {f"{PREFIX}BROKERS": "nowhere:1", f"{PREFIX}REPORTER_PORT": str(port)}
    command = [sys.executable, "-u", "-m", "demo", "--folder", str(folder), *SMALL, *options]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **elsewhere}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _read_until(process: "subprocess.Popen[str]", words: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    pytest.fail(f"{words!r} was never said: {said}\n{process.communicate()[1]}")


def _processes_of(folder: Path) -> list[str]:
    """Every process that was told of the folder, by an option or a setting."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            told = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:  # it has just ended, or is another user's
            continue
        if str(folder).encode() in told:
            found.append(told.replace(b"\0", b" ").decode(errors="replace")[:300])
    return found


@pytest.mark.proof
def test_the_whole_demo_says_what_became_of_it_and_goes_on_until_ctrl_c(tmp_path: Path) -> None:
    folder, drawn = tmp_path / "files", tmp_path / "demo.svg"
    with _demo(folder, "--keep", "--picture", str(drawn)) as process:
        said = _read_until(process, "goes on until Ctrl-C")
        _check_words(said, folder)
        address = re.search(r"^explorer +(http://\S+)$", said, re.MULTILINE)
        assert address is not None, said
        with urlopen(address[1] + "/ready", timeout=300) as answer:
            assert answer.read() == b"ready\n"
        assert _processes_of(folder)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert rest.startswith("Ending what was started (embedded, worker-1, worker-2, reporter); this takes some seconds")
    assert rest.endswith("s; all that was started has ended.\n")
    assert _processes_of(folder) == []
    picture = drawn.read_text()
    assert "live&#160;equals&#160;backtest" in picture
    assert "https:" not in picture


def _check_words(said: str, folder: Path) -> None:
    for words in (
        "card payments of 100 people",
        "the report says",
        "one that a rule sends to people",
        "2 processes share the 4 partitions",
        "high-risk alerts",
        "rule large-at-night is in force",
        "by --force, for its labels are not due yet",
        "with the rule beside it",
        "account takeover",
        "live equals backtest, to the last bit",
        f"{folder}/risk.db",
    ):
        assert words in said, said
    assert (folder / "risk.db").exists()
    [report] = re.findall(r"^report +(\S+)$", said, re.MULTILINE)
    assert Path(report).is_file()
    assert "\x1b" not in said, "no colours and no drawing where there is no terminal"
    assert [line for line in said.splitlines() if line != line.rstrip()] == []


def _leave_files_of_an_earlier_demo(folder: Path) -> None:
    folder.mkdir()
    for name in (MARK, "risk.db"):
        (folder / name).write_text("")


@pytest.mark.proof
@pytest.mark.parametrize(
    ("when", "number", "status", "words", "is_serving"),
    [
        ("  history ", signal.SIGTERM, 143, "ended;", False),
        ("  broker ", signal.SIGINT, 130, "interrupted;", True),
    ],
)
def test_what_was_started_ends_with_a_demo_that_is_broken_off(
    when: str, number: signal.Signals, status: int, words: str, is_serving: bool, tmp_path: Path
) -> None:
    _leave_files_of_an_earlier_demo(tmp_path / "files")
    with _demo(tmp_path / "files") as process:
        said = _read_until(process, when)
        process.send_signal(number)
        rest, errors = process.communicate()
    assert process.returncode == status, errors
    # After the history nothing may run for a moment.
    assert ("Ending what was started (" in rest) or not is_serving
    assert f"The earlier demo's files in {tmp_path / 'files'} are replaced" in said
    assert errors.startswith(words)
    assert _processes_of(tmp_path) == []


def test_a_taken_port_is_said_before_anything_is_done(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with _demo(tmp_path / "files", port=port) as process:
            said, errors = process.communicate()
    assert (process.returncode, said) == (1, "")
    assert errors.startswith(f"error: port {port}: something listens there already")
    given = " ".join(("--folder", str(tmp_path / "files"), *SMALL))
    assert errors.endswith(f"TRUSTLENS_REPORTER_PORT={port + 100} python -m demo {given}\n")
    assert not (tmp_path / "files").exists()


def test_make_says_that_python_is_too_old(tmp_path: Path) -> None:
    """An interpreter that answers as Python 3.9 does."""
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\n[ "$1" != -c ]\n')
    old.chmod(0o755)
    command = ["make", "demo", f"PYTHON={old}", f"VENV={tmp_path / 'none'}"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert f"TrustLens needs Python 3.11 or later; {old} is Python 3.9.2" in answer.stdout
