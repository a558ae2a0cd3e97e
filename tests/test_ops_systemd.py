"""The units: systemd takes them, and they name only what the project has."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from console.alive import ALIVE_EVERY_SECONDS
from risk.settings import PREFIX, Settings, read_settings
from tests.containers import parse
from tests.documents import PAGES, blocks
from tests.operations import OPS, said, tool

UNITS = sorted((OPS / "systemd").glob("*.service"))
TIMERS = sorted((OPS / "systemd").glob("*.timer"))
PYTHON = "/opt/trustlens/.venv/bin/python"
PORT = "9111"


def values(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


THAT_GO_ON = [unit for unit in UNITS if unit.with_suffix(".timer") not in TIMERS]


def settings_of_the_units() -> Settings:
    text = (OPS / "systemd" / "environment").read_text()
    return read_settings(dict(re.findall(rf"^({PREFIX}\w+)=(.*)$", text, re.MULTILINE)))


def installed(unit: Path, folder: Path) -> Path:
    """The unit as it would be started; with a Python that is here."""
    copy = folder / unit.name.replace("@.", f"@{PORT}.")
    copy.write_text(unit.read_text().replace(PYTHON, sys.executable))
    return copy


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_it(unit: Path, tmp_path: Path) -> None:
    assert said(tool("systemd-analyze"), "verify", installed(unit, tmp_path)) == ""


def test_systemd_says_what_is_wrong_with_one(tmp_path: Path) -> None:
    """Not all that it complains of makes it fail, so the test above wants silence."""
    wrong = installed(UNITS[0], tmp_path)
    wrong.write_text(wrong.read_text().replace("Restart=always", "Restrat=always"))
    assert "Restrat" in said(tool("systemd-analyze"), "verify", wrong)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_program_understands_its_command(unit: Path) -> None:
    [command] = values(unit, "ExecStart")
    python, dash, *words = shlex.split(command.replace("%i", PORT))
    assert (python, dash) == (PYTHON, "-m")
    parse(words, {})


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_it_is_nobody_special(unit: Path) -> None:
    assert values(unit, "User") == ["trustlens"]
    assert values(unit, "ProtectSystem") == ["strict"]


@pytest.mark.parametrize("unit", THAT_GO_ON, ids=lambda unit: unit.name)
def test_what_goes_on_comes_back(unit: Path) -> None:
    assert values(unit, "Restart") == ["always"]


@pytest.mark.parametrize("timer", TIMERS, ids=lambda timer: timer.name)
def test_systemd_takes_a_timer_and_what_it_starts_ends(timer: Path, tmp_path: Path) -> None:
    service = timer.with_suffix(".service")
    installed(service, tmp_path)
    copy = tmp_path / timer.name
    copy.write_text(timer.read_text())
    assert said(tool("systemd-analyze"), "verify", copy) == ""
    assert values(service, "Type") == ["oneshot"]
    assert values(service, "Restart") == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_what_it_writes_nobody_else_reads(unit: Path) -> None:
    """Store, backups, bundles and reports hold customers' transactions."""
    assert values(unit, "UMask") == ["0077"]


@pytest.mark.parametrize("unit", THAT_GO_ON, ids=lambda unit: unit.name)
def test_one_that_is_frozen_is_killed(unit: Path) -> None:
    """By a signal that a stopped process obeys, and not before it has missed more than one chance to tell."""
    assert values(unit, "Type") == ["notify"]
    assert values(unit, "WatchdogSignal") == ["SIGKILL"]
    [seconds] = values(unit, "WatchdogSec")
    assert int(seconds) >= 5 * ALIVE_EVERY_SECONDS


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_its_settings_are_settings_and_the_store_is_where_it_may_write(unit: Path) -> None:
    settings = settings_of_the_units()
    [folder] = values(unit, "WorkingDirectory")
    assert settings.db.parent == Path(folder)
    assert values(unit, "StateDirectory") == [Path(folder).name]
    assert "/etc/trustlens/environment" in values(unit, "EnvironmentFile")


def test_no_two_units_want_one_port() -> None:
    """As the pages and the unit itself name them, beside the reporter with its own settings."""
    settings = settings_of_the_units()
    programs = settings.reporter_metrics_port or settings.reporter_port + 1
    for page in (*PAGES, *UNITS):
        for line in re.findall(r"systemctl enable .*", page.read_text(encoding="utf-8")):
            workers = [int(port) for port in re.findall(r"trustlens-scorer@(\d+)", line)]
            ports = [settings.reporter_port, programs, *workers]
            assert len({*ports}) == len(ports), f"{page.name}: {line}"


def test_a_command_by_hand_is_run_as_the_units_run_theirs() -> None:
    """The pages' `systemd-run`: the user, folder and settings of every unit, and a command of ours."""
    every = [line for page in PAGES for block in blocks(page) for line in block.commands]
    by_hand = [shlex.split(line) for line in every if line.startswith("systemd-run ")]
    assert by_hand
    for words in by_hand:
        python = words.index(PYTHON)
        options, (dash, *command) = words[:python], words[python + 1 :]
        assert dash == "-m"
        parse(command, {})
        for unit in UNITS:
            assert f"--uid={values(unit, 'User')[0]}" in options
            assert f"--working-directory={values(unit, 'WorkingDirectory')[0]}" in options
            assert f"--property=EnvironmentFile={values(unit, 'EnvironmentFile')[0]}" in options
            assert f"--property=UMask={values(unit, 'UMask')[0]}" in options
