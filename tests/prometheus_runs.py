"""A real Prometheus at work for the tests: the configuration of ops/prometheus, only quicker."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from ops.kafka.ports import free_ports
from ops.leashed import Leashed
from tests.operations import ALERTMANAGER, PROMETHEUS, tool

ENOUGH_SECONDS = 300.0
LOOKS_EVERY_SECONDS = 0.1

# A quarter of a minute becomes a quarter of a second, ten minutes ten seconds.
TIMES_QUICKER = 60

TOKEN = "only-for-the-tests-of-operations"
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = r"(\d+)(ms|s|m|h|d)\b"


def quicker(text: str) -> str:
    """Rules or configuration with every duration divided: `for: 10m`, `[5m]`, `offset 1h`. The rest stays as it is."""

    def divided(match: re.Match[str]) -> str:
        return f"{match[1]}{max(1, int(match[2]) * _UNITS[match[3]] // TIMES_QUICKER)}ms"

    # Recorded names such as `rate5m` end in something that looks like one; these do not stand behind such a word.
    return re.sub(r"((?:_interval: |_wait: |for: |\[|offset ))" + _DURATION, divided, text)


def write_quicker(folder: Path, targets: dict[str, Iterable[str]], *, alertmanager: str | None = None) -> Path:
    """A copy of ops/prometheus with durations divided and targets of our own; its main file."""
    shutil.copytree(PROMETHEUS, folder)
    for path in [*(folder / "rules").glob("*.yml"), folder / "prometheus.yml"]:
        path.write_text(quicker(path.read_text()))
    token = folder / "reporter-token"
    token.write_text(TOKEN)
    main = folder / "prometheus.yml"
    main.write_text(main.read_text().replace("/run/secrets/reporter-token", str(token)))
    for name in ("scorer", "reporter"):
        write_targets(folder, name, targets.get(name, ()))
    write_targets(folder, "alertmanager", [alertmanager] if alertmanager else ())
    return main


def write_targets(folder: Path, name: str, targets: Iterable[str]) -> None:
    """Whole or not there: Prometheus looks whenever it changes."""
    new = folder / "targets" / f"{name}.new"
    new.write_text(yaml.safe_dump([{"targets": list(targets)}]))
    new.rename(folder / "targets" / f"{name}.yml")


class Served:
    """A server of a Debian package, which cannot outlive the test."""

    def __init__(self, command: list[str], log: Path, address: str) -> None:
        self.address = address
        self._process = Leashed(command, log)

    def get(self, path: str, **parameters: str) -> Any:
        with urlopen(f"http://{self.address}{path}?{urlencode(parameters)}", timeout=300) as answer:
            return json.load(answer)

    def is_up(self) -> bool:
        try:
            with urlopen(f"http://{self.address}/-/ready", timeout=300):
                return True
        except OSError:
            return False

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Returns when it is so; the test fails when the server ends first, or when it takes too long."""
        begun = monotonic()
        while not is_so():
            try:
                status = self._process.wait(LOOKS_EVERY_SECONDS)
            except subprocess.TimeoutExpired:
                if monotonic() - begun > ENOUGH_SECONDS:
                    pytest.fail(f"{what}: still not so after {ENOUGH_SECONDS:g} s; {self._process.last_words()}")
                continue
            pytest.fail(f"it ended with status {status}: {self._process.last_words()}")

    def kill(self) -> None:
        self._process.kill()


class Prometheus(Served):
    def __init__(self, folder: Path, targets: dict[str, Iterable[str]], *, alertmanager: str | None = None) -> None:
        self.folder = folder
        main = write_quicker(folder, targets, alertmanager=alertmanager)
        [port] = free_ports(1)
        address = f"127.0.0.1:{port}"
        # A series is forgotten five minutes after its last sample; here that is quicker, like all else.
        options = [f"--config.file={main}", f"--storage.tsdb.path={folder / 'data'}", "--query.lookback-delta=5s"]
        super().__init__([tool("prometheus"), *options, f"--web.listen-address={address}"], folder / "log", address)
        self.until(self.is_up, "Prometheus answers")

    def query(self, expr: str) -> list[Any]:
        """What an instant query finds; it must be one that Prometheus understands."""
        answer = self.get("/api/v1/query", query=expr)
        assert answer["status"] == "success", answer
        result: list[Any] = answer["data"]["result"]
        return result

    def names(self) -> set[str]:
        """Of every series of ours."""
        return {name for name in self.get("/api/v1/label/__name__/values")["data"] if name.startswith("trustlens")}

    def firing(self) -> dict[str, list[dict[str, str]]]:
        """The labels of what fires now, by alert."""
        found: dict[str, list[dict[str, str]]] = {}
        for alert in self.get("/api/v1/alerts")["data"]["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return found

    def until_firing(self, alert: str) -> dict[str, str]:
        self.until(lambda: alert in self.firing(), f"{alert} fires")
        return self.firing()[alert][0]

    def until_silent(self, alert: str) -> None:
        self.until(lambda: alert not in self.firing(), f"{alert} is silent")

    def until_seen(self, expr: str) -> None:
        """Returns when the query finds something."""
        self.until(lambda: bool(self.query(expr)), expr)


class Alertmanager(Served):
    """With the configuration of ops/alertmanager; what it would tell Slack goes to `slack`, mail goes nowhere."""

    def __init__(self, folder: Path, slack: str) -> None:
        shutil.copytree(ALERTMANAGER, folder)
        main = folder / "alertmanager.yml"
        (folder / "slack-url").write_text(slack)
        (folder / "smtp-password").write_text("a password")
        text = quicker(main.read_text()).replace("/run/secrets/", f"{folder}/")
        # Port 9 is where things are thrown away.
        main.write_text(re.sub(r"smtp_smarthost: .*", "smtp_smarthost: 127.0.0.1:9", text))
        [port] = free_ports(1)
        address = f"127.0.0.1:{port}"
        options = [f"--config.file={main}", f"--storage.path={folder / 'data'}", "--cluster.listen-address="]
        program = tool("prometheus-alertmanager")
        super().__init__([program, *options, f"--web.listen-address={address}"], folder / "log", address)
        self.until(self.is_up, "Alertmanager answers")


class Slack:
    """Takes what Alertmanager would tell Slack."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        told = self.told

        class Inbox(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Nothing: a test reads what came, not that it came."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def messages(self) -> list[tuple[str, str]]:
        """Titles and texts so far, each text without the white space at its ends."""
        parts = [part for message in list(self.told) for part in message["attachments"]]
        return [(part["title"], part["text"].strip()) for part in parts]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
