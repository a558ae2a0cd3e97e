"""What the README tells to type for the stream works as typed: on a real Kafka, with a smaller history."""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from ops.leashed import Leashed
from risk.settings import PREFIX
from tests.kafka_broker import TestKafka

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    fenced = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [line for block in fenced for line in block.splitlines()]


def test_the_readme_streams() -> None:
    assert [command.split()[2:4] for command in commands()][:2] == [["producer", "topics"], ["scorer", "worker"]]


def test_every_command_of_the_stream_runs_as_typed(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """The worker runs beside the rest, as in a terminal of its own, and ends well when it is told to."""
    environment = {**kafka.environment(prefix), "PYTHONPATH": str(ROOT), f"{PREFIX}METRICS_PORT": "0"}

    def run(command: str) -> str:
        words = [sys.executable, *shlex.split(command)[1:]]
        answer = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
        return answer.stdout

    run("python -m trainer generate cards cards.parquet --customers 250 --days 60")
    run("python -m trainer train cards.parquet --model logistic")
    worker: Leashed | None = None
    try:
        for command in commands():
            if command == "python -m scorer worker":
                settings = [f"{name}={value}" for name, value in environment.items()]
                there = f"cd {shlex.quote(str(tmp_path))} && exec {sys.executable} -m scorer worker"
                worker = Leashed(["env", "-i", *settings, "sh", "-c", there], tmp_path / "worker.log")
            else:
                run(command)
        assert worker is not None
        worker.signal(signal.SIGTERM)
        assert worker.wait(30) == 0, (tmp_path / "worker.log").read_text()
    finally:
        if worker is not None:
            worker.kill()
