"""A challenger's share in a worker on real Kafka: it comes, grows, pauses and ends while the worker runs, and whoever
scores the same log again comes to the same, assignment included."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from risk.bundle import CURRENT
from risk.settings import PREFIX
from risk.share import Share
from risk.store import Role, open_store
from risk.versions import Versions
from testing.brokers import TestKafka, new_prefix
from testing.systems import System, Worker, digest, system
from tests.test_scorer_rules import PARTITIONS, said_on, send_turn
from trainer.__main__ import main as trainer

TURNS: tuple[float | None, ...] = (20.0, 50.0, 50.0, None, 50.0)
RESTARTED = 2


class Worked(NamedTuple):
    """A history that went through a worker while a challenger had shares of the customers."""

    system: System
    history: Path
    in_use: str
    challenger: str

    def said(self, topic: str) -> list[dict[str, Any]]:
        return said_on(self.system, topic)


@pytest.fixture(scope="module")
def worked(kafka: TestKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    with system(kafka, new_prefix(), tmp_path_factory.mktemp("share"), partitions=PARTITIONS) as made:
        history = made.make_history(customers=20, days=15)
        in_use = (made.models / "current").read_text().strip()
        challenger = made.make_bundle(bias=-5.0)
        assert made.run(trainer, "promote", in_use, "--force", "--models", str(made.models)).code == 0
        worker = made.start()
        for turn, percent in enumerate(TURNS):
            share = () if percent is None else ("--share", f"{percent:g}")
            said = made.run(trainer, "promote", challenger, "--shadow", *share, "--models", str(made.models))
            assert said.code == 0, said
            wanted = challenger if percent is None else f"{challenger} for {percent:g} % of the customers"
            worker.until(partial(_is_challenger, worker, wanted))
            if turn == RESTARTED:
                worker.stop()
                worker = made.start()
            send_turn(made, worker, history, turn)
        worker.stop()
        yield Worked(made, history, in_use, challenger)


def _is_challenger(worker: Worker, wanted: str) -> bool:
    return re.findall(r"the challenger is (.*)$", worker.said(), re.MULTILINE)[-1:] == [wanted]


def test_flags_and_alerts_name_the_share_and_each_customers_bundle(worked: Worked) -> None:
    flags, alerts = (worked.said(topic) for topic in (worked.system.topics.flags, worked.system.topics.alerts))
    seen = set()
    for flag in flags:
        share = flag.get("share")
        if share is None:
            assert flag["bundle_version"] == worked.in_use
            continue
        due = Share(worked.in_use, worked.challenger, share["percent"])
        assert share == {"in_use": due.in_use, "challenger": due.challenger, "percent": due.percent}
        assert flag["bundle_version"] == due.decides(flag["customer_id"])
        seen.add((flag["bundle_version"], share["percent"]))
    assert seen == {(version, percent) for version in (worked.in_use, worked.challenger) for percent in (20.0, 50.0)}
    by_source = {(flag["source_partition"], flag["source_offset"]): flag for flag in flags}
    assert alerts
    for alert in alerts:
        flag = by_source[alert["source_partition"], alert["source_offset"]]
        assert (alert.get("share"), alert["bundle_version"]) == (flag.get("share"), flag["bundle_version"])


def test_the_store_and_status_know_from_when(worked: Worked) -> None:
    """A restart neither ends a share nor begins one."""
    with open_store(worked.system.store, read_only=True) as store:
        starts, bundles = store.share_starts(), store.starts(Role.BUNDLE)
    for partition in range(PARTITIONS):
        mine = [start.percent for start in starts if start.partition == partition]
        assert mine == [20.0, 50.0, None, 50.0]
        assert [start.version for start in bundles if start.partition == partition] == [worked.in_use]
    said = worked.system.scorer("status")
    assert said.code == 0, said
    assert re.search(rf"^{worked.challenger} +50 ", said.out, re.MULTILINE)


JOINING = """
import os, sys
from scorer.__main__ import main
from scorer.worker import process

def app_that_would_join(ownership, **_):
    print(ownership._pipelines.versions, flush=True)
    os._exit(0)

