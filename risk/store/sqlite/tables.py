"""What the tables hold, as data: for a page that describes them, held to the schema by a test."""

from typing import NamedTuple

from risk.store.rows import OUTCOMES


class Column(NamedTuple):
    name: str
    meaning: str


class Table(NamedTuple):
    name: str
    meaning: str
    columns: tuple[Column, ...]


def _table(name: str, meaning: str, **columns: str) -> Table:
    return Table(name, meaning, tuple(Column(*column) for column in columns.items()))


TABLES = (
    _table(
        "risk_flags",
        "One row for each scored transaction, named by its place in the transactions topic.",
        source_partition="partition of the transactions topic",
        source_offset="offset in that partition",
        transaction_id="the transaction's id; a customer may use it again after a month",
        customer_id="whose card or account",
        event_time="when it happened, ms since 1970 UTC",
        currency="ISO 4217 code",
        amount="in minor units of the currency; null where missing",
        merchant_id="who was paid",
        merchant_category="kind of merchant",
        channel="how it was paid",
        device_id="device that was used",
        country="where",
        attributes="what else the transaction brought, JSON object",
        score="probability of fraud, 0 to 1",
        level="low, medium or high",
        reasons="JSON list of features, each with its part in the score and a sentence",
        imputed="JSON list of the numbers that were missing and taken as usual",
        ledger_day="newest day of the merchant ledger that was looked at, days since 1970",
        bundle_version="the bundle that scored it",
        decision="none, review or alert, by model and rules together; null where no rule set was in force",
        rules_version="the rule set that decided beside the model; null where none was in force",
        rules="JSON list of the rules that fired, each with what it compared; null where none did",
        share="while a challenger decided for a share of the customers: JSON with in_use, challenger and percent",
    ),
    _table(
        "feature_samples",
        "The features of some scored transactions, as the model got them: what drift is measured by.",
        source_partition="partition of the transactions topic",
        source_offset="offset in that partition",
        features="float32, little-endian, in the order of the bundle that scored it; NaN where a number was missing",
    ),
    _table(
        "labels",
        "Every version of every label.",
        customer_id="whose transaction",
        transaction_id="which transaction of that customer",
        labelled_at="when it was found out, ms since 1970 UTC",
        is_fraud="1 or 0",
        source="who says so",
        source_partition="partition of the labels topic",
        source_offset="offset in that partition where this version came last",
    ),
    _table(
        "partitions",
        "How far each partition of the input topics is, and who works on it.",
        topic="input topic",
        partition="its partition",
        owner_epoch="how often a worker took the partition over; only the last one may write",
        next_offset="the first offset that is not worked on yet",
        newest_event_time="event time of the newest scored transaction, ms since 1970 UTC",
        waiting_head="event time of the first unprocessed record, while its worker waits, ms since 1970 UTC",
        waiting_epoch="the owner epoch for which waiting_head holds",
        waiting_offset="the next offset for which waiting_head holds",
        flags_offset="offset after the last flag known to be sent, same partition of risk-flags",
        alerts_offset="offset after the last alert known to be sent, same partition of high-risk-alerts",
        rejected_offset="offset after the last reject known to be sent, same partition of transactions-rejected",
        owner="the worker that took it over last: its host and process; it may have gone since",
        first_event_time="event time of the first scored transaction of the log, ms since 1970 UTC; null where unknown",
    ),
    _table(
        "ledger_days",
        "The closed days of the merchant ledger. A closed day never changes.",
        label_delay_days="days between a transaction and the ledger it sees",
        bucket_ms="length of a bucket, ms",
        day="UTC day, days since 1970",
        transactions="how many were scored on that day, with or without a merchant",
        topic_offset="offset of its end mark in the ledger's topic",
        is_pruned="1 where its rows were let go of because they are old",
    ),
    _table(
        "ledger_rows",
        "The rows of the closed days: each merchant's transactions and frauds by bucket of event time.",
        label_delay_days="days between a transaction and the ledger it sees",
        bucket_ms="length of a bucket, ms",
        day="UTC day, days since 1970",
        merchant_id="merchant",
        bucket="when the bucket begins, ms since 1970 UTC",
        transactions="how many were scored",
        frauds="how many of them were known as frauds when the day was closed",
    ),
    _table(
        "ledger_progress",
        "One row: where the ledger's topic is read on.",
        next_offset="the first offset that is not read yet",
    ),
    _table(
        "bundles",
        "The bundles that scored what is stored.",
        version="version, as the flags name it",
        manifest="its manifest, JSON",
    ),
    _table(
        "bundle_starts",
        "Which bundle was in use from when: a row for each transaction of a partition for which that was another one "
        "than for the one before it.",
        partition="partition of the transactions topic",
        first_offset="offset of that transaction",
        bundle_version="the bundle in use for it, and for what came after it",
        event_time="when it happened, ms since 1970 UTC",
        stored_at="when it was stored, by the worker's clock, ms since 1970 UTC; null where unknown",
    ),
    _table(
        "rules_starts",
        "Which rule set decided from when: a row for each transaction of a partition that was decided by another one "
        "than the one before it, or by none again.",
        partition="partition of the transactions topic",
        first_offset="offset of that transaction",
        rules_version="the rule set that decided it, and what came after it; null where none was in force any more",
        event_time="when it happened, ms since 1970 UTC",
        stored_at="when it was stored, by the worker's clock, ms since 1970 UTC; null where unknown",
    ),
    _table(
        "share_starts",
        "From when a challenger decided for a share of the customers: a row for each transaction of a partition where "
        "that is another one than before it, or none any more.",
        partition="partition of the transactions topic",
        first_offset="offset of that transaction",
        challenger="the challenger; null where none had a share any more",
        percent="of the customers, from there on; null likewise",
        event_time="when it happened, ms since 1970 UTC",
        stored_at="when it was stored, by the worker's clock, ms since 1970 UTC; null where unknown",
    ),
    _table(
        "rules_refusals",
        "The workers that go on with another rule set than the one that was put in force.",
        owner="the worker: its host and process",
        refused="the rule set that it does not take, or what is named in its place",
        reason="why",
        refused_at="when, by its clock, ms since 1970 UTC",
    ),
    _table(
        "bundle_refusals",
        "The workers that go on with another bundle than the promoted one.",
        owner="the worker: its host and process",
        refused="the bundle that it does not take, or what is named in its place",
        reason="why",
        refused_at="when, by its clock, ms since 1970 UTC",
    ),
    _table(
        "challengers",
        "The bundles that scored in the shadow of the one in use.",
        code="how the shadow's tables name it",
        version="version",
        manifest="its manifest, JSON",
    ),
    _table(
        "challenger_starts",
        "Which challenger was to score from when: a row for each transaction of a partition with which that changed.",
        partition="partition of the transactions topic",
        first_offset="offset of that transaction",
        bundle_version="the challenger from there on; null where there is none",
        event_time="when it happened, ms since 1970 UTC",
        stored_at="when it was stored, by the worker's clock, ms since 1970 UTC; null where unknown",
    ),
    _table(
        "shadow_scores",
        "What challengers made of transactions; nothing of it was sent.",
        source_partition="partition of the transactions topic",
        source_offset="offset in that partition",
        challenger="the challenger that scored it, by its code",
        score="its probability of fraud, 0 to 1",
        level="by the challenger's thresholds: 0 low, 1 medium, 2 high",
    ),
    _table(
        "shadow_spans",
        "Where a challenger scored every transaction; what lies between two spans it gave up.",
        challenger="the challenger, by its code",
        source_partition="partition of the transactions topic",
        first_offset="where the span begins",
        next_offset="the first offset behind it",
        transactions="how many the challenger scored in it",
    ),
    _table(
        "challenger_refusals",
        "The workers that do not take the challenger.",
        owner="the worker: its host and process",
        refused="the bundle that it does not take, or what is named in its place",
        reason="why",
        refused_at="when, by its clock, ms since 1970 UTC",
    ),
    _table(
        "retrainings",
        "Every run of `trainer retrain`.",
        number="counted from 1",
        owner="who does it: its host and process",
        process="the same for programs, with the start of machine and process",
        begun_at="when it began, by its clock, ms since 1970 UTC",
        alive_at="when it said last that it goes on, ms since 1970 UTC",
        stage="what it is at",
        ended_at="when it ended, ms since 1970 UTC; null while it goes on, or was killed unnoticed",
        outcome=", ".join(OUTCOMES),
        version="the bundle that came of it",
        why="why it came to this",
        details="all that it did, JSON",
        every_ms="how often one is to begin, ms; null where nobody said so",
    ),
    _table(
        "identity",
        "One row: the log that the store was made from.",
        cluster_id="the cluster's id; null where the broker does not tell",
        topic_ids="ids of the topics by name, JSON object",
        partitions="how many partitions the topics have",
        prefix="what the topics' names begin with",
    ),
)


def meaning_of(table: str, column: str) -> str:
    return next(one.meaning for each in TABLES if each.name == table for one in each.columns if one.name == column)
