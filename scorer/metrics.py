"""Every metric of the worker, by name, in this one place. docs/metrics of operations are held to it by a test."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from console.listener import Answer, address_of, answering, listener, listening, run
from risk.bundle import Manifest
from risk.clock import DAY, SECOND
from risk.events import Level, RejectReason
from risk.store import Role

STEPS = ("decode", "score", "send", "store")  # and `shadow`, where there is a challenger
_STEP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_LATENCY_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 5, 60, 600)
_BATCH_ROWS = (1, 5, 10, 50, 100, 200, 500, 1000, 2000, 4000)


class Standing(NamedTuple):
    """Where a partition stands."""

    topic: str
    partition: int
    next_offset: int
    lag: int | None
    history_days: int | None = None


class Metrics:
    """What one worker counts. Nothing is registered anywhere but in the registry that is handed in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(f"trustlens_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
            return Gauge(f"trustlens_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], labels: Iterable[str] = ()) -> Histogram:
            return Histogram(f"trustlens_{name}", text, labels, buckets=buckets, registry=registry)

        self.transactions = counter("transactions", "Transactions scored and stored, by level.", ["level"])
        self.rejects = counter(
            "rejects", "Messages that were not scored, by source topic and reason.", ["topic", "reason"]
        )
        self.duplicates = counter("duplicates", "Transactions that this customer had already; not scored again.")
        self.missing = counter(
            "missing_values",
            "Transactions scored without a value in a field that their bundle learned from, by field.",
            ["field"],
        )
        self.labels = counter("labels", "Labels stored.")
        self.alerts = counter("alerts", "High-risk alerts, by model or rules.")
        self.reviews = counter("reviews", "Transactions to be reviewed, by rules; sent to the alerts' topic as well.")
        self.sent = counter("outputs_sent", "Messages sent, by kind.", ["kind"])
        self.present = counter(
            "outputs_present", "Outputs that were there already and not sent again, by kind.", ["kind"]
        )
        self.different = counter(
            "outputs_different", "Outputs that were there with other bytes, and were sent again, by kind.", ["kind"]
        )
        self.foreign = counter(
            "outputs_foreign",
            "Messages that were read back and that no worker wrote, by topic; passed over.",
            ["topic"],
        )
        self.step_seconds = histogram("step_seconds", "Seconds of a batch in each step.", _STEP_SECONDS, ["step"])
        self.batch_rows = histogram("batch_rows", "Records of a batch.", _BATCH_ROWS)
        self.alert_latency = histogram(
            "alert_latency_seconds",
            "From a transaction's Kafka timestamp to its alert's acknowledgement.",
            _LATENCY_SECONDS,
        )
        self.restore_seconds = gauge("restore_seconds", "Seconds that the last rebuilding of histories took.")
        self.restored_rows = gauge("restored_rows", "Rows that the last rebuilding read from the store.")
        self.retries = counter("retries", "What was tried again, by what.", ["what"])
        self.store_wait = counter(
            "store_wait_seconds", "Seconds in which this worker waited for another process that had the store locked."
        )
        self.ledger_day = gauge(
            "ledger_day_timestamp_seconds", "When the newest closed ledger day ended, in event time."
        )
        self.ledger_unreadable = gauge(
            "ledger_unreadable_messages", "Messages of the ledger's topic that nobody can read."
        )
        self.ledger_wait = counter("ledger_wait_seconds", "Seconds in which transactions waited for a ledger day.")
        self.without_day = counter("flags_without_ledger_day", "Flags that went on without a ledger day that was due.")
        self.on_closed_day = counter(
            "transactions_on_closed_day", "Transactions of a ledger day that was closed already."
        )
        self.days_closed = counter("ledger_closings", "Ledger days that this worker closed and published.")
        self.newest_event = gauge(
            "newest_event_timestamp_seconds", "Event time of the newest transaction, by partition.", ["partition"]
        )
        self.history_needed = gauge(
            "history_needed_seconds", "How far back the longest window of the bundle in use looks, in event time."
        )
        self.last_commit = gauge("last_commit_timestamp_seconds", "When this worker last stored a batch.")
        self.broker_answered = gauge(
            "broker_answered_timestamp_seconds", "When a broker last told this worker where its partitions end."
        )
        self.bundle = gauge("bundle_info", "The bundle that scores; always 1.", ["version", "model"])
        self.rules = gauge("rules_info", "The rule set that decides beside the model; always 1.", ["version"])
        self.challenger = gauge(
            "challenger_info", "The bundle that scores in the shadow of the one in use; always 1.", ["version", "model"]
        )
        self.refused = {
            role: gauge(f"{role}_refused", f"1 while this worker does not take {what}.")
            for role, what in (
                (Role.BUNDLE, "the promoted bundle and goes on with another"),
                (Role.RULES, "the rule set in force and goes on with another, or none"),
                (Role.CHALLENGER, "the challenger"),
            )
        }
        self.refusals = {
            role: counter(f"{role}_refusals", f"{what} that this worker did not take.")
            for role, what in (
                (Role.BUNDLE, "Promoted bundles"),
                (Role.RULES, "Rule sets put in force"),
                (Role.CHALLENGER, "Challengers"),
            )
        }
        self.share = gauge(
            "challenger_share_percent", "Of the customers, for how many the challenger decides; 0 where it does not."
        )
        self.given_transactions = counter(
            "challenger_decisions", "Transactions that a challenger decided, for it has a share of the customers."
        )
        self.shadow_transactions = counter(
            "shadow_transactions", "Transactions that the challenger scored, and whose scores are stored."
        )
        self.shadow_given_up = counter(
            "shadow_given_up", "Transactions that the challenger did not score, for there was no time or it could not."
        )
        self.build = gauge("build_info", "This program; always 1.", ["version", "python"])
        self.up = gauge("up", "1 while the worker runs.")
        self.ready = gauge("ready", "1 while the worker has its partitions and works on them.")
        for level in Level:
            self.transactions.labels(level.value)
        for kind in ("flags", "alerts", "rejects"):
            for series in (self.sent, self.present, self.different):
                series.labels(kind)
        for step in STEPS:
            self.step_seconds.labels(step)

    def count_topic(self, topic: str) -> None:
        """All reasons of a topic begin at 0, so that the first reject is an increase."""
        for reason in RejectReason:
            self.rejects.labels(topic, reason.value)

    def scores_with(self, manifest: Manifest, before: Manifest | None = None) -> None:
        """From now on, in place of the one before."""
        self.bundle.labels(manifest.version, manifest.model).set(1)
        self.history_needed.set(manifest.horizon.longest * DAY / SECOND)
        if before is not None:
            self.bundle.remove(before.version, before.model)

    def decides_by(self, rules_version: str | None) -> None:
        """From now on; None where no rule set is in force."""
        self.rules.clear()
        if rules_version is not None:
            self.rules.labels(rules_version).set(1)

    def challenger_is(self, manifest: Manifest | None) -> None:
        """From now on; None where there is none."""
        self.challenger.clear()
        if manifest is not None:
            self.challenger.labels(manifest.version, manifest.model).set(1)


def answer(registry: CollectorRegistry, host: str, port: int) -> tuple[str, Callable[[], None]]:
    """In a thread of its own, so that a worker whose loop hangs is seen; the address, and how to end it."""
    advice = "another worker may have it: give this one its own by --metrics-port, or 0, which picks a free one"
    door = listening(host, port, "TRUSTLENS_METRICS_HOST", "--metrics-port or TRUSTLENS_METRICS_PORT", advice)

    async def metrics() -> Answer:
        return Answer(200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry))

    server = listener(answering({"/metrics": metrics}))
    thread = threading.Thread(target=run, args=([(server, door)],), name="metrics", daemon=True)
    thread.start()

    def close() -> None:
        server.should_exit = True
        thread.join()
        door.close()

    return address_of(door), close


class Standings:
    """Lag, next offset and visible past by partition, asked when somebody looks: one that went elsewhere is gone."""

    def __init__(self, ask: Callable[[], Iterable[Standing]]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "trustlens_lag_messages",
            "Records behind the end of a partition, as of the last fetch.",
            labels=["topic", "partition"],
        )
        offset = GaugeMetricFamily(
            "trustlens_next_offset", "The next offset to be worked on, by partition.", labels=["topic", "partition"]
        )
        past = GaugeMetricFamily(
            "trustlens_history_seconds",
            "How much of the past the newest score could see, in event time; at most what is needed, less while the "
            "partition warms up.",
            labels=["partition"],
        )
        for standing in self._ask():
            where = [standing.topic, str(standing.partition)]
            offset.add_metric(where, standing.next_offset)
            if standing.lag is not None:
                lag.add_metric(where, standing.lag)
            if standing.history_days is not None:
                past.add_metric([str(standing.partition)], standing.history_days * DAY / SECOND)
        yield lag
        yield offset
        yield past
