"""`serve`: puts the reporter together and answers until it is told to end."""

import argparse
import ipaddress
import os
import signal
import socket
import time
from pathlib import Path

import uvicorn

from console.help import epilog
from console.start import EXIT_OK
from console.terminal import notice
from kpi_reporter.explorer.app import explorer
from kpi_reporter.explorer.login import with_login
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.latest import Latest
from kpi_reporter.web import App, Web
from risk.errors import SettingError
from risk.settings import Settings, read_settings

# Enough for browsers and scrapers; who comes beyond that is told to come again.
CONNECTIONS = 256
ENDS_WITHIN_SECONDS = 5
SHORTEST_TOKEN = 16  # so that nobody guesses it


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
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    said = {
        name: (option, value)
        for name, option, value in (
            ("REPORTER_HOST", "--host", options.host),
            ("REPORTER_PORT", "--port", options.port),
        )
        if value is not None
    }
    settings = read_settings(options.environment, said)
    check_access(settings)
    with listening(settings.reporter_host, settings.reporter_port) as door:
        _serve(settings, door)
    return EXIT_OK


def check_access(settings: Settings) -> None:
    token = settings.reporter_token.reveal()
    if token and not (len(token) >= SHORTEST_TOKEN and token.isascii() and token.isprintable() and " " not in token):
        raise SettingError(
            f"TRUSTLENS_REPORTER_TOKEN: got {len(token)} characters (not shown), expected at least {SHORTEST_TOKEN} "
            "letters, digits and signs without a space, such as `openssl rand -hex 32` prints"
        )
    if not token and not _is_loopback(settings.reporter_host):
        raise SettingError(
            f"TRUSTLENS_REPORTER_HOST: got {settings.reporter_host!r} without a token, expected 127.0.0.1, ::1 or "
            "localhost: whoever reaches it could read every transaction. Set TRUSTLENS_REPORTER_TOKEN to a long random "
            "text, or keep to this machine."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listening(host: str, port: int) -> socket.socket:
    """A socket that is ours before anything else begins, so that a taken port is said at once."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise SettingError(
            f"TRUSTLENS_REPORTER_HOST: got {host!r} ({error.strerror}), expected an address of this machine"
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
            f"--port or TRUSTLENS_REPORTER_PORT: cannot listen at {host} port {port} ({why}), expected an "
            "address of this machine and a port that is free; see who has it, or choose another"
        ) from None
    return door


def _serve(settings: Settings, door: socket.socket) -> None:
    path = settings.db
    latest = Latest(KpiReader(path), path, notice)
    app = assembled(latest, path, settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=ENDS_WITHIN_SECONDS,
    )
    server = uvicorn.Server(config)

    def end(number: int, frame: object) -> None:  # noqa: ARG001 - a signal handler's signature
        """An end from outside is how this program ends, not a failure. The server hands on what it caught."""
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    host, port = door.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    notice(f"listening on http://{shown}:{port}")
    latest.start()
    try:
        server.run(sockets=[door])
    finally:
        latest.stop()


def assembled(latest: Latest, path: Path, settings: Settings) -> App:
    return with_login(Web(latest, path, explorer(path, latest.value)), settings.reporter_token, time.time)
