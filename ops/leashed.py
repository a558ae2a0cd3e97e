"""A process of ours that never outlives us: see leash.py."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Leashed:
    def __init__(self, command: Sequence[str], log: Path) -> None:
        """Runs it; what it says goes to `log`."""
        self.log = log
        with log.open("wb") as said:
            self._leash = subprocess.Popen(
                [sys.executable, "-m", "ops.leash", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                cwd=ROOT,
                start_new_session=True,
            )
        assert self._leash.stdout is not None
        self._process = int(self._leash.stdout.readline())

    @property
    def pid(self) -> int:
        return self._process

    def signal(self, number: signal.Signals) -> None:
        # The process is a child of the leash: as long as that lives, nobody else can have been given its id.
        if self._leash.poll() is None:
            os.kill(self._process, number)

    def wait(self, seconds: float | None = None) -> int:
        """Its exit status, once it has ended; subprocess.TimeoutExpired if it has not."""
        status = self._leash.wait(seconds)
        for stream in (self._leash.stdin, self._leash.stdout):
            if stream is not None:
                stream.close()
        return status

    def stop(self, seconds: float) -> None:
        """As a system that shuts down asks for it; what does not listen is killed."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """As when the power fails."""
        self.signal(signal.SIGKILL)
        self.wait()

    def last_words(self) -> str:
        return self.log.read_text(errors="replace").strip()[-2000:]
