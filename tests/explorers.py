"""The explorer for tests: a store with something to see, and a server that answers with it."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import uvicorn

from kpi_reporter.explorer.app import explorer
from kpi_reporter.explorer.gate import App
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.recent import Misses
from kpi_reporter.kpis.values import Kpis, Unready
from risk.clock import DAY, HOUR
from risk.events import Label
from risk.store import FlagRow, open_store
from testing.stores import flag, store_flags, store_labels
from tests.cases import NEW_YEAR

REASONS = [
    {"feature": "hour", "value": 0.0, "reference": 14.0, "contribution": 0.25, "sentence": "at 00:00 UTC"},
    {"feature": "amount", "value": 950.0, "reference": 31.0, "contribution": 0.125, "sentence": "amount <950> EUR"},
]
ENDLESS = "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c"
LEVELS = ("low", "medium", "high")


def a_flag(place: int) -> FlagRow:
    """An hour apart; every third is high, and says why."""
    level = LEVELS[place % 3]
    row = flag(
        place,
        NEW_YEAR + place * HOUR,
        customer=f"c{place % 5}",
        amount=1000 + place,
        score=(place % 100) / 100,
        level=level,
    )
    return row._replace(reasons=json.dumps(REASONS) if level == "high" else None)


def make_store(path: Path, *, rows: int = 120, labels: int = 60) -> None:
    with open_store(path) as store:
        store_flags(store, [a_flag(place) for place in range(rows)])
        known = [
            Label(f"t{place}", f"c{place % 5}", place % 2 == 0, NEW_YEAR + place * HOUR + DAY, "bank")
            for place in range(labels)
        ]
        store_labels(store, known)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Served:
    def __init__(self, port: int) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"

    def ask(
        self, path: str, *, method: str = "GET", body: str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """The path as it stands, without a client's mending."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            kept = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, kept, response.read().decode("utf-8", "replace"))
        finally:
            connection.close()

    def sql(self, sql: str, **parameters: str) -> Answer:
        return self.ask("/store.json?" + urlencode({"sql": sql, "_shape": "arrays", **parameters}))


class Server(uvicorn.Server):
    """Ends soon after it is told to; uvicorn looks ten times a second."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(0.005)


@contextmanager
def served(app: App) -> Iterator[Served]:
    """Who asks before the server has begun waits in the socket's queue."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as door:
        server = Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            yield Served(door.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


class Figures:
    """Read anew by whoever asks, so that a test sees what is there now."""

    def __init__(self, path: Path) -> None:
        self._reader = KpiReader(path)
        self._one_at_a_time = threading.Lock()

    def value(self) -> Kpis | Unready:
        with self._one_at_a_time:
            return self._reader.read()

    def misses(self) -> Misses | None:
        return self._reader.misses


class Fixed(NamedTuple):
    """The same for whoever asks, whatever is in the store."""

    figures: Kpis | Unready

    def value(self) -> Kpis | Unready:
        return self.figures

    def misses(self) -> Misses | None:
        return None


@contextmanager
def exploring(path: Path, figures: Figures | Fixed | None = None, **options: float) -> Iterator[Served]:
    with explorer(path, figures or Figures(path), **options) as app, served(app) as server:
        yield server
