"""A real browser without a window: Chromium, told what to do through a pipe in its DevTools protocol."""

import fcntl
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from ops import chromium

OPTIONS = (
    *chromium.WITHOUT_WINDOW,
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-pipe",
)


def needs_browser() -> str:
    """Where one is; the test is skipped where there is none."""
    found = chromium.installed()
    if found is None:
        pytest.skip(chromium.MISSING)
    return found


class Page:
    """One tab. Every message is awaited; the protocol's end of a line is a NUL."""

    def __init__(self, to_browser: FileIO, from_browser: FileIO) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest = b""
        self._last = 0
        self._session: str | None = None
        self.fetched: list[str] = []
        self.complaints: list[str] = []
        target = self._told("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._told("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Page", "Runtime", "Network", "Log"):
            self._told(f"{part}.enable")

    def open(self, address: str) -> None:
        self._and_loaded(lambda: self._told("Page.navigate", url=address))

    def run(self, script: str) -> Any:
        """What the script comes to, in the page."""
        answer = self._told("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"]["exception"].get("description", answer))
        return answer["result"].get("value")

    def run_and_load(self, script: str) -> None:
        """A script that leads to another page, which is awaited."""
        self._and_loaded(lambda: self.run(script))

    def resize(self, width: int, height: int) -> None:
        self._told(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    @property
    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    def _and_loaded(self, act: Callable[[], Any]) -> None:
        self._is_loaded = False
        act()
        while not self._is_loaded:
            self._next()

    def _told(self, method: str, **parameters: Any) -> Any:
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._last:
            pass
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _next(self) -> Any:
        while b"\0" not in self._rest:
            piece = self._from.read(65_536)
            assert piece, "the browser ended"
            self._rest += piece
        line, self._rest = self._rest.split(b"\0", 1)
        message = json.loads(line)
        match message.get("method"):
            case "Page.loadEventFired":
                self._is_loaded = True
            case "Network.requestWillBeSent":
                self.fetched.append(message["params"]["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(message["params"]["exceptionDetails"]["text"])
            case "Log.entryAdded":
                self.complaints.append(message["params"]["entry"]["text"])
        return message


@contextmanager
def browsing() -> Iterator[Page]:
    program = needs_browser()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, ExitStack() as ends:
        to_read, to_browser = _pipe(ends)
        from_browser, to_write = _pipe(ends)
        log = str(Path(home) / "log")
        process = os.posix_spawn(
            program,
            [program, *OPTIONS, f"--user-data-dir={home}"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                # Chromium reads commands from descriptor 3 and answers on 4.
                (os.POSIX_SPAWN_DUP2, to_read.fileno(), 3),
                (os.POSIX_SPAWN_DUP2, to_write.fileno(), 4),
            ],
        )
        to_read.close()
        to_write.close()
        try:
            yield Page(to_browser, from_browser)
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _pipe(ends: ExitStack) -> tuple[FileIO, FileIO]:
    """Above the descriptors that the browser wants its own at."""
    reading, writing = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (reading, writing)]
    os.close(reading)
    os.close(writing)
    return ends.enter_context(FileIO(high[0], "rb")), ends.enter_context(FileIO(high[1], "wb"))
