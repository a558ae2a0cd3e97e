"""What the reporter answers: metrics, health and figures by itself, everything else by the explorer."""

import asyncio
from pathlib import Path
from typing import NamedTuple

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from console.listener import App, Receive, Scope, Send
from kpi_reporter.collector import Collector
from kpi_reporter.kpis.values import Kpis, Unready
from kpi_reporter.latest import Latest

# Prometheus gives up after 10 s; what takes longer is a first reading, and then it is told that there is nothing yet.
WAITS_SECONDS = 8.0

TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes


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

    def beside(self, other: App) -> App:
        """An ASGI app: what is asked for here, and all else by the other one."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"] in self._own:
                await self.alone(scope, receive, send)
            else:
                await other(scope, receive, send)

        return app

    async def alone(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - an ASGI app's signature
        """An ASGI app."""
        answer = self._own.get(scope["path"])
        if answer is None:
            words = f"got {scope['path']}, expected one of {', '.join(self._own)}\n"
            await _send(send, Answer(404, TEXT, words.encode()), scope)
        elif scope["method"] not in ("GET", "HEAD"):
            words = f"got {scope['method']}, expected GET: nothing can be changed here\n"
            await _send(send, Answer(405, TEXT, words.encode()), scope)
        else:
            await _send(send, await answer(), scope)

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
        return Answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))

    async def _newer(self) -> Kpis | Unready:
        """Who asks while another one waits gets the same answer, so that many who ask take no more threads than one."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.ensure_future(asyncio.to_thread(self._latest.newer, WAITS_SECONDS))
        return await asyncio.shield(self._asked)

    async def _kpis(self) -> Answer:
        now = await self._newer()
        return Answer(503 if isinstance(now, Unready) else 200, "application/json", msgspec.json.encode(now))


async def _send(send: Send, answer: Answer, scope: Scope) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})