process.make_app = app_that_would_join
main(sys.argv[1:], os.environ)
"""


def test_a_worker_knows_the_share_before_it_joins_its_group(worked: Worked) -> None:
    """Or its first chunks would be decided as if there were none."""
    made = worked.system
    words = ["worker", "--bundle", str(made.models / CURRENT), "--metrics-port", "0"]
    environment = {**os.environ, **made.environment}
    said = subprocess.run(
        [sys.executable, "-c", JOINING, *words], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == f"{Versions(worked.in_use, None, Share(worked.in_use, worked.challenger, 50.0))}\n"


@pytest.mark.proof
def test_whoever_scores_the_log_again_comes_to_the_same(worked: Worked, tmp_path: Path) -> None:
    """The audit, a backtest by the schedule, and a worker with an empty store that finds what was sent."""
    made = worked.system
    said = made.scorer("verify", "--bundle", str(made.models), "--complete")
    assert said.code == 0, said
    schedule = tmp_path / "schedule.json"
    assert made.scorer("schedule", str(schedule)).code == 0
    assert made.digest_of(worked.history, "--schedule", str(schedule)) == digest(said)
    with open_store(made.store, read_only=True) as store:
        rows, starts = list(store.flags()), store.share_starts()
    sent = [worked.said(topic) for topic in (made.topics.flags, made.topics.alerts)]
    made.store.rename(tmp_path / "risk.db")
    worker = made.start()
    made.until_scored(worker)
    worker.stop()
    with open_store(made.store, read_only=True) as store:
        assert list(store.flags()) == rows
        assert [start._replace(stored_at=0) for start in store.share_starts()] == [
            start._replace(stored_at=0) for start in starts
        ]
    assert [worked.said(topic) for topic in (made.topics.flags, made.topics.alerts)] == sent


def test_what_was_decided_by_another_bundle_than_its_share_says_is_found_by_itself(
    worked: Worked, tmp_path: Path
) -> None:
    """A store that claims a smaller share than decided: given customers beyond it should not have been given."""
    made = worked.system
    store = tmp_path / "risk.db"
    assert made.scorer("backup", str(store)).code == 0
    with closing(sqlite3.connect(store)) as connection:
        rows = connection.execute("select customer_id, bundle_version from risk_flags where share like '%50.0%'")
        smaller = Share(worked.in_use, worked.challenger, 20.0)
        wrong = sum(smaller.decides(customer) != version for customer, version in rows.fetchall())
        connection.execute("update risk_flags set share = replace(share, '50.0', '20.0')")
        connection.commit()
    made.environment[f"{PREFIX}DB"] = str(store)
    said = made.scorer("verify", "--bundle", str(made.models))
    made.environment[f"{PREFIX}DB"] = str(made.store)
    assert said.code == 1, said
    assert f"decided by another bundle than a challenger's share says: {wrong:,} transactions" in said.out
    example = (
        rf"^  partition \d, offset \d+, customer '.*' was decided by {worked.challenger}, expected {worked.in_use}"
    )
    assert len(re.findall(example, said.out, re.MULTILINE)) == 5
    assert "NOT identical" in said.out


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("delete from share_starts", "and the store says {in_use}"),
        ("update share_starts set percent = 30 where percent = 20", "{challenger} for 30 % of the customers"),
        pytest.param("update share_starts set percent = 1e305", "and the store says {in_use}", marks=pytest.mark.proof),
        pytest.param(
            "update share_starts set challenger = 'linear-00000000'",
            "linear-00000000 for 20 % of the customers",
            marks=pytest.mark.proof,
        ),
        ("delete from bundle_starts", "and the store says nothing"),
        pytest.param(
            "insert into rules_starts values (0, 0, 'rules-0000000000000000', 0, 0)",
            "{in_use} with rules-0000000000000000",
            marks=pytest.mark.proof,
        ),
        (
            "update risk_flags set share = replace(share, '50.0', '1e305')",
            "and the store says {in_use}, and {challenger}",
        ),
        pytest.param(
            "update share_starts set event_time = event_time + 1",
            "that a share begins with a transaction of",
            marks=pytest.mark.proof,
        ),
        (
            "insert into share_starts values (0, 5, '{challenger}', 20, 0, 0)",
            "that a share begins with a transaction of",
        ),
    ],
)
def test_what_a_flag_says_of_its_share_is_compared_with_the_store(
    worked: Worked, tmp_path: Path, statement: str, said: str
) -> None:
    """A flag is no witness of what was in force: who forges one in topic and store alike names what he likes."""
    made, names = worked.system, {"in_use": worked.in_use, "challenger": worked.challenger}
    store = tmp_path / "risk.db"
    assert made.scorer("backup", str(store)).code == 0
    with closing(sqlite3.connect(store)) as connection:
        connection.execute(statement.format(**names))
        connection.commit()
    made.environment[f"{PREFIX}DB"] = str(store)
    found = made.scorer("verify", "--bundle", str(made.models))
    made.environment[f"{PREFIX}DB"] = str(made.store)
    assert found.code == 1, found
    assert said.format(**names) in found.out
    assert "NOT identical" in found.out


def test_of_a_challenger_that_is_gone_only_its_own_is_not_compared(worked: Worked, tmp_path: Path) -> None:
    made = worked.system
    (made.models / worked.challenger).rename(tmp_path / "gone")
    said = made.scorer("verify", "--bundle", str(made.models))
    (tmp_path / "gone").rename(made.models / worked.challenger)
    count = sum(flag["bundle_version"] == worked.challenger for flag in worked.said(made.topics.flags))
    assert said.code == 1
    assert f"bundle not at hand: {worked.challenger}, which {count:,} flags name; not compared" in said.out
    assert "different:" not in said.out
