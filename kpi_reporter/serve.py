"""`serve`: puts the reporter together and answers until it is told to end."""

import argparse
import ipaddress
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from console.alive import alive_of
from console.help import epilog
from console.listener import App, Listener, address_of, listener, listening, run
from console.start import EXIT_OK
from console.terminal import notice
from kpi_reporter.explorer.app import explorer
from kpi_reporter.explorer.login import with_login
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.latest import Latest
from kpi_reporter.web import Web
from risk.errors import SettingError
from risk.settings import Settings, read_settings

SHORTEST_TOKEN = 16  # so that nobody guesses it
LAST_PORT = 65_535
# Either may have said it.
_HOST = "--host or TRUSTLENS_REPORTER_HOST"
_PORT = "--port or TRUSTLENS_REPORTER_PORT"
_METRICS_PORT = "--metrics-port or TRUSTLENS_REPORTER_METRICS_PORT"


class Doors(NamedTuple):
    """Programs have a listener of their own: however many connections people hold, Prometheus is answered."""

    pages: socket.socket
    metrics: socket.socket


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "serve",
        description="Answer by HTTP: /metrics for Prometheus, /kpis.json, /health, /ready, and pages to look into the "
        "store. It only reads, and waits for a store that is not there yet. Ends on SIGTERM or Ctrl-C.",
        epilog=epilog(
            "python -m kpi_reporter serve",
            "python -m kpi_reporter serve --port 0",
            notes="Whoever is to be answered from another machine needs a token: set TRUSTLENS_REPORTER_TOKEN.",
            done="ended by SIGTERM or Ctrl-C",
            failed="could not begin; the last line says why",
            when_ended=" before it began",
        ),
    )
    command.add_argument("--host", metavar="HOST", help="the address to listen at")
    command.add_argument("--port", metavar="PORT", help="the port; 0 picks a free one")
    command.add_argument(
        "--metrics-port",
        metavar="PORT",
        help="a port for programs alone: /metrics, /kpis.json, /health, /ready (default: the one after --port)",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    said = {
        name: (option, value)
        for name, option, value in (
            ("REPORTER_HOST", "--host", options.host),
            ("REPORTER_PORT", "--port", options.port),
            ("REPORTER_METRICS_PORT", "--metrics-port", options.metrics_port),
        )
        if value is not None
    }
    settings = read_settings(options.environment, said)
    # What the server says of a connection: without this, a bare sentence.
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    check_access(settings)
    host, port, of_metrics = settings.reporter_host, settings.reporter_port, settings.reporter_metrics_port
    if of_metrics is None:
        of_metrics = port and port + 1
        if of_metrics > LAST_PORT:
            raise SettingError(
                f"{_PORT}: got {port}, after which there is no port for programs; expected a smaller one, or a port of "
                f"their own: {_METRICS_PORT}"
            )
    with (
        _listening(host, port, _PORT) as pages,
        _listening(host, of_metrics, _METRICS_PORT) as metrics,
    ):
        _serve(settings, Doors(pages, metrics), alive_of(options.environment))
    return EXIT_OK


def _listening(host: str, port: int, setting: str) -> socket.socket:
    return listening(host, port, _HOST, setting, "see who has it, or choose another")


def check_access(settings: Settings) -> None:
    token = settings.reporter_token.reveal()
    if token and not (len(token) >= SHORTEST_TOKEN and token.isascii() and token.isprintable() and " " not in token):
        raise SettingError(
            f"TRUSTLENS_REPORTER_TOKEN: got {len(token)} characters (not shown), expected at least {SHORTEST_TOKEN} "
            "letters, digits and signs without a space, such as `openssl rand -hex 32` prints"
        )
    if not token and not _is_loopback(settings.reporter_host):
        raise SettingError(
            f"{_HOST}: got {settings.reporter_host!r} without a token, expected 127.0.0.1, ::1 or localhost: whoever "
            "reaches it could read every transaction. Set TRUSTLENS_REPORTER_TOKEN to a long random text, or keep to "
            "this machine."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _serve(settings: Settings, doors: Doors, alive: Callable[[], None]) -> None:
    path = settings.db
    latest = Latest(KpiReader(path), path, notice)
    with assembled(latest, path, settings) as apps:
        _answer(latest, [(listener(app, alive=alive), door) for app, door in zip(apps, doors, strict=True)])


def _answer(latest: Latest, listeners: Sequence[tuple[Listener, socket.socket]]) -> None:
    def end(number: int, frame: object) -> None:  # noqa: ARG001 - a signal handler's signature
        """An end from outside is how this program ends, not a failure."""
        for one, _ in listeners:
            one.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    (_, pages), (_, metrics) = listeners
    notice(f"metrics and health at {address_of(metrics)}")
    notice(f"listening on {address_of(pages)}")
    latest.start()
    try:
        run(listeners)
    finally:
        latest.stop()


@contextmanager
def assembled(latest: Latest, path: Path, settings: Settings) -> Iterator[tuple[App, App]]:
    """What answers people, and what answers programs alone."""
    token = settings.reporter_token
    web = Web(latest, path)
    with explorer(path, latest) as pages:
        yield with_login(web.beside(pages), token, time.time), with_login(web.alone, token, time.time)
