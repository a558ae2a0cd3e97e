"""What starts a reporter waits until it has figures, and hears why when it ends instead; pictures need a browser."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from ops.leashed import Leashed
from ops.reporter import LOOKS_EVERY_SECONDS, ReporterEndedError, address_of
from risk.settings import PREFIX
from tests.explorers import make_store

ROOT = Path(__file__).parent.parent


@contextmanager
def started(store: Path, *options: str) -> Iterator[Leashed]:
    kept = [f"{name}={value}" for name, value in os.environ.items() if not name.startswith(PREFIX)]
    command = [sys.executable, "-m", "kpi_reporter", "serve", "--port", "0", *options]
    process = Leashed(["env", "-i", *kept, f"{PREFIX}DB={store}", *command], store.with_suffix(".log"))
    try:
        yield process
    finally:
        process.kill()


def test_it_is_waited_for_until_it_has_figures(tmp_path: Path) -> None:
    """It listens before there is a store, and is not ready then."""
    with started(tmp_path / "risk.db") as process:
        while b"listening" not in process.log.read_bytes():
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(LOOKS_EVERY_SECONDS)
        make_store(tmp_path / "risk.db", rows=3)
        with urlopen(f"{address_of(process)}/ready") as answer:
            assert answer.read() == b"ready\n"


def test_one_that_ends_instead_is_told_with_its_last_words(tmp_path: Path) -> None:
    words = r"ended with status 1, expected it to serve: .*--port.*got 'no'"
    with started(tmp_path / "risk.db", "--port", "no") as process, pytest.raises(ReporterEndedError, match=words):
        address_of(process)


def test_without_a_browser_no_picture_is_begun(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "ops.pictures"],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("error: no browser: expected one of chromium, chromium-browser,")
