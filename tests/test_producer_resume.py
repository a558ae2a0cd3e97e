"""A replay that ended early, and one that goes on from there."""

import os
import re
import signal
from pathlib import Path

import pytest

from producer.__main__ import main
from risk.topics import topics_of
from testing.brokers import TestKafka
from testing.replays import everything, history, row
from tests.kafka_replays import UNLIMITED, Running, arrived, expected, months, refusal, wait_for, with_topics


@pytest.fixture
def environment(kafka: TestKafka, prefix: str) -> dict[str, str]:
    return with_topics(kafka, prefix)


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(each, marks=pytest.mark.proof) for each in (signal.SIGTERM, signal.SIGKILL))],
)
def test_an_interrupted_replay_is_resumed_to_exactly_the_whole_file(
    kafka: TestKafka,
    prefix: str,
    environment: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, topics = months(tmp_path, rows=2000), topics_of(prefix)
    running = Running(environment, str(path), "--rate", "1500", *UNLIMITED)
    wait_for(kafka.address, topics.transactions, 300)
    code = running.end(number)
    assert code == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -9), running.said
    if number != signal.SIGKILL:
        said = re.fullmatch(
            r"interrupted: (\d[\d,]*) transactions sent, up to 2024-[-\dT:.]+Z\. --resume goes on from there, which "
            r"(.*) notes",
            last_line(running),
        )
        assert said is not None, running.said
        assert 300 <= int(said[1].replace(",", "")) < 2000
        assert Path(said[2]).parent == Path(os.environ["XDG_STATE_HOME"], "trustlens", "replay")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert sum(map(len, everything(kafka.address, topics.transactions).values())) < 2000
    assert main(["replay", str(path), "--resume", *UNLIMITED], environment) == 0
    assert arrived(kafka.address, topics) == expected(path, topics)
    assert main(["replay", str(path), "--resume", *UNLIMITED], environment) == 0
    assert "nothing is left to go on with" in capsys.readouterr().err
    assert arrived(kafka.address, topics) == expected(path, topics)


def last_line(running: Running) -> str:
    return running.said.splitlines()[-1]


def test_what_version_0_1_noted_beside_the_data_is_found(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And from then on it is noted in the folder for state."""
    path, topics = months(tmp_path), topics_of(prefix)
    beside = tmp_path / f"{path.name}.replay.json"
    words = ["replay", str(path), *UNLIMITED]
    assert main([*words, "--limit", "250", "--position", str(beside)], environment) == 0
    capsys.readouterr()
    assert main([*words, "--limit", "100", "--resume"], environment) == 0
    assert f"{beside} says where the replay was; from now on " in capsys.readouterr().err
    assert main([*words, "--resume"], environment) == 0
    assert "may be deleted" not in capsys.readouterr().err
    assert arrived(kafka.address, topics) == expected(path, topics)


def test_a_limit_stops_and_resume_goes_on(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path
) -> None:
    path, topics = months(tmp_path), topics_of(prefix)
    assert main(["replay", str(path), "--limit", "250", *UNLIMITED], environment) == 0
    assert sum(map(len, everything(kafka.address, topics.transactions).values())) == 250
    assert main(["replay", str(path), "--limit", "250", "--resume", *UNLIMITED], environment) == 0
    assert sum(map(len, everything(kafka.address, topics.transactions).values())) == 500
    assert main(["replay", str(path), "--resume", *UNLIMITED], environment) == 0
    assert arrived(kafka.address, topics) == expected(path, topics)


def test_another_file_cannot_be_resumed(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = months(tmp_path)
    assert main(["replay", str(path), "--limit", "10", *UNLIMITED], environment) == 0
    said = refusal(capsys, environment, str(path), "--resume", "--no-labels", *UNLIMITED)
    assert "the position is of another replay: labels was True and is False" in said
    history(path, [row(1, 1), row(2, 2)])
    said = refusal(capsys, environment, str(path), "--resume", *UNLIMITED)
    assert "file bytes was" in said
    assert "head sha256 was" in said


def test_other_topics_cannot_be_resumed(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = months(tmp_path)
    words = [str(path), "--position", str(tmp_path / "here.json"), *UNLIMITED]
    assert main(["replay", *words, "--limit", "10"], environment) == 0
    other = with_topics(kafka, prefix + "other.")
    assert "transactions was" in refusal(capsys, other, *words, "--resume")
    assert "--resume: got no " in refusal(capsys, other, str(path), "--resume", *UNLIMITED)


def test_without_a_position_there_is_nothing_to_resume(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = months(tmp_path)
    said = refusal(capsys, environment, str(path), "--resume")
    assert re.search(rf"--resume: got no \S+/trustlens/replay/{path.name}-[0-9a-f]{{16}}\.json, expected", said)


def test_a_position_that_cannot_be_noted_is_told_before_anything_is_sent(
    kafka: TestKafka,
    prefix: str,
    environment: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    no_position = tmp_path / "nowhere" / "position.json"
    said = refusal(capsys, environment, str(months(tmp_path)), "--position", str(no_position), *UNLIMITED)
    assert str(no_position) in said
    assert everything(kafka.address, topics_of(prefix).transactions) == {}


def test_a_replay_that_is_told_to_end_while_the_broker_is_silent_ends_and_loses_nothing(
    own_kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    environment, topics = with_topics(own_kafka, prefix), topics_of(prefix)
    path = months(tmp_path, rows=3000)
    running = Running(environment, str(path), "--rate", "1000", *UNLIMITED)
    wait_for(own_kafka.address, topics.transactions, 500)
    own_kafka.pause()
    assert running.end(signal.SIGTERM) == 143, running.said
    assert "--resume goes on from there" in running.said
    own_kafka.resume()
    wait_for(own_kafka.address, topics.transactions, 500)  # it answers again
    assert main(["replay", str(path), "--resume", *UNLIMITED], environment) == 0
    # What lay in the broker's socket while it was stopped may come to its log after the others, a second time.
    found = arrived(own_kafka.address, topics)
    first = {topic: {n: list(dict.fromkeys(part)) for n, part in parts.items()} for topic, parts in found.items()}
    assert first == expected(path, topics)
