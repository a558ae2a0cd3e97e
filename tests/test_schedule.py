"""Which bundle was in force when: written from a store, and followed by a backtest, partition by partition."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.block import block_of
from risk.bundle import read_bundle
from risk.clock import to_datetime, to_text
from risk.dataset import open_dataset
from risk.errors import OptionError
from risk.events import Transaction
from risk.kafka.partitions import partition_of
from risk.schedule import InForce, Schedule, Start, encode_schedule, read_schedule
from risk.store import Outputs, open_store
from risk.topics import Identity, topics_of
from scorer.__main__ import main as scorer
from testing.stores import NEW_YEAR, flag
from tests.backtests import backtest, make_home

V, W = "linear-00000001", "linear-00000002"


def start(version: str, time: int | None = None, partition: int | None = None, first: str | None = None) -> Start:
    """`first`: its first transaction, of a customer of the same name."""
    return Start(version, partition, None if time is None else to_datetime(time), first, first)


def in_force(schedule: Schedule, *rows: tuple[int, str], partitions: str = "") -> str:
    """Of transactions by their time and name, the last digit of each version; `partitions`: of each name."""

    def partition(key: bytes, count: int) -> int:
        return int(partitions["abcdef".index(key.decode())]) % count

    cursor = InForce(schedule, partition)
    block = block_of([Transaction(name, NEW_YEAR + time, name, "EUR") for time, name in rows])
    whole = [cursor.versions[number].bundle[-1] for number in cursor.of(block)]
    again, pieces = InForce(schedule, partition), []
    for place in range(len(rows)):  # however it is cut
        pieces += [again.versions[number].bundle[-1] for number in again.of(block.cut(place, place + 1))]
    assert pieces == whole
    return "".join(whole)


def test_a_bundle_is_in_force_from_its_first_transaction_on() -> None:
    """Of several at one time, that one is the first; what lies before the first start is the first bundle's."""
    schedule = Schedule((start(V, NEW_YEAR + 1), start(W, NEW_YEAR + 5, first="c"), start(V, NEW_YEAR + 7)))
    assert in_force(schedule, (0, "a"), (1, "a"), (5, "a"), (5, "b"), (5, "c"), (5, "d"), (6, "a"), (7, "a")) == (
        "11112221"
    )


def test_a_first_transaction_that_is_not_there_is_not_waited_for() -> None:
    assert in_force(Schedule((start(V), start(W, NEW_YEAR + 5, first="f"))), (5, "a"), (6, "a")) == "12"


def test_each_partition_goes_on_at_its_own_moment() -> None:
    schedule = Schedule(
        (start(V, None, 0), start(W, NEW_YEAR + 3, 0), start(V, None, 1), start(W, NEW_YEAR + 6, 1)), partitions=2
    )
    rows = [(time, name) for time in range(2, 8) for name in "ab"]
    assert in_force(schedule, *rows, partitions="01") == "112121212222"


def test_a_bundle_may_score_a_single_transaction() -> None:
    """As after a crash between an alert and its flag."""
    schedule = Schedule((start(V), start(W, NEW_YEAR + 5, first="b"), start(V, NEW_YEAR + 5, first="c")))
    assert in_force(schedule, (5, "a"), (5, "b"), (5, "c"), (5, "d")) == "1211"


def test_a_partition_of_which_nothing_is_said_is_an_error() -> None:
    with pytest.raises(OptionError, match="'b' of customer 'b', expected none of partition 1, of which the schedule"):
        in_force(Schedule((start(V, None, 0),), partitions=2), (1, "a"), (2, "b"), partitions="01")


