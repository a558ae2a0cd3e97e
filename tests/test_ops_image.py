"""The Dockerfile: nobody's root, nothing that is not there, and a health check that can tell."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ops.healthy import main as healthy
from ops.metrics_page import exposed
from risk.settings import PREFIX, read_settings
from tests.containers import compose, dockerfile, parse
from tests.operations import ROOT

LAST = max(place for place, instruction in enumerate(dockerfile()) if instruction.word == "FROM")
FINAL = dockerfile()[LAST:]


def last(word: str) -> str:
    return [instruction.rest for instruction in FINAL if instruction.word == word][-1]


def test_it_is_slim_and_its_python_is_one_that_we_support() -> None:
    for image in (instruction.rest for instruction in dockerfile() if instruction.word == "FROM"):
        found = re.match(r"python:3\.(\d+)-slim\b", image)
        assert found is not None
        assert int(found[1]) >= 11


def test_it_runs_as_nobody_special() -> None:
    user = last("USER")
    assert f"useradd --uid 10001 --no-create-home --home-dir /tmp {user}" in " ".join(i.rest for i in FINAL)
    assert user != "root"


def test_what_it_starts_without_being_told_is_a_worker() -> None:
    entry = next(instruction for instruction in FINAL if instruction.word == "ENTRYPOINT")
    command = next(instruction for instruction in FINAL if instruction.word == "CMD")
    assert entry.words == ["python", "-m"]
    parse(command.words, {})


def test_its_settings_and_ports_are_those_of_the_programs() -> None:
    named = dict(re.findall(rf"({PREFIX}\w+)=(\S+)", " ".join(i.rest for i in FINAL if i.word == "ENV")))
    settings = read_settings(named)
    assert last("EXPOSE").split() == [
        str(settings.metrics_port),
        str(settings.reporter_port),
        str(settings.reporter_port + 1),
    ]
    assert settings.db.parent.as_posix() == last("VOLUME")


def test_its_health_check_asks_for_a_metric_that_there_is() -> None:
    check = next(instruction for instruction in FINAL if instruction.word == "HEALTHCHECK")
    assert check.words[:3] == ["python", "-m", "ops.healthy"]
    assert check.words[3] == f"http://127.0.0.1:{read_settings({}).metrics_port}/metrics"
    assert check.words[4].split()[0] in exposed()


def test_everything_that_is_copied_is_there_and_every_package_of_ours_is() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert [name for name in kept if not (ROOT / name).exists()] == []
    programs = {service["command"][0] for service in compose()["services"].values() if service.get("build")}
    assert kept >= {*programs, "risk", "console", "worlds", "ops", "requirements.lock", "pyproject.toml"}


@pytest.fixture
def page() -> Iterator[str]:
    """The address of a page that says trustlens_up 1.0; any other is not found."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(b"# HELP trustlens_up 1 while it runs\ntrustlens_up 1.0\n")

        def log_message(self, *_: object) -> None:
            """Nothing: the check's own words are what is read."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_program_that_is_well_is_healthy(page: str) -> None:
    assert healthy([f"{page}/metrics"]) == 0
    assert healthy([f"{page}/metrics", "trustlens_up 1"]) == 0


@pytest.mark.parametrize(("path", "text"), [("/metrics", "trustlens_up 0"), ("/metrics", "HELP"), ("/other", "")])
def test_a_program_that_is_not_well_is_not_and_it_says_why(
    page: str, path: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert healthy([f"{page}{path}", text]) == 1
    assert f"{page}{path}: no " in capsys.readouterr().err


def test_a_program_that_is_not_there_is_not_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    # Port 1 is below those that programs are given.
    assert healthy(["http://127.0.0.1:1/metrics"]) == 1
    assert "http://127.0.0.1:1/metrics: no answer" in capsys.readouterr().err
