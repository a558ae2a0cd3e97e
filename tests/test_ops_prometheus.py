"""A real Prometheus watches a running worker and reporter: it sees what rules and dashboards ask for, and a fault
becomes a message."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaProducer

from ops.grafana.__main__ import texts
from ops.leashed import Leashed
from ops.metrics_page import exposed
from ops.reporter import LISTENING
from risk.settings import PREFIX
from testing.brokers import TestKafka, new_prefix
from testing.systems import System, Worker, system
from tests.operations import alerts, names_in, recorded, said, tool
from tests.prometheus_runs import TOKEN, Alertmanager, Prometheus, Slack, write_quicker, write_targets


class Reporter:
    """One `python -m kpi_reporter serve`, with a token; it cannot outlive the test."""

    def __init__(self, made: System) -> None:
        environment = {**made.environment, f"{PREFIX}REPORTER_PORT": "0", f"{PREFIX}REPORTER_TOKEN": TOKEN}
        settings = [f"{name}={value}" for name, value in environment.items()]
        command = ["env", "-i", *settings, sys.executable, "-u", "-m", "kpi_reporter", "serve"]
        self._process = Leashed(command, made.folder / "reporter.log")

    def address(self) -> str:
        """Where it answers, once it has said so."""
        while not (found := LISTENING.search(self._process.last_words())):
            try:
                status = self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"the reporter ended with status {status}: {self._process.last_words()}")
        return found[1].removeprefix("http://")

    def kill(self) -> None:
        self._process.kill()


class Watched(NamedTuple):
    system: System
    reporter: Reporter
    prometheus: Prometheus
    slack: Slack

    def watch(self, *workers: Worker) -> None:
        """From now on these workers are watched, and no others."""
        write_targets(self.prometheus.folder, "scorer", map(address_of, workers))


def address_of(worker: Worker) -> str:
    """Where a worker shows its metrics."""
    pattern = r"metrics at http://([\d.]+:\d+)/metrics"
    worker.until(lambda: re.search(pattern, worker.said()) is not None)
    found = re.search(pattern, worker.said())
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def watched(kafka: TestKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A system with one worker that has scored something."""
    folder = tmp_path_factory.mktemp("watched")
    slack = Slack()
    with system(kafka, new_prefix(), folder) as made:
        made.replay(made.make_history(days=12))
        worker = made.start()
        made.until_scored()
        with ExitStack() as stack:
            stack.callback(slack.close)
            reporter = Reporter(made)
            stack.callback(reporter.kill)
            alertmanager = Alertmanager(folder / "alertmanager", slack.url)
            stack.callback(alertmanager.kill)
            targets = {"scorer": [address_of(worker)], "reporter": [reporter.address()]}
            prometheus = Prometheus(folder / "prometheus", targets, alertmanager=alertmanager.address)
            stack.callback(prometheus.kill)
            yield Watched(made, reporter, prometheus, slack)


def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    assert "SUCCESS" in said(tool("promtool"), "check", "config", write_quicker(tmp_path / "prometheus", {}))


@pytest.mark.proof
def test_what_the_rules_ask_for_is_seen(watched: Watched) -> None:
    for job in ("trustlens-scorer", "trustlens-reporter"):
        watched.prometheus.until_seen(f'up{{job="{job}"}} == 1')
    asked = {name for rule in [*alerts(), *recorded()] for name in names_in(rule.expr) if "trustlens:" not in name}
    # Nothing can be said of precision before labels are due, of drift before a week has a thousand samples, nor of
    # retrainings before the first.
    told_later = {name for name in asked if name.startswith(("trustlens_kpi_drift_", "trustlens_kpi_retraining_"))}
    for name in sorted(asked - told_later - {"trustlens_kpi_live_precision_ratio"}):
        watched.prometheus.until_seen(name)


@pytest.mark.proof
def test_all_that_the_programs_show_is_declared(watched: Watched) -> None:
    """What is on no page and in no list would be watched by nobody."""
    watched.prometheus.until_seen("trustlens_kpi_customers")
    watched.prometheus.until_seen("trustlens_up")
    shown = {name for name in watched.prometheus.names() if not name.endswith("_created")}
    assert shown - exposed() - {rule.name for rule in recorded()} == set()


@pytest.mark.proof
def test_the_dashboards_are_answered(watched: Watched) -> None:
    watched.prometheus.until_seen("trustlens_kpi_customers")
    for board in map(json.loads, texts().values()):
        for panel in board["panels"]:
            for target in panel["targets"]:
                watched.prometheus.query(target["expr"].replace("$__rate_interval", "5s"))


@pytest.mark.proof
def test_prometheus_takes_every_rule(watched: Watched) -> None:
    groups = watched.prometheus.get("/api/v1/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert sorted(rule["name"] for rule in rules) == sorted(rule.name for rule in [*alerts(), *recorded()])
    assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []


@pytest.mark.proof
def test_a_stopped_worker_is_an_alert_and_a_message_until_another_comes(watched: Watched) -> None:
    [worker] = watched.system.workers
    gone = address_of(worker)
    watched.prometheus.until_seen("trustlens_up")  # before that, none is there to be down
    watched.prometheus.until_silent("TrustLensWorkerDown")
    worker.stop()
    labels = watched.prometheus.until_firing("TrustLensWorkerDown")
    assert (labels["instance"], labels["severity"]) == (gone, "critical")
    text = f"Worker {gone} cannot be reached\nWhat to do: docs/runbook.md#trustlensworkerdown"
    message = ("CRITICAL: TrustLensWorkerDown", text)
    watched.prometheus.until(lambda: message in watched.slack.messages(), f"Slack is told {message}")
    watched.watch(watched.system.start())
    watched.prometheus.until_silent("TrustLensWorkerDown")
    message = ("over: TrustLensWorkerDown", text)
    watched.prometheus.until(lambda: message in watched.slack.messages(), f"Slack is told {message}")


@pytest.mark.proof
def test_a_stopped_reporter_is_an_alert(watched: Watched) -> None:
    gone = watched.reporter.address()
    watched.prometheus.until_seen("trustlens_kpi_customers")  # before that, the alert is that none is known
    watched.prometheus.until_silent("TrustLensReporterDown")
    watched.reporter.kill()
    assert watched.prometheus.until_firing("TrustLensReporterDown")["instance"] == gone


@pytest.mark.proof
def test_a_flood_of_rejects_is_an_alert(watched: Watched) -> None:
    assert "TrustLensRejectsHigh" not in watched.prometheus.firing()
    topic, address = watched.system.topics.transactions, watched.system.address

    def is_noticed() -> bool:
        asyncio.run(_send_rubbish(address, topic))
        return "TrustLensRejectsHigh" in watched.prometheus.firing()

    watched.prometheus.until(is_noticed, "TrustLensRejectsHigh fires")
    [labels] = watched.prometheus.firing()["TrustLensRejectsHigh"]
    assert labels["input"] == "transactions"


async def _send_rubbish(address: str, topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        for _ in range(20):
            await producer.send_and_wait(topic, b"no transaction", key=b"C1")
