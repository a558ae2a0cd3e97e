"""`python -m kpi_reporter serve` as people and Prometheus meet it: a process with one port."""

import io
import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from console.listener import CONNECTIONS
from kpi_reporter import serve
from kpi_reporter.__main__ import main
from kpi_reporter.kpis.reading import KpiReader
from risk.store import open_store
from scorer.__main__ import main as scorer
from testing.stores import flag, store_flags
from tests.cases import NEW_YEAR
from tests.kpi_stores import read, remember_bundles

TOKEN = "a token that nobody guesses".replace(" ", "-")


def environment(path: Path, **settings: str) -> dict[str, str]:
    ours = {"TRUSTLENS_DB": str(path), "TRUSTLENS_REPORTER_PORT": "0"}
    return {**os.environ, **ours, **{f"TRUSTLENS_REPORTER_{name}": value for name, value in settings.items()}}


@contextmanager
def serving(path: Path, **settings: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The process and its address."""
    with serving_both(path, **settings) as (process, pages, _):
        yield process, pages


@contextmanager
def serving_both(path: Path, **settings: str) -> Iterator[tuple["subprocess.Popen[str]", str, str]]:
    """With the address for programs alone, too; it is told to end, and must do so well."""
    words = [sys.executable, "-m", "kpi_reporter", "serve"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment(path, **settings)) as process:
        assert process.stderr is not None
        try:
            programs, pages = process.stderr.readline(), process.stderr.readline()
            assert "metrics and health at http://127.0.0.1:" in programs
            assert "listening on http://127.0.0.1:" in pages
            yield process, pages.split()[-1], programs.split()[-1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(300) == 0, process.stderr.read()
        finally:
            process.kill()


def get(address: str, **headers: str) -> tuple[int, str]:
    try:
        with urlopen(Request(address, headers=headers), timeout=300) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def refused(path: Path, *options: str, **settings: str) -> str:
    """What it says when it does not start, in this process."""

    def begun(*_: object) -> None:
        pytest.fail("it began to serve")

    with redirect_stderr(io.StringIO()) as said, pytest.MonkeyPatch.context() as patched:
        patched.setattr(serve, "_serve", begun)
        assert main(["serve", *options], environment(path, **settings)) == 1
    return said.getvalue()


def made(path: Path, flags: int) -> None:
    with open_store(path) as store:
        remember_bundles(store)
        store_flags(store, [flag(n)._replace(bundle_version="one") for n in range(flags)])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("serve") / "risk.db"
    made(path, 40)
    return path


class Asked(NamedTuple):
    """The addresses of a reporter that several tests only ask."""

    pages: str
    programs: str


@pytest.fixture(scope="module")
def asked(filled: Path) -> Iterator[Asked]:
    with serving_both(filled) as (_, pages, programs):
        get(f"{pages}/metrics")  # after a reading
        yield Asked(pages, programs)


@pytest.fixture(scope="module")
def address(asked: Asked) -> str:
    return asked.pages


@pytest.fixture(scope="module")
def guarded(filled: Path) -> Iterator[Asked]:
    """With a token."""
    with serving_both(filled, TOKEN=TOKEN) as (_, pages, programs):
        yield Asked(pages, programs)


def test_its_own_answers(address: str, filled: Path) -> None:
    assert get(f"{address}/health") == (200, "alive\n")
    assert get(f"{address}/ready") == (200, "ready\n")
    status, text = get(f"{address}/metrics")
    assert (status, 'trustlens_kpi_transactions{level="low"} 40.0' in text) == (200, True)
    status, text = get(f"{address}/kpis.json")
    figures: dict[str, Any] = json.loads(text)
    assert (status, figures["transactions"], figures["newest_event"]) == (200, 40, NEW_YEAR)
    assert figures["newest_write"] == read(KpiReader(filled)).newest_write


@pytest.mark.parametrize("path", ["/metrics", "/health", "/ready", "/kpis.json"])
def test_nothing_can_be_changed(address: str, path: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        with pytest.raises(HTTPError, match="405") as refusal:
            urlopen(Request(f"{address}{path}", method=method, data=b"x"))
        refusal.value.close()


def test_everything_else_is_the_explorers(address: str) -> None:
    status, text = get(f"{address}/")
    assert status == 200
    assert "<html" in text


def test_connections_that_ask_for_nothing_keep_no_program_out(filled: Path) -> None:
    """256 of them were enough, without a token, for as long as they liked."""
    with serving_both(filled) as (_, pages, programs), ExitStack() as held:
        place = urlsplit(pages)
        for number in range(CONNECTIONS):
            held.enter_context(socket.create_connection((place.hostname, place.port)))
            if number % 16 == 0:  # whom a full queue turns away knocks again after a second or more
                assert get(f"{pages}/health")[0] == 200
        assert get(f"{pages}/health")[0] == 503
        assert get(f"{programs}/health") == (200, "alive\n")
        assert get(f"{programs}/metrics")[0] == 200


def test_the_address_for_programs_has_no_pages(asked: Asked, guarded: Asked) -> None:
    expected = (404, "got /store, expected one of /health, /ready, /metrics, /kpis.json\n")
    assert get(f"{asked.programs}/store") == expected
    assert get(f"{guarded.programs}/metrics")[0] == 401
    assert get(f"{guarded.programs}/metrics", authorization=f"Bearer {TOKEN}")[0] == 200


def test_two_hundred_at_once_all_get_an_answer(address: str) -> None:
    with ThreadPoolExecutor(200) as many:
        answers = list(many.map(lambda n: get(f"{address}/{('metrics', 'ready', 'kpis.json')[n % 3]}"), range(200)))
    assert {status for status, _ in answers} == {200}


def test_a_second_one_at_the_same_port_says_so(address: str, filled: Path) -> None:
    said = refused(filled, "--port", address.rpartition(":")[2])
    assert "--port or TRUSTLENS_REPORTER_PORT: cannot listen at 127.0.0.1 port" in said
    assert "(Address already in use), expected an address of this machine and a port that is free" in said


def test_a_name_that_no_machine_has_is_said(filled: Path) -> None:
    assert "TRUSTLENS_REPORTER_HOST: got 'nowhere.invalid'" in refused(filled, HOST="nowhere.invalid", TOKEN=TOKEN)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "8.8.8.8", "reporter.invalid", "localhost.invalid"])
def test_without_a_token_only_this_machine_is_answered(filled: Path, host: str) -> None:
    said = refused(filled, HOST=host)
    words = f"--host or TRUSTLENS_REPORTER_HOST: got '{host}' without a token, expected 127.0.0.1, ::1 or localhost"
    assert words in said
    assert words in refused(filled, "--host", host)


def test_what_is_no_question_is_logged_with_time_and_level_and_ctrl_c_ends_it(filled: Path) -> None:
    with serving(filled) as (process, address):
        assert get(f"{address}/metrics")[0] == 200
        # The compiler takes half a second of a start, and nothing here needs it.
        assert "llvmlite" not in Path(f"/proc/{process.pid}/maps").read_text()
        place = urlsplit(address)
        with socket.create_connection((place.hostname, place.port)) as client:
            client.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
            assert b"400" in client.recv(1000)
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0
        assert process.stderr is not None
        said = process.stderr.read()
    assert re.search(
        r"^\d{4}-\d\d-\d\d [\d:,]+ WARNING uvicorn.error: Invalid HTTP request received.$", said, re.MULTILINE
    ), said


@pytest.mark.parametrize("token", ["short", "with a space in the token", "ünicode-ünicode-ünicode"])
def test_a_token_that_cannot_serve_is_refused_and_not_shown(filled: Path, token: str) -> None:
    said = refused(filled, TOKEN=token)
    assert f"TRUSTLENS_REPORTER_TOKEN: got {len(token)} characters (not shown), expected at least 16" in said
    assert token not in said


def test_with_a_token_everything_but_health_wants_it(guarded: Asked) -> None:
    where = guarded.pages
    assert get(f"{where}/health")[0] == 200
    for path in ("/metrics", "/ready", "/kpis.json", "/"):
        assert get(f"{where}{path}")[0] == 401
        assert get(f"{where}{path}", Authorization=f"Bearer {TOKEN}x")[0] == 401
    assert get(f"{where}/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_it_waits_for_a_store_and_follows_it_through_exchange_and_damage(tmp_path: Path) -> None:
    """No restart, whatever happens to the file; and the reason stands in /ready as long as there is one."""
    path = tmp_path / "risk.db"
    with serving(path) as (_, where):
        assert "trustlens_kpi_store_readable 0.0" in get(f"{where}/metrics")[1]
        status, reason = get(f"{where}/ready")
        assert (status, "there is no store" in reason) == (503, True)
        assert get(f"{where}/kpis.json")[0] == 503
        made(path, 3)
        assert 'trustlens_kpi_transactions{level="low"} 3.0' in get(f"{where}/metrics")[1]
        made(tmp_path / "other.db", 7)
        (tmp_path / "other.db").replace(path)
        assert 'trustlens_kpi_transactions{level="low"} 7.0' in get(f"{where}/metrics")[1]
        path.write_bytes(b"no database at all" * 100)
        assert "trustlens_kpi_store_readable 0.0" in get(f"{where}/metrics")[1]
        assert "file is not a database" in get(f"{where}/ready")[1]
        path.unlink()
        made(path, 2)
        assert 'trustlens_kpi_transactions{level="low"} 2.0' in get(f"{where}/metrics")[1]


def test_a_backup_is_restored_by_command_while_it_runs(tmp_path: Path) -> None:
    """Its readings and pages let go of the store, so that nobody need stop it; and it sees what was restored."""
    path, backup = tmp_path / "risk.db", tmp_path / "backup.db"
    made(path, 3)
    with open_store(path) as store:
        store.backup(backup)
        store_flags(store, [flag(n)._replace(bundle_version="one") for n in range(3, 9)])
    with serving(path) as (_, where):
        assert 'trustlens_kpi_transactions{level="low"} 9.0' in get(f"{where}/metrics")[1]
        assert get(f"{where}/store/risk_flags")[0] == 200
        assert scorer(["restore", str(backup), "--force"], environment(path)) == 0
        assert 'trustlens_kpi_transactions{level="low"} 3.0' in get(f"{where}/metrics")[1]
        assert "3 rows" in get(f"{where}/store/risk_flags")[1]


def test_it_reads_while_others_hold_the_store_for_writing(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    made(path, 5)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("begin immediate")
    with serving(path) as (_, where):
        assert 'trustlens_kpi_transactions{level="low"} 5.0' in get(f"{where}/metrics")[1]
    connection.close()


def test_on_a_full_disk_it_reads_beside_a_worker_and_without_one_says_why_until_there_is_room(tmp_path: Path) -> None:
    """The first one at a store makes SQLite's index of the log. A limit on files plays the disk."""
    path, limits = tmp_path / "risk.db", (0, resource.RLIM_INFINITY)
    made(path, 3)
    with serving(path) as (process, where):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
        assert "trustlens_kpi_store_readable 0.0" in get(f"{where}/metrics")[1]
        status, reason = get(f"{where}/ready")
        assert (status, "expected a disk that can be read and written, with room" in reason) == (503, True)
        assert get(f"{where}/store")[0] == 503
        assert get(f"{where}/health")[0] == 200
        with open_store(path) as store:
            store_flags(store, [flag(n)._replace(bundle_version="one") for n in range(3, 5)])
            assert 'trustlens_kpi_transactions{level="low"} 5.0' in get(f"{where}/metrics")[1]
        assert "trustlens_kpi_store_readable 0.0" in get(f"{where}/metrics")[1]
        with open_store(path):
            assert "trustlens_kpi_store_readable 1.0" in get(f"{where}/metrics")[1]
            # The last of these: a page's reader may outlive the store's writer, and then SQLite's index stays.
            assert get(f"{where}/store/risk_flags")[0] == 200
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert 'trustlens_kpi_transactions{level="low"} 5.0' in get(f"{where}/metrics")[1]


def test_a_port_of_another_program_is_left_alone(filled: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert "cannot listen" in refused(filled, PORT=str(other.getsockname()[1]))
