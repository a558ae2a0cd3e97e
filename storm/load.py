"""The producer's replay as a process of its own: load that goes on while other things happen."""

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from ops.leashed import Leashed
from storm.until import StormError
from testing.systems import System


class Load:
    """Runs for as long as the block does, at most."""

    def __init__(self, system: System, file: Path, *options: str) -> None:
        settings = [f"{name}={value}" for name, value in system.environment.items()]
        position = system.folder / "replay.json"
        words = [sys.executable, "-m", "producer", "replay", str(file), "--position", str(position), *options]
        self._process = Leashed(["env", "-i", *settings, *words], system.folder / "replay.log")
        self._is_done = False

    def is_done(self) -> bool:
        """Whether everything is sent; StormError when it ended without."""
        if not self._is_done:
            try:
                status = self._process.wait(0)
            except subprocess.TimeoutExpired:
                return False
            if status:
                raise StormError(f"the replay ended with status {status}: {self._process.last_words()}")
            self._is_done = True
        return True

    def __enter__(self) -> "Load":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.signal(signal.SIGKILL)
        self._process.wait()
