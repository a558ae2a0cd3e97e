"""What a person may ask of a replay, what is refused, and what is said on the way."""

import asyncio
from pathlib import Path

import pytest

from producer.__main__ import main
from producer.delivery.already import Place
from producer.replay.in_flight import InFlight
from producer.replay.pace import Pace
from producer.replay.position import Bookmark, Origin, check_origin, place_of, read_position, state_folder
from producer.replay.progress import Progress
from producer.replay.shift import shift, shift_days
from producer.replay.tally import Tally
from producer.replay.world_file import world_file
from risk.clock import DAY
from risk.errors import BrokerAwayError, OptionError
from testing.replays import START, entries, history, row
from tests.test_producer_pace import SetClock
from worlds.options import WorldOptions
from worlds.trustlens import TRUSTLENS

NOBODY = {"TRUSTLENS_BROKERS": "127.0.0.1:1"}


@pytest.mark.parametrize(("text", "days"), [("-400d", -400), ("3d", 3), ("+3d", 3), ("auto", "auto")])
def test_a_shift_is_days_or_auto(text: str, days: int | str) -> None:
    assert shift(text) == days


@pytest.mark.parametrize("text", ["", "d", "1", "1.5d", "1h", "Auto", "-d", "1\N{ARABIC-INDIC DIGIT ZERO}d"])
def test_what_is_no_shift_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="auto, or whole days such as -400d"):
        shift(text)


@pytest.mark.parametrize("ahead", [-900, -1, 0, 1, 900])
def test_auto_brings_the_end_to_less_than_a_day_before_now(ahead: int) -> None:
    for rest in (0, 1, DAY - 1):
        last = START + ahead * DAY + rest
        assert 0 <= START - (last + shift_days("auto", last, START) * DAY) < DAY


def test_what_is_ahead_of_now_is_refused_with_the_least_shift_that_helps() -> None:
    with pytest.raises(OptionError, match=r"2024-01-03T00:00:00Z, which is ahead of now.*--shift=-2d"):
        shift_days(None, START + 2 * DAY, START)
    assert shift_days(-2, START + 2 * DAY, START) == -2
    with pytest.raises(OptionError, match=r"--shift=-2d"):
        shift_days(-1, START + 2 * DAY, START)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "got neither a file nor a world, expected FILE or --world; name one"),
        (["FILE", "--rows", "5"], "--rows: sizes and seed are of a world, and none is asked for; leave it out"),
        (["FILE", "--world", "cards"], "--world: got a file or its columns too"),
        (["--world", "moon"], "there is no world 'moon'; expected one of trustlens, cards"),
        (["FILE", "--from", "2024-01-05", "--until", "2024-01-05"], "--from is not before --until"),
        (["FILE", "--loop", "--until", "2024-01-05"], "--loop cannot be with --from or --until"),
        (["FILE.not"], "there is no such file"),
        (["FILE", "--columns", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    file = history(tmp_path / "h.csv", [row(1, 1)])
    assert main(["replay", *(word.replace("FILE", str(file)) for word in words)], NOBODY) == 1
    assert said in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "0"], "got '0', expected a number greater than 0"),
        (["--speed", "fast"], "got 'fast', expected a number greater than 0"),
        (["--max-in-flight", "-1"], "got '-1', expected a whole number from 1"),
        (["--rate", "1_0"], "got '1_0', expected a number greater than 0"),
        (["--limit", "1\N{ARABIC-INDIC DIGIT ZERO}"], "expected a whole number from 1"),
        (["--seed", "1_0"], "got '1_0', expected a whole number such as 42"),
        (["--from", "\N{ARABIC-INDIC DIGIT TWO}024-02-01"], "expected a day such as 2024-12-01"),
        (["--limit", "0"], "got '0', expected a whole number from 1"),
        (["--from", "01.02.2024"], "got '01.02.2024', expected a day such as 2024-12-01"),
        (["--shift", "tomorrow"], "got 'tomorrow', expected auto, or whole days such as -400d"),
        (["--labelz"], "did you mean --labels?"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["replay", "h.csv", *words], NOBODY)
    assert said in capsys.readouterr().err


# The position

ORIGIN = Origin(1, "h", "c", None, None, True, False, 65_536, "cluster", "transactions", "labels", ("", ""))


def test_a_position_is_read_back_as_it_was_noted(tmp_path: Path) -> None:
    path, tally = tmp_path / "p.json", Tally(5, None)
    tally.count(entries(history(tmp_path / "h.csv", [row(1, 1, labelled_days=1), row(2, 2)])))
    ends: dict[Place, int] = {("transactions", 1): 7, ("transactions", 0): 9, ("labels", 0): 1, ("labels", 1): 2}
    Bookmark(path, ORIGIN, -3, tally, ends, 100).save(is_finished=False)
    position = read_position(path)
    assert position is not None
    assert (position.origin, position.shift_days, position.is_finished) == (ORIGIN, -3, False)
    assert (position.entries, position.transactions, position.event_time) == (8, 102, START + 2 * 3_600_000)
    assert position.ends == {"transactions": [9, 7], "labels": [1, 2]}
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["h.csv", "p.json"]


def test_a_position_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_position(tmp_path / "p.json") is None


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b'{"version": "1"}', b'{"x": ' + b"[" * 100_000])
def test_what_is_no_position_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "p.json").write_bytes(raw)
    with pytest.raises(OptionError, match="got no position of a replay"):
        read_position(tmp_path / "p.json")


def test_everything_that_is_not_as_it_was_is_named(tmp_path: Path) -> None:
    other = Origin(2, "h", "c", None, START, True, False, 65_536, "cluster", "transactions", "labels", ("", ""))
    with pytest.raises(OptionError, match=rf"file bytes was 1 and is 2; until was None and is {START}\. Expected"):
        check_origin(tmp_path, ORIGIN, other)


