"""What README and recipes tell to type for the stream works as typed: on a real Kafka, with a smaller history."""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.leashed import Leashed
from risk.settings import PREFIX
from testing.brokers import TestKafka
from testing.systems import System
from tests.documents import README, RECIPES, ROOT, blocks, typed
from tests.operations import said, tool

WORKER = "python -m scorer worker"
LOOKS_EVERY_SECONDS = 0.1


def words_of(command: str) -> list[str]:
    """As the shell would read it, with the programs of this environment."""
    program, *rest = shlex.split(command)
    return [sys.executable if program == "python" else str(Path(sys.executable).with_name(program)), *rest]


@contextmanager
def beside(command: str, environment: Mapping[str, str], folder: Path) -> Iterator[Leashed]:
    """As in a terminal of its own."""
    settings = [f"{name}={value}" for name, value in environment.items()]
    there = f"cd {shlex.quote(str(folder))} && exec {shlex.join(words_of(command))}"
    process = Leashed(["env", "-i", *settings, "sh", "-c", there], folder / "beside.log")
    try:
        yield process
    finally:
        process.kill()


def trained(kafka: TestKafka, prefix: str, folder: Path) -> tuple[Mapping[str, str], Callable[[str], str]]:
    """In the folder is a history with a bundle. Returns the settings of all programs, and what runs a command there as
    typed."""
    environment = {**kafka.environment(prefix), "PYTHONPATH": str(ROOT), f"{PREFIX}METRICS_PORT": "0"}

    def run(command: str) -> str:
        answer = subprocess.run(
            words_of(command), cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
        return answer.stdout

    run("python -m trainer generate cards cards.parquet --customers 250 --days 60")
    run("python -m trainer train cards.parquet --model logistic")
    return environment, run


@pytest.mark.proof
def test_every_command_of_the_stream_runs_as_typed(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """The worker runs beside the rest and ends well when it is told to; then a service takes its alerts."""
    environment, run = trained(kafka, prefix, tmp_path)
    topics, worker, *rest = typed(README, "Stream", "Watch")
    assert worker == WORKER
    run(topics)
    with beside(worker, environment, tmp_path) as scoring:
        for command in rest:
            run(command)
        scoring.signal(signal.SIGTERM)
        assert scoring.wait(300) == 0, scoring.last_words()

    (tmp_path / "examples").symlink_to(ROOT / "examples")
    consumer, look = typed(RECIPES, "Act on alerts")
    with beside(consumer, environment, tmp_path) as consuming:
        while not consuming.last_words():
            with pytest.raises(subprocess.TimeoutExpired):  # it has not ended
                consuming.wait(LOOKS_EVERY_SECONDS)
    assert re.search(r"^C\d+ ", run(look), re.MULTILINE)

    tool("kcat")
    for by_hand in (command for command in typed(RECIPES, "Your own Kafka") if "kcat" in command):
        subprocess.run(by_hand.replace("trial.", prefix), shell=True, env=environment, check=True)


@pytest.mark.proof
def test_going_live_with_the_past_sent_first_is_a_backtest(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """As the recipe tells it: from the day on that `status` named, log and whole file give the same digest."""
    environment, run = trained(kafka, prefix, tmp_path)
    topics, replay, status, *compared = typed(RECIPES, "Going live")
    [since] = set(re.findall(r"--from (\S+)", " ".join(compared)))
    run(topics)
    made = System(kafka.environment(prefix), tmp_path)

    def until_scored() -> None:
        ends = made.ends()
        while not made.has_reached(ends):
            with pytest.raises(subprocess.TimeoutExpired):
                scoring.wait(LOOKS_EVERY_SECONDS)

    with beside(WORKER, environment, tmp_path) as scoring:
        run(f"{replay} --until 2024-12-01")
        until_scored()
        assert f"warming up until {since}: 14 of 37 days" in run(status)
        run(replay.replace("2024-11-15", "2024-12-01"))
        until_scored()
        assert "warming up" not in run(status)
        digests = [re.findall(r"^digest (\S+)", run(command), re.MULTILINE) for command in compared]
        assert digests[0] == digests[1] != []
        scoring.signal(signal.SIGTERM)
        assert scoring.wait(30) == 0, scoring.last_words()


def test_prometheus_understands_what_the_recipe_adds_to_it(tmp_path: Path) -> None:
    (addition,) = (block.text for block in blocks(RECIPES) if block.language == "yaml")
    (tmp_path / "prometheus.yml").write_text(addition)
    (tmp_path / "rules").symlink_to(ROOT / "ops" / "prometheus" / "rules")
    answer = said(tool("promtool"), "check", "config", tmp_path / "prometheus.yml")
    assert re.findall(r"SUCCESS: (\d+ rule files|.*prometheus\.yml)", answer) == [
        "2 rule files",
        str(tmp_path / "prometheus.yml"),
    ]
