"""What is leashed never outlives its starter, nor its leash, and may end at any moment."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops.leashed import Leashed, tell
from tests.processes import children_of, ended

ROOT = Path(__file__).parent.parent
ENDLESS = ["sleep", "600"]


@pytest.mark.parametrize("end", ["os._exit(1)", "os.kill(os.getpid(), 9)"])
def test_it_ends_with_its_starter(tmp_path: Path, end: str) -> None:
    starter = (
        "import os, pathlib, sys\n"
        "from ops.leashed import Leashed\n"
        f"print(Leashed({ENDLESS}, pathlib.Path({str(tmp_path / 'log')!r})).pid, flush=True)\n"
        "sys.stdin.read(1)\n"
        f"{end}\n"
    )
    command = [sys.executable, "-c", starter]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        leashed = os.pidfd_open(int(process.stdout.readline()))
        process.communicate(b"go")
    assert ended(leashed)


def test_it_ends_with_its_leash(tmp_path: Path) -> None:
    leashed = Leashed(ENDLESS, tmp_path / "log")
    process = os.pidfd_open(leashed.pid)
    [leash] = [child for child in children_of(os.getpid()) if leashed.pid in children_of(child)]
    os.kill(leash, signal.SIGKILL)
    assert leashed.wait() == -signal.SIGKILL
    assert ended(process)
    leashed.kill()


def test_one_that_has_ended_can_be_told_to_end(tmp_path: Path) -> None:
    """Before its leash has followed, and after."""
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    tell(gone.pid, signal.SIGTERM)
    leashed = Leashed(["true"], tmp_path / "log")
    assert leashed.wait() == 0
    leashed.stop(60)


def test_what_does_not_listen_is_killed(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    leashed = Leashed([sys.executable, "-c", deaf], tmp_path / "log")
    while not leashed.last_words():
        with pytest.raises(subprocess.TimeoutExpired):
            leashed.wait(0.01)
    process = os.pidfd_open(leashed.pid)
    leashed.stop(0.01)
    assert ended(process)
