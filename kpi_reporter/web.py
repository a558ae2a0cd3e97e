"""What the reporter answers: metrics, health and figures by itself, everything else by the explorer."""

import asyncio
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from console.listener import TEXT, Answer, App, Receive, Scope, Send, answering
from kpi_reporter.collector import Collector
from kpi_reporter.kpis.values import Kpis, Unready
from kpi_reporter.latest import Latest

# Prometheus gives up after 10 s; what takes longer is a first reading, and then it is told that there is nothing yet.
WAITS_SECONDS = 8.0


class Web:
    def __init__(self, latest: Latest, path: Path) -> None:
        self._latest, self._path = latest, path
        self._asked: asyncio.Future[Kpis | Unready] | None = None
        self._own = {
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._metrics,
            "/kpis.json": self._kpis,
        }
        self.alone = answering(self._own)

    def beside(self, other: App) -> App:
        """An ASGI app: what is asked for here, and all else by the other one."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] in self._own:
                await self.alone(scope, receive, send)
            else:
                await other(scope, receive, send)

        return app

    async def _health(self) -> Answer:
        if self._latest.has_failed:
            return Answer(500, TEXT, b"failed; start it again\n")
        return Answer(200, TEXT, b"alive\n")

    async def _ready(self) -> Answer:
        now = self._latest.value()
        if isinstance(now, Unready):
            return Answer(503, TEXT, f"{now.reason}\n".encode())
        return Answer(200, TEXT, b"ready\n")

    async def _metrics(self) -> Answer:
        registry = CollectorRegistry()
        registry.register(Collector(await self._newer(), self._path))
        return Answer(200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry))

    async def _newer(self) -> Kpis | Unready:
        """Who asks while another one waits gets the same answer, so that many who ask take no more threads than one."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.ensure_future(asyncio.to_thread(self._latest.newer, WAITS_SECONDS))
        return await asyncio.shield(self._asked)

    async def _kpis(self) -> Answer:
        now = await self._newer()
        return Answer(503 if isinstance(now, Unready) else 200, "application/json", msgspec.json.encode(now))
