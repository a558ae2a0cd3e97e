"""Every measurement that is a command of its own ends in words and with a status, whatever ends it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Processes that a measurement starts, and ends itself.
CONTESTANTS = {"bench/stream/bare.py", "bench/stream/naive.py", "bench/stream/quix.py"}


def test_every_command_begins_in_one_of_two_ways() -> None:
    commands = {
        path.relative_to(ROOT).as_posix(): path.read_text().split('if __name__ == "__main__":')[1].strip()
        for path in (ROOT / "bench").rglob("*.py")
        if 'if __name__ == "__main__":' in path.read_text()
    }
    assert len(commands) > 10
    ways = r"run_alone\(.+\)|end_when_told\(\)\n    sys.exit\(start\(lambda: main, sys.argv\[1:\], os.environ\)\)"
    assert {path for path, ending in commands.items() if not re.fullmatch(ways, ending)} == CONTESTANTS


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("return None", 0, ""),
        ("return 1", 1, ""),
        ("raise BrokerError('java: not found')", 1, "error: java: not found\n"),
        ("signal.raise_signal(signal.SIGINT)", 130, "interrupted; nothing half-written was left behind\n"),
        ("signal.raise_signal(signal.SIGTERM)", 143, "ended; nothing half-written was left behind\n"),
    ],
)
def test_it_ends_as_all_commands_do(body: str, status: int, words: str) -> None:
    script = "import signal\nfrom bench.alone import run_alone\nfrom risk.errors import BrokerError\n"
    script += f"def main():\n    {body}\nrun_alone(main)\n"
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (status, words)


def test_what_a_measurement_lacks_is_said_without_a_traceback(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "bench.replay", "--runs", "1"],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: java: not found, expected Java 17 or later")
