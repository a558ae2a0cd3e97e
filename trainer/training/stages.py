"""What is going on, and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from console.terminal import Advance, err, progress


class Stages:
    """Shows a stage while it runs, and keeps its seconds. Stages of the same name add up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Advance]:
        began = time.perf_counter()
        if not err.is_terminal:
            # Where there are no bars, a line says that something is going on, and what.
            err.print(f"[{began - self._began:5.0f} s] {name}", markup=False)
        with progress(name, total) as advance:
            yield advance
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
