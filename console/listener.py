"""A port that answers, whoever connects and says nothing: sockets, limits on time, and the server behind them."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from console.alive import ALIVE_EVERY_SECONDS
from risk.errors import SettingError

# What an ASGI app is.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes


# Enough for browsers and scrapers; who comes beyond that is told to come again. Those who are told take a connection as
# well: without an end to them, who opens a thousand took all descriptors of the process, and so its other listener's.
CONNECTIONS = 256
REFUSED_CONNECTIONS = 32
# From one answer to the next question, and from a question to the end of its answer. uvicorn limits only the idle time
# after an answer, so that 256 connections which never ask, or never take their answer, kept everybody else out.
QUESTION_SECONDS = 10.0
ANSWER_SECONDS = 60.0
ENDS_WITHIN_SECONDS = 5
_LENGTHS = {b"content-length", b"transfer-encoding"}


def listening(host: str, port: int, host_setting: str, port_setting: str, advice: str) -> socket.socket:
    """A socket that is ours before anything else begins, so that a taken port is said at once. `advice`: what to do
    then."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise SettingError(
            f"{host_setting}: got {host!r} ({error.strerror}), expected an address of this machine"
        ) from None
    door = socket.socket(family, kind, protocol)
    try:
        # A port whose last owner has just ended may be taken again at once.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(CONNECTIONS)
    except OSError as error:
        door.close()
        why = os.strerror(error.errno or 0)
        raise SettingError(
            f"{port_setting}: cannot listen at {host} port {port} ({why}), expected an address of this machine and a "
            f"port that is free; {advice}"
        ) from None
    return door


def address_of(door: socket.socket) -> str:
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class TimedProtocol(H11Protocol):
    """Cuts off who takes longer than the limits."""

    question_seconds, answer_seconds = QUESTION_SECONDS, ANSWER_SECONDS
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._limit_to(self.question_seconds)
        if len(self.connections) > CONNECTIONS + REFUSED_CONNECTIONS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._limit_to(self.answer_seconds)

    def send_400_response(self, msg: str) -> None:
        """uvicorn writes this answer also into another one, or lets the app write behind it: anybody could fill the log
        with tracebacks, without a token."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # what the app still says is dropped
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade is an offer, not a fault, and what uvicorn would have installed is not wanted here."""

    def on_response_complete(self) -> None:
        super().on_response_complete()  # which begins with the next question, if that came meanwhile
        # The answer is complete when the transport has it, which may still have to send it.
        is_sent = self.cycle.response_complete and not self.transport.get_write_buffer_size()
        self._limit_to(self.question_seconds if is_sent else self.answer_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._limit is not None:
            self._limit.cancel()
        super().connection_lost(exc)

    def _limit_to(self, seconds: float) -> None:
        """Also of a connection that is being closed: it closes when the client has taken what was sent."""
        if self._limit is not None:
            self._limit.cancel()
        self._limit = self.loop.call_later(seconds, self.transport.abort)


def with_one_length(app: App) -> App:
    """Refuses a question that says its length in two ways, and hears nothing behind it: the server takes one of them, a
    proxy before it may take the other, and then the rest of what is one question for it would be another one here."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if not _LENGTHS.issubset(name for name, _ in scope["headers"]):
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        body = b"got Content-Length and Transfer-Encoding, expected one of them\n"
        await send({"type": "http.response.body", "body": body})

    return checked


def answering(answers: Mapping[str, Callable[[], Awaitable[Answer]]]) -> App:
    """What is asked for at these addresses, and nothing else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - an ASGI app's signature
        asked = answers.get(scope["path"])
        if asked is None:
            words = f"got {scope['path']}, expected {'one of ' if len(answers) > 1 else ''}{', '.join(answers)}\n"
            answer = Answer(404, TEXT, words.encode())
        elif scope["method"] not in ("GET", "HEAD"):
            words = f"got {scope['method']}, expected GET: nothing can be changed here\n"
            answer = Answer(405, TEXT, words.encode())
        else:
            answer = await asked()
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    return app


class Listener(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The program's own handler ends all of them."""
        yield


def listener(
    app: App, protocol: type[TimedProtocol] = TimedProtocol, alive: Callable[[], None] = lambda: None
) -> Listener:
    """`alive` is called by its loop every so often."""

    async def notify() -> None:
        alive()

    config = uvicorn.Config(
        with_one_length(app),
        http=protocol,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        limit_concurrency=CONNECTIONS,
        backlog=REFUSED_CONNECTIONS,  # so many are accepted before the first of them is looked at
        timeout_graceful_shutdown=ENDS_WITHIN_SECONDS,
        callback_notify=notify,
        timeout_notify=ALIVE_EVERY_SECONDS,
    )
    return Listener(config)


def run(listeners: Sequence[tuple[Listener, socket.socket]]) -> None:
    """Until each was told to exit."""

    async def all_of_them() -> None:
        await asyncio.gather(*(one.serve([door]) for one, door in listeners))

    [(first, _), *_] = listeners
    with asyncio.Runner(loop_factory=first.config.get_loop_factory()) as runner:
        runner.run(all_of_them())