# Progress


def test_progress_says_how_much_how_fast_how_far_and_how_long_yet() -> None:
    clock, tally, ends = SetClock(), Tally(0, None), {("t", 0): 0}
    committed: dict[Place, int] = {}

    async def group() -> dict[Place, int]:
        return committed

    in_flight = InFlight(None, group, {("t", 0): 0}, ends, clock)
    progress = Progress(tally, in_flight, Pace(clock, None, None, is_live=False), 4000, clock)
    assert progress.line() == "sent 0 of 4,000, 0/s, in flight 0"
    clock.time, tally.transactions, tally.event_time, ends["t", 0] = 2.0, 1000, START, 1000
    committed["t", 0] = 400
    asyncio.run(progress.look())
    assert progress.line() == "sent 1,000 of 4,000, 500/s, in flight 600, ETA 0:00:06, at 2024-01-01T00:00:00Z"


def test_progress_says_so_when_the_scorers_group_cannot_be_asked() -> None:
    clock = SetClock()

    async def nobody() -> dict[Place, int]:
        raise BrokerAwayError("gone")

    in_flight = InFlight(None, nobody, {("t", 0): 0}, {("t", 0): 5}, clock)
    progress = Progress(Tally(0, None), in_flight, Pace(clock, None, None, is_live=False), None, clock)
    asyncio.run(progress.look())
    assert "in flight unknown" in progress.line()


# Worlds


def test_a_world_makes_the_same_file_each_time(tmp_path: Path) -> None:
    asked = WorldOptions(TRUSTLENS, {"rows": 200}, 7)
    first = world_file(asked, tmp_path)
    before = first.read_bytes()
    assert world_file(asked, tmp_path) == first
    assert first.read_bytes() == before
    assert first.name == "trustlens-rows200-seed7.parquet"


def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    folder = world_file(WorldOptions(TRUSTLENS, {"rows": 20}, 7), tmp_path).parent
    folder.chmod(0o777)
    with pytest.raises(OptionError, match="expected a folder of your own"):
        world_file(WorldOptions(TRUSTLENS, {"rows": 20}, 7), tmp_path)


LABELLED = "transaction_id,event_time,customer_id,merchant_id,amount,currency,is_fraud\nT,2024-01-01,C,M,5,EUR,1\n"


@pytest.mark.parametrize(
    ("text", "words", "why"),
    [
        (LABELLED, [], None),
        (LABELLED, ["--no-labels"], "--no-labels"),
        (LABELLED.replace("is_fraud", "other"), [], "FILE has no labels"),
        (LABELLED.replace("merchant_id", "other"), ["--no-labels"], None),
    ],
)
def test_a_replay_that_sends_no_labels_says_what_comes_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: list[str], why: str | None
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(text)
    assert main(["replay", str(file), *words], NOBODY) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "no label is sent" in line]
    assert len(said) == (why is not None)
    if why is not None:
        (line,) = said
        assert line.startswith(f"warning: {why.replace('FILE', str(file))}: ")
        assert "merchant_risk_30d scores lower than it should" in line
        assert "merchant_count" not in line


@pytest.mark.parametrize(
    ("given", "environment", "folder"),
    [
        (Path("here"), {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "here"),
        (None, {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/trustlens"),
        (None, {"XDG_STATE_HOME": "x", "HOME": "/h"}, "/h/.local/state/trustlens"),
        (None, {"HOME": "/h"}, "/h/.local/state/trustlens"),
    ],
)
def test_the_folder_for_state(given: Path | None, environment: dict[str, str], folder: str) -> None:
    assert state_folder(given, environment) == Path(folder)


def test_each_file_kafka_and_topic_has_a_place_of_its_own(tmp_path: Path) -> None:
    """And one file has one, whatever it is called by; a name may be as long as names can be."""
    data, state = tmp_path / ("n" * 250 + ".csv"), tmp_path / "state"
    data.write_text("")
    (tmp_path / "link").symlink_to(data)
    place = place_of(state, data, "k", "t")
    places = [place_of(state, *rest) for rest in ((data, "k", "u"), (data, "l", "t"), (tmp_path / "other", "k", "t"))]
    assert len({place, *places}) == 4
    assert place_of(state, data.parent / "state" / ".." / data.name, "k", "t") == place
    assert place_of(state, tmp_path / "link", "k", "t").name.removeprefix("link") == place.name.removeprefix("n" * 40)
    place.write_text("")


def test_a_folder_for_state_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match=r"TRUSTLENS_STATE: got .*/file, expected a folder that may be written"):
        place_of(tmp_path / "file", tmp_path / "data", "", "t")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "2024-01-13"], "--from: got 2024-01-13, expected a day that leaves something of the data, which"),
        (["--from", "2024-01-11", "--no-labels"], "--from: got 2024-01-11, expected a day"),
        (["--until", "2024-01-01"], "--until: got 2024-01-01, expected a day that leaves something"),
        (["--from", "2024-01-12"], "nobody listens there"),  # the last label is due then
        (["--from", "2024-01-10", "--no-labels"], "nobody listens there"),
        (["--until", "2024-01-02"], "nobody listens there"),
    ],
)
def test_days_without_anything_to_send_are_refused_with_those_of_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Before a broker is asked."""
    path = history(tmp_path / "ten days.csv", [row(1, 1), row(2, 23, labelled_days=11), row(3, 9 * 24)])
    assert main(["replay", str(path), *words], NOBODY) == 1
    error = capsys.readouterr().err
    assert said in error
    if said.startswith("--"):
        assert "which goes from 2024-01-01 to 2024-01-10" in error
