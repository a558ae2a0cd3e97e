"""A process of ours that never outlives us: see leash.py."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Leashed:
    def __init__(self, command: Sequence[str], log: Path) -> None:
        """Runs it; what it says goes to `log`."""
        self.log = log
        self._is_over = False
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
        # The process is a child of the leash, which ends right after it: until then nobody else is given its id.
        if self._leash.poll() is None:
            tell(self._process, number)

    def wait(self, seconds: float | None = None) -> int:
        """Its exit status, once it has ended; subprocess.TimeoutExpired if it has not."""
        status = self._leash.wait(seconds)
        if not self._is_over:
            self._is_over = True
            self._put_away(status)
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

    def _put_away(self, status: int) -> None:
        if status < 0:
            # The leash itself was killed, and the process goes on: what both have in common is their group.
            with suppress(ProcessLookupError):
                os.killpg(self._leash.pid, signal.SIGKILL)
        for stream in (self._leash.stdin, self._leash.stdout):
            if stream is not None:
                stream.close()


def tell(process: int, number: signal.Signals) -> None:
    """Nothing is sent to one that has ended in the meantime."""
    with suppress(ProcessLookupError):
        os.kill(process, number)