def test_a_log_of_many_partitions_takes_no_room() -> None:
    """Anybody can write any number into a file."""
    schedule = Schedule((start(V), start(W, NEW_YEAR + 5)), partitions=10**15)
    assert in_force(schedule, (4, "a"), (5, "b"), partitions="01") == "12"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    schedule = Schedule((start(V, NEW_YEAR + 1, 0, "a"), start(W, None, 3)), partitions=4)
    path = tmp_path / "s.json"
    path.write_bytes(encode_schedule(schedule))
    assert read_schedule(path) == schedule


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{", "Input data was truncated"),
        ({}, "missing required field `bundles`"),
        ({"bundles": []}, "got no bundles"),
        ({"bundles": [{"version": "../x"}]}, "got version '../x'"),
        ({"bundles": [{"version": V, "form": 1}]}, "unknown field `form`"),
        ({"bundles": [{"version": V, "partition": 0}]}, "got partition 0, expected one of 0"),
        ({"bundles": [{"version": V, "partition": 4}], "partitions": 4}, "got partition 4, expected one of 4"),
        ({"bundles": [{"version": V}], "partitions": 0}, "got 0 partitions"),
        ({"bundles": [{"version": V, "from": "yesterday"}]}, "Invalid RFC3339"),
        ({"bundles": [{"version": V, "from": "2024-01-01T00:00:00"}]}, "timezone"),
        ({"bundles": [{"version": V, "from": "2024-01-01T00:00:00Z", "customer_id": "x"}]}, "together"),
        ({"bundles": [{"version": V, "customer_id": "x", "transaction_id": "y"}]}, "together"),
        ({"bundles": [{"version": V, "from": "2024-01-02T00:00:00Z"}, {"version": W, "from": "2024-01-01T00:00:00Z"}]},
         "bundle 2: got a start before 2024-01-02T00:00:00Z"),
        ({"bundles": [{"version": V}, {"version": W}]}, "bundle 2: got a second start"),
        ({"bundles": [{"version": V, "from": "0001-01-01T00:00:00+14:00"}, {"version": W}]},
         "before -62135647200000 ms since 1970"),
        ({"bundles": [{"version": V, "percent": 10}]}, "bundle 1: got `percent`, expected it with a share alone"),
        ({"bundles": [{"version": V}], "rules": [{"version": "none", "percent": 10}]}, "rule set 1: got `percent`"),
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused_in_words(tmp_path: Path, given: Any, words: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(given if isinstance(given, str) else json.dumps(given))
    with pytest.raises(OptionError, match=words):
        read_schedule(path)


def test_a_schedule_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="No such file"):
        read_schedule(tmp_path / "none.json")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_home(tmp_path_factory.mktemp("schedule"))
    (made / "models").mkdir()
    for name in "ab":
        version = read_bundle(made / name).manifest.version
        shutil.copytree(made / name, made / "models" / version)
        (made / "models" / "current").write_text(version)
    return made


def scores(home: Path, tmp_path: Path, name: str, *words: str) -> dict[str, tuple[Any, ...]]:
    path = tmp_path / f"{name}.parquet"
    assert backtest(home, "--scores-out", str(path), *words) == EXIT_OK
    rows = pq.read_table(path).to_pylist()
    return {row["transaction_id"]: (row["score"], row["level"], row["bundle_version"]) for row in rows}


def test_a_backtest_scores_each_transaction_with_the_bundle_that_was_in_force(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four partitions that go on at different moments, back and forth: every score is that of its bundle alone."""
    versions = [read_bundle(home / name).manifest.version for name in "ab"]
    (rows,) = open_dataset(home / "cards.parquet").rows()
    block, count = rows.block, len(rows.block)
    dice = np.random.default_rng(7)
    starts, due = [], {}
    for partition in range(4):
        mine = [n for n in range(count) if partition_of(block.customer_id[n].encode(), 4) == partition]
        cuts = [0, *sorted(dice.choice(len(mine), 3, replace=False).tolist())]
        for turn, cut in enumerate(cuts):
            row = mine[cut]
            starts.append(
                Start(versions[turn % 2], partition, to_datetime(int(block.event_time[row])), block.customer_id[row],
                      block.transaction_id[row])
            )  # fmt: skip
            due.update({block.transaction_id[n]: turn % 2 for n in mine[cut:]})
    path = tmp_path / "schedule.json"
    path.write_bytes(encode_schedule(Schedule(tuple(starts), 4)))
    each = [scores(home, tmp_path, name, "--bundle", str(home / name)) for name in "ab"]
    capsys.readouterr()
    out = ("--out", str(tmp_path / "tables"))
    found = scores(home, tmp_path, "by", "--bundle", str(home / "models"), "--schedule", str(path), *out)
    assert found == {name: each[due[name]][name] for name in found}
    assert set(due) == set(found)
    whole = json.loads((tmp_path / "tables" / "backtest.json").read_text())["bundles"]["schedule"]
    by = {version: sum(levels.values()) for version, levels in whole["by_bundle"].items()}
    assert by == {version: sum(number == n for number in due.values()) for n, version in enumerate(versions)}
    said = capsys.readouterr().out
    assert said.startswith("schedule: ")
    assert f"digest {whole['digest']}" in said
    high = sum(level == "high" for _, level, _ in found.values())
    assert sum(levels["high"] for levels in whole["by_bundle"].values()) == high


def test_one_bundle_by_a_schedule_comes_to_its_own_digest_and_cases(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = read_bundle(home / "a").manifest.version
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps({"bundles": [{"version": version}]}))

    def told(*words: str) -> tuple[str, str]:
        assert backtest(home, *words) == EXIT_OK
        lines = capsys.readouterr().out.splitlines()
        [total], [digest] = ([line for line in lines if line.startswith(word)] for word in ("total", "digest"))
        return total, digest

    assert told("--bundle", str(home / "models"), "--schedule", str(path)) == told()


@pytest.mark.parametrize("option", [("--thresholds", "0.1"), ("--rules", "none")])
def test_a_schedule_says_all_that_decides_and_each_bundle_has_its_own_threshold(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, str]
) -> None:
    path = tmp_path / "schedule.json"
    path.write_text(json.dumps({"bundles": [{"version": read_bundle(home / "a").manifest.version}]}))
    words = ("--bundle", str(home / "models"), "--schedule", str(path), *option)
    assert backtest(home, *words) == EXIT_FAILED
    assert f"{option[0]}: got {option[1]} with --schedule, expected none" in capsys.readouterr().err


def filled(path: Path, customers: str = "abcdef") -> dict[str, str]:
    """A store of two partitions, where each customer's transactions are scored by V, and from the third on by W."""
    topics = topics_of("")
    with open_store(path) as store:
        store.remember_identity(Identity("c", {}, 2, ""))
        for partition in range(2):
            mine = [name for name in customers if partition_of(name.encode(), 2) == partition]
            owner = store.take_over(topics.transactions, partition, first_offset=0).owner
            rows = [
                flag(n, NEW_YEAR + n, partition=partition, customer=mine[n % len(mine)])._replace(
                    bundle_version=V if n < 2 else W
                )
                for n in range(5)
            ]
            store.commit_flags(
                owner, expected=0, next_offset=5, newest_event_time=NEW_YEAR + 4, outputs=Outputs(0, 0, 0), rows=rows
            )
    return {"TRUSTLENS_DB": str(path)}


def test_the_command_writes_what_the_store_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment, path = filled(tmp_path / "risk.db"), tmp_path / "schedule.json"
    assert scorer(["schedule", str(path)], environment) == EXIT_OK
    assert capsys.readouterr().out == f"{path}: 4 starts of 2 bundles\n"
    schedule = read_schedule(path)
    assert schedule.partitions == 2
    assert [(each.version, each.partition, each.transaction_id, each.event_time) for each in schedule.bundles] == [
        (version, partition, f"t{n}", NEW_YEAR + n) for partition in range(2) for version, n in ((V, 0), (W, 2))
    ]
    assert scorer(["schedule", str(path)], environment) == EXIT_FAILED
    assert scorer(["schedule", str(path), "--force"], environment) == EXIT_OK


def test_of_a_transaction_that_was_pruned_the_time_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment, path = filled(tmp_path / "risk.db"), tmp_path / "schedule.json"
    with open_store(tmp_path / "risk.db") as store:
        store.remove({0: NEW_YEAR + 1, 1: NEW_YEAR}, NEW_YEAR, {})
    assert scorer(["schedule", str(path)], environment) == EXIT_OK
    assert f"{V}: its first transaction of partition 0 was pruned" in capsys.readouterr().err
    first, *_ = read_schedule(path).bundles
    assert (first.transaction_id, to_text(first.event_time)) == (None, to_text(NEW_YEAR))


def test_customers_whom_another_partitioner_placed_are_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = filled(tmp_path / "risk.db")
    stranger = next(name for name in "abcdef" if partition_of(name.encode(), 2) == 1)
    with open_store(tmp_path / "risk.db") as store:
        owner = store.take_over("transactions", 0, first_offset=0).owner
        store.commit_flags(
            owner, expected=5, next_offset=6, newest_event_time=NEW_YEAR, outputs=Outputs(0, 0, 0),
            rows=[flag(5, customer=stranger)],
        )  # fmt: skip
    assert scorer(["schedule", str(tmp_path / "s.json")], environment) == EXIT_FAILED
    assert f"got customer '{stranger}' in partition 0, expected 1" in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()


def test_a_bundle_that_began_with_a_late_transaction_cannot_be_told_by_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A backtest would refuse the file; in the order of event time, another bundle was in force there."""
    environment = filled(tmp_path / "risk.db")
    customer = next(name for name in "abcdef" if partition_of(name.encode(), 2) == 1)
    with open_store(tmp_path / "risk.db") as store:
        owner = store.take_over("transactions", 1, first_offset=0, owner="w").owner
        store.commit_flags(
            owner, expected=5, next_offset=6, newest_event_time=NEW_YEAR + 4, outputs=Outputs(0, 0, 0),
            rows=[flag(5, NEW_YEAR + 1, partition=1, customer=customer)._replace(bundle_version=V)],
        )  # fmt: skip
    assert scorer(["schedule", str(tmp_path / "s.json")], environment) == EXIT_FAILED
    said = capsys.readouterr().err
    assert f"{V} starts at offset 5 of partition 1 with a transaction of {to_text(NEW_YEAR + 1)}, expected none" in said
    assert f"before {to_text(NEW_YEAR + 2)}" in said
    assert not (tmp_path / "s.json").exists()


def test_a_store_in_which_nothing_was_scored_has_no_schedule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_store(tmp_path / "risk.db").close()
    assert scorer(["schedule", str(tmp_path / "s.json")], {"TRUSTLENS_DB": str(tmp_path / "risk.db")}) == EXIT_FAILED
    assert "nothing was scored yet" in capsys.readouterr().err
