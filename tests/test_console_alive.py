"""What systemd is told: readiness, and that the loop turns."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console.alive import alive_of
from testing.brokers import TestKafka
from testing.systems import system

SAID = b"READY=1\nWATCHDOG=1"


@contextmanager
def listening(name: str) -> Iterator[socket.socket]:
    """As systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(60)
        yield manager


def test_it_is_told_to_a_file_s_socket(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")) as manager:
        alive_of({"NOTIFY_SOCKET": str(tmp_path / "notify")})()
        assert manager.recv(100) == SAID


def test_it_is_told_to_a_socket_without_a_file(tmp_path: Path) -> None:
    with listening("\0" + str(tmp_path)) as manager:
        alive_of({"NOTIFY_SOCKET": f"@{tmp_path}"})()
        assert manager.recv(100) == SAID


def test_a_socket_that_is_not_there_or_full_ends_nothing(tmp_path: Path) -> None:
    """A container passes the variable on without the socket; and the loop that tells must never wait."""
    alive_of({"NOTIFY_SOCKET": str(tmp_path / "nowhere")})()
    with listening(str(tmp_path / "full")):
        for _ in range(10_000):
            alive_of({"NOTIFY_SOCKET": str(tmp_path / "full")})()


def test_without_systemd_nothing_is_told() -> None:
    alive_of({})()


def test_a_worker_tells_it_before_it_has_a_store(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """Whatever it waits for: its loop turns."""
    with listening(str(tmp_path / "notify")) as manager, system(kafka, prefix, tmp_path) as made:
        made.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        worker = made.start()
        assert manager.recv(100) == SAID
        worker.kill()
