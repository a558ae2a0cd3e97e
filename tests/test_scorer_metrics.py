"""The worker's metrics, as Prometheus' own tool judges them."""

import http.client
import socket
import subprocess
import threading
from contextlib import ExitStack
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from risk.events import RejectReason
from scorer.metrics import Metrics, Standing, Standings, answer
from tests.operations import tool


def shown() -> bytes:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.count_topic("transactions")
    metrics.newest_event.labels("0").set(1)
    metrics.retries.labels("store").inc()
    metrics.bundle.labels("lightgbm-1", "lightgbm").set(1)
    metrics.build.labels("0.1", "3.11").set(1)
    registry.register(Standings(lambda: [Standing("transactions", 0, 5, 2, 12)]))
    return generate_latest(registry)


def test_promtool_finds_nothing_wrong() -> None:
    answer = subprocess.run([tool("promtool"), "check", "metrics"], input=shown(), capture_output=True, check=False)
    assert (answer.returncode, answer.stdout + answer.stderr) == (0, b"")


def test_every_reason_of_a_reject_begins_at_zero() -> None:
    """Otherwise the first reject of a reason would be no increase."""
    text = shown().decode()
    for reason in RejectReason:
        assert f'trustlens_rejects_total{{reason="{reason.value}",topic="transactions"}} 0.0' in text


def test_a_partition_that_warms_up_says_how_much_of_the_past_it_sees() -> None:
    assert 'trustlens_history_seconds{partition="0"} 1.0368e+06' in shown().decode()


def test_connections_that_ask_for_nothing_take_no_threads_of_a_worker() -> None:
    """Each took one, and a descriptor, for as long as it liked: a thousand of them ended the worker."""
    registry = CollectorRegistry()
    Metrics(registry).up.set(1)
    before = threading.active_count()
    address, close = answer(registry, "127.0.0.1", 0)
    try:
        with ExitStack() as idle:
            port = urlsplit(address).port
            for _ in range(20):
                idle.enter_context(socket.create_connection(("127.0.0.1", port or 0), timeout=60))
            with urlopen(f"{address}/metrics", timeout=60) as answered:
                assert b"\ntrustlens_up 1.0\n" in answered.read()
            assert threading.active_count() == before + 1
    finally:
        close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/metrics", 200), ("HEAD", "/metrics", 200), ("POST", "/metrics", 405), ("CONNECT", "/metrics", 405),
     ("GET", "/", 404)],
)  # fmt: skip
def test_a_worker_answers_scrapers_alone_whatever_they_would_accept(method: str, path: str, status: int) -> None:
    """Headers that are no UTF-8, and CONNECT, each left a traceback in the log."""
    address, close = answer(CollectorRegistry(), "127.0.0.1", 0)
    try:
        asked = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        asked.request(method, path, headers={"Accept": "\xff", "Accept-Encoding": "\xff"})
        assert asked.getresponse().status == status
        asked.close()
    finally:
        close()
