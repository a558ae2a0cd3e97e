"""A broker that is far away: every byte takes a while, each way; and one that goes silent at a moment of choice."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ops.kafka.ports import free_ports
from ops.kafka.properties import HOST, Listeners
from ops.kafka.real import Kafka
from testing.brokers import TestKafka, skip_without_java

PIECE = 256 * 1024
FETCH = (1).to_bytes(2, "big")  # Kafka's number for that request

IsEnd = Callable[[bytes], bool]


class Way:
    """From a port here to the broker's. It can be closed for good: what is on it then arrives nowhere."""

    def __init__(self, port: int, to_port: int, seconds: float, is_end: IsEnd) -> None:
        """`is_end`: whether the way closes with this request; asked with what a client sends in one go."""
        self._port, self._to_port, self._seconds, self._is_end = port, to_port, seconds, is_end
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="way", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.is_closed = False

    def open(self) -> None:
        self._thread.start()
        starting = asyncio.start_server(self._met, HOST, self._port)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._ended())
        self._loop.run_until_complete(asyncio.sleep(0))  # in which the connections that were closed go
        self._loop.close()

    async def _ended(self) -> None:
        if self._server is not None:
            self._server.close()
        carrying = asyncio.all_tasks() - {asyncio.current_task()}
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    async def _met(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self.is_closed:
            to_client.close()
            return
        from_broker, to_broker = await asyncio.open_connection(HOST, self._to_port)
        for carried in (
            self._carried(from_client, to_broker, self._is_end),
            self._carried(from_broker, to_client, lambda _: False),
        ):
            task = asyncio.create_task(carried)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carried(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_end: IsEnd) -> None:
        """What was read is written so much later, in order, and reading goes on meanwhile."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.create_task(self._arrived(on_the_way, sink))
        try:
            while piece := await source.read(PIECE):
                self.is_closed = self.is_closed or is_end(piece)
                if not self.is_closed:
                    on_the_way.put_nowait((self._loop.time() + self._seconds, piece))
            on_the_way.put_nowait((self._loop.time() + self._seconds, b""))
            await arriving
        except OSError:
            return  # one side is gone, as the other will see
        finally:
            arriving.cancel()
            sink.close()

    async def _arrived(self, on_the_way: "asyncio.Queue[tuple[float, bytes]]", sink: asyncio.StreamWriter) -> None:
        while True:
            due, piece = await on_the_way.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            if not piece:
                return
            sink.write(piece)
            await sink.drain()


class FarKafka(NamedTuple):
    """One broker with two addresses."""

    near: TestKafka
    address: str
    way: Way

    def environment(self, prefix: str) -> dict[str, str]:
        """The settings of a program to which the broker is far."""
        near = self.near.environment(prefix)
        return {name: self.address if value == self.near.address else value for name, value in near.items()}


@contextmanager
def far_kafka(folder: Path, seconds: float, is_end: IsEnd = lambda _: False) -> Iterator[FarKafka]:
    """`seconds`: how long everything takes, each way."""
    skip_without_java()
    plain, controller, behind, port = free_ports(4)
    named = {"PLAINTEXT": plain, "FAR": behind}
    more = {
        "listeners": ",".join(
            f"{name}://{HOST}:{where}" for name, where in (*named.items(), ("CONTROLLER", controller))
        ),
        "advertised.listeners": f"PLAINTEXT://{HOST}:{plain},FAR://{HOST}:{port}",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in (*named, "CONTROLLER")),
    }
    kafka = Kafka(folder, Listeners(plain, controller, {}), more=more, brief=True)
    way = Way(port, behind, seconds, is_end)
    try:
        kafka.start()
        way.open()
        try:
            yield FarKafka(TestKafka(kafka), f"{HOST}:{port}", way)
        finally:
            way.end()
    finally:
        kafka.kill()


def is_fetch(request: bytes) -> bool:
    """Whether a client asks for records; a request begins with its length and its kind."""
    return request[4:6] == FETCH
