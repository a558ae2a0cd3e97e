"""Settings that contradict each other, and brokers that are not there: each is told apart, in words."""

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from console.start import EXIT_FAILED
from ops.kafka.ports import free_ports
from producer.__main__ import main
from risk.errors import BrokerAwayError, SettingError
from risk.kafka.connection import check_reachable, client_options, connection_of
from risk.settings import read_settings
from testing.brokers import TestKafka


def settings(**given: str) -> dict[str, str]:
    return {f"TRUSTLENS_{name}": text for name, text in given.items()}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"KAFKA_SECURITY": "SASL_SSL"}, "TRUSTLENS_KAFKA_USER: got nothing, expected one with SASL_SSL"),
        (
            {"KAFKA_SECURITY": "SASL_PLAINTEXT", "KAFKA_USER": "risk"},
            "TRUSTLENS_KAFKA_PASSWORD: got nothing, expected one with SASL_PLAINTEXT",
        ),
        ({"KAFKA_USER": "risk"}, "TRUSTLENS_KAFKA_USER: got one with TRUSTLENS_KAFKA_SECURITY PLAINTEXT"),
        (
            {"KAFKA_SECURITY": "SSL", "KAFKA_PASSWORD": "hunter2"},
            "TRUSTLENS_KAFKA_PASSWORD: got one with TRUSTLENS_KAFKA_SECURITY SSL",
        ),
        ({"KAFKA_CA_FILE": "ca.pem"}, "TRUSTLENS_KAFKA_CA_FILE: got ca.pem with TRUSTLENS_KAFKA_SECURITY PLAINTEXT"),
        (
            {"KAFKA_SECURITY": "SSL", "KAFKA_CA_FILE": "not-there.pem"},
            "TRUSTLENS_KAFKA_CA_FILE: got not-there.pem, expected a file of certificates as PEM",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingError, match=re.escape(words)) as refused:
        connection_of(read_settings(settings(**given)))
    assert "hunter2" not in str(refused.value)


def test_a_file_that_holds_no_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing of the kind")
    given = settings(KAFKA_SECURITY="SSL", KAFKA_CA_FILE=str(tmp_path / "ca.pem"))
    with pytest.raises(SettingError, match="expected a file of certificates as PEM"):
        connection_of(read_settings(given))


def test_clients_are_told_the_user_only_with_sasl(kafka: TestKafka) -> None:
    assert client_options(connection_of(read_settings({"TRUSTLENS_BROKERS": kafka.address}))) == {
        "bootstrap_servers": [kafka.address],
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }


def _reach(address: str, seconds: float = 10) -> None:
    asyncio.run(check_reachable(connection_of(read_settings({"TRUSTLENS_BROKERS": address})), seconds))


def test_a_broker_that_answers_is_reached_past_one_that_does_not(kafka: TestKafka) -> None:
    (nobody,) = free_ports(1)
    _reach(f"127.0.0.1:{nobody},{kafka.address}")


def test_a_broker_that_is_not_there_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    (nobody,) = free_ports(1)
    with pytest.raises(BrokerAwayError, match=f"127.0.0.1:{nobody}: nobody listens there; expected a Kafka broker"):
        _reach(f"127.0.0.1:{nobody}")
    assert main(["topics"], {"TRUSTLENS_BROKERS": f"127.0.0.1:{nobody}"}) == EXIT_FAILED
    assert "start one (`make kafka`), or set TRUSTLENS_BROKERS" in capsys.readouterr().err


def test_a_host_that_does_not_exist_is_away() -> None:
    with pytest.raises(BrokerAwayError, match=r"nobody\.invalid:9092: no such host"):
        _reach("nobody.invalid:9092")


@contextmanager
def _server(answer: Callable[[bytes], bytes], *, requests: int = 100) -> Iterator[str]:
    """Takes one connection after the other, answers each request, and hangs up after so many."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    taken, _ = server.accept()
                except OSError:
                    return
                with taken:
                    for _ in range(requests):
                        if request := taken.recv(1000):
                            taken.sendall(answer(request))

        thread = threading.Thread(target=serve)
        thread.start()
        yield "{}:{}".format(*server.getsockname())
        # An accept that waits is not ended by a close.
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_port_that_never_answers_is_given_up_after_a_while() -> None:
    with _server(lambda _: b"") as address, pytest.raises(BrokerAwayError, match=r"no answer within 0\.2 s"):
        _reach(address, 0.2)


def test_somebody_else_s_port_is_not_taken_for_a_broker() -> None:
    with (
        _server(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", requests=1) as address,
        pytest.raises(BrokerAwayError, match="no answer that Kafka would give"),
    ):
        _reach(address)


def _without_length(request: bytes) -> tuple[int, bytes]:
    """What a request is for, and its number."""
    return struct.unpack_from(">h", request, 4)[0], request[8:12]


def _answer(request: bytes, *ports: int) -> bytes:
    """Of a broker that knows two requests, and says that clients find brokers at these ports."""
    kind, number = _without_length(request)
    if kind == 18:  # which requests are known: this and the next
        answer = number + struct.pack(">hi hhh hhh", 0, 2, 18, 0, 0, 3, 0, 0)
    else:  # where the brokers are, and no topic
        brokers = b"".join(struct.pack(">ih9si", 1, 9, b"127.0.0.1", port) for port in ports)
        answer = number + struct.pack(">i", len(ports)) + brokers + struct.pack(">i", 0)
    return struct.pack(">i", len(answer)) + answer


def test_a_broker_that_sends_its_clients_elsewhere_is_away() -> None:
    """As one in a container does, that was not told under which name the world knows it."""
    with (
        _server(lambda request: _answer(request, 1)) as address,
        pytest.raises(
            BrokerAwayError,
            match=rf"{address}: answers, and says that clients find it at 127\.0\.0\.1:1; but 127\.0\.0\.1:1: nobody",
        ),
    ):
        _reach(address)


def test_a_broker_that_wakes_up_is_asked_again_until_it_takes_part(kafka: TestKafka) -> None:
    """One that was paused, or has just started, may answer and still know of no broker, not even of itself."""
    port = int(kafka.address.rpartition(":")[2])
    asked = count()

    def waking(request: bytes) -> bytes:
        is_early = next(asked) < 6  # two for each look
        return _answer(request, *([] if is_early else [port]))

    with _server(waking) as address:
        _reach(address)
    with (
        _server(_answer) as address,
        pytest.raises(BrokerAwayError, match=rf"{address}: answers, and says for 0\.4 s that no broker is ready"),
    ):
        _reach(address, 0.4)


def test_a_paused_broker_is_away_and_then_reached_again(own_kafka: TestKafka) -> None:
    own_kafka.pause()
    with pytest.raises(BrokerAwayError, match=r"no answer within 0\.5 s"):
        _reach(own_kafka.address, 0.5)
    own_kafka.resume()
    _reach(own_kafka.address)
