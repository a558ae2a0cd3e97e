"""python -m ops.pictures: the README's pictures out of one real demo: its terminal, the explorer and the report."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from console.help import epilog
from console.options import Parser
from console.start import EXIT_FAILED, EXIT_OK, end_when_told, start
from ops import chromium
from ops.leashed import ROOT, Leashed
from ops.reporter import address_of
from risk.errors import TrustLensError
from risk.settings import PREFIX

DESCRIPTION = """\
Run the demo, draw its terminal, and photograph the explorer over its store and the report of its training. Takes a few
minutes, and needs Chromium (Debian: `make packages`).
"""
PICTURES = ROOT / "docs" / "pictures"
# Where the demo puts things unless it is told otherwise, so that its picture names the paths that a reader will see.
DEMO = ROOT / ".demo"
OPTIONS = (*chromium.WITHOUT_WINDOW, "--hide-scrollbars")
LONGEST_SECONDS = 60.0


class PictureError(TrustLensError):
    """A picture cannot be made here. Not worth a repetition as it is."""


class Photograph(NamedTuple):
    name: str
    size: tuple[int, int]  # of the window; what lies below it is not in the picture


EXPLORER = Photograph("explorer.png", (1200, 850))
REPORT = Photograph("report.png", (1200, 803))


def parser() -> Parser:
    return Parser(prog="python -m ops.pictures", description=DESCRIPTION, epilog=epilog("python -m ops.pictures"))


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    parser().parse_args(arguments)
    try:
        browser = _browser()
        _demo(environment)
        _photograph(browser, REPORT, _report().as_uri())
        _photograph_explorer(browser, environment)
    except TrustLensError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FAILED
    return EXIT_OK


def _browser() -> str:
    found = chromium.installed()
    if found is None:
        raise PictureError(chromium.MISSING)
    return found


def _demo(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "demo", "--folder", str(DEMO), "--picture", str(PICTURES / "demo.svg")]
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if status:
        raise PictureError(f"the demo ended with status {status}, expected 0; it says why above")


def _report() -> Path:
    (found,) = (DEMO / "reports").glob("*/report.html")
    return found


def _photograph_explorer(browser: str, environment: Mapping[str, str]) -> None:
    plain = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    settings = [f"{name}={value}" for name, value in {**plain, f"{PREFIX}DB": str(DEMO / "risk.db")}.items()]
    command = [sys.executable, "-m", "kpi_reporter", "serve", "--port", "0"]
    reporter = Leashed(["env", "-i", *settings, *command], DEMO / "logs" / "photographed.log")
    try:
        _photograph(browser, EXPLORER, address_of(reporter))
    finally:
        reporter.kill()


def _photograph(browser: str, wanted: Photograph, address: str) -> None:
    target = PICTURES / wanted.name
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        made = Path(home) / wanted.name
        size = "--window-size={},{}".format(*wanted.size)
        command = [browser, *OPTIONS, size, f"--user-data-dir={home}/profile", f"--screenshot={made}", address]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            raise PictureError(f"{address}: the browser took more than {LONGEST_SECONDS:.0f} s; try again") from None
        if not made.exists():
            raise PictureError(f"{address}: the browser left no picture; it said: {done.stderr.strip()[-500:]}")
        shutil.copyfile(made, target)
    sys.stdout.write(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    end_when_told()
    sys.exit(start(lambda: main, sys.argv[1:], os.environ))
