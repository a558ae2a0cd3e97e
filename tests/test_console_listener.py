"""Whoever holds connections and does not ask, or does not take the answer, keeps nobody out for long."""

import http.client
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from console.listener import (
    CONNECTIONS,
    REFUSED_CONNECTIONS,
    Receive,
    Scope,
    Send,
    TimedProtocol,
    listener,
    run,
)
from tests.explorers import Served

ANSWER = b"x" * 50_000_000  # more than sockets and the server hold between them


def hasty(gone: threading.Event) -> type[TimedProtocol]:
    class Hasty(TimedProtocol):
        question_seconds = answer_seconds = 0.2

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            gone.set()

    return Hasty


@contextmanager
def answering(protocol: type[TimedProtocol]) -> Iterator[Served]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/wait":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": ANSWER if scope["path"] == "/long" else b"here"})

    with socket.create_server(("127.0.0.1", 0)) as door:
        server = listener(app, protocol)
        thread = threading.Thread(target=run, args=([(server, door)],))
        thread.start()
        try:
            yield Served(door.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def connected(server: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTT",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ",
        b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1",
        b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /long HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=[
        "nothing",
        "half a line",
        "half a header",
        "no answer",
        "half a body",
        "answer not taken",
        "nor the last one",
        "second of two",
    ],
)
def test_who_takes_too_long_is_cut_off(said: bytes) -> None:
    gone = threading.Event()
    with answering(hasty(gone)) as server, connected(server) as client:
        client.sendall(said)
        assert gone.wait(60)


def test_an_answer_that_is_taken_slowly_has_the_time_of_an_answer() -> None:
    """It is in the server's buffer long before it is taken, and that is no time in which a question is waited for."""

    class Impatient(TimedProtocol):
        question_seconds, answer_seconds = 0.0, 600.0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._limit_to(self.answer_seconds)  # the first question may take its time

    with answering(Impatient) as server, connected(server) as client:
        client.sendall(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = 0
        while received < len(ANSWER):
            piece = client.recv(65536)
            assert piece, received
            received += len(piece)


def test_questions_one_after_the_other_are_answered() -> None:
    with answering(TimedProtocol) as server:
        connection = http.client.HTTPConnection(server.host)
        for _ in range(3):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"here"
        connection.close()


BOTH = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"
HIDDEN = b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (BOTH, b"400"),
        (BOTH.upper(), b"400"),
        (b"Transfer-Encoding: chunked\r\n", b"200"),
        (b"Content-Length: 5\r\n", b"200"),
    ],
    ids=["both", "both, in capitals", "chunked", "length"],
)
def test_a_question_of_two_lengths_is_refused_and_nothing_behind_it_is_heard(headers: bytes, status: bytes) -> None:
    with answering(TimedProtocol) as server, connected(server) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n" + HIDDEN)
        found = client.makefile("rb").read()  # the server closes
        answers = [answer[:3] for answer in found.split(b"HTTP/1.1 ")[1:]]
        assert answers == ([status] if status == b"400" else [status, b"200"])


def test_no_more_are_connected_than_told_that_there_are_too_many() -> None:
    """They took all descriptors of the process, with those of the port for programs."""
    most, come, gone = 0, threading.Semaphore(0), threading.Semaphore(0)

    class Counted(TimedProtocol):
        question_seconds = 600.0

        def connection_made(self, transport: Any) -> None:
            nonlocal most
            super().connection_made(transport)
            most = max(most, len(self.connections))
            come.release()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            gone.release()

    over = 2 * REFUSED_CONNECTIONS
    with answering(Counted) as server, ExitStack() as clients:
        for _ in range(CONNECTIONS + REFUSED_CONNECTIONS):
            clients.enter_context(connected(server))
            assert come.acquire(timeout=60)  # whom a full queue turns away knocks again after a second or more
        for _ in range(over):
            clients.enter_context(connected(server))
        for _ in range(over):
            assert gone.acquire(timeout=60)
    assert most <= CONNECTIONS + 2 * REFUSED_CONNECTIONS


@pytest.mark.parametrize(
    ("path", "answered"),
    [(b"/", b""), (b"/", b"\r\n0\r\n\r\n"), (b"/long", b"x")],
    ids=["before the answer", "behind it", "within it"],
)
def test_a_broken_body_ends_the_connection_and_fills_no_log(
    path: bytes, answered: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Each was a traceback in the log, and needs no token."""
    with answering(TimedProtocol) as server, connected(server) as client:
        question = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        if answered:
            client.sendall(question)
            found = b""
            while answered not in found:
                found += client.recv(65536)
            client.sendall(b"no number\r\n")
        else:
            client.sendall(question + b"no number\r\n")  # in one piece
        while client.recv(65536):
            pass
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_an_offer_to_speak_otherwise_is_left_unanswered_and_unlogged(caplog: pytest.LogCaptureFixture) -> None:
    with answering(TimedProtocol) as server:
        assert server.ask("/", headers={"Connection": "Upgrade", "Upgrade": "websocket"}).text == "here"
    assert caplog.records == []
