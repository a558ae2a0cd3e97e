"""The schema, step by step. A step is never changed once it was released: stores out there have gone through it.

`user_version` says how many steps a file has gone through; all that a newer program adds happens in one transaction,
so that a crash in the middle leaves the file as it was.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from sqlite3 import Connection
from threading import Lock
from typing import TYPE_CHECKING

from risk.store.sqlite.views import VIEWS

if TYPE_CHECKING:
    from sqlite_utils import Database

_PLAIN = re.compile(r"""[\s"`\[\]]""")

# "TLns": what the file command and SQLite call the application id.
APPLICATION_ID = 0x544C6E73

_loading = Lock()


def library() -> type[Database]:
    """Of sqlite_utils, and only when it is asked for: few starts make a store. It would load pandas where that is
    installed, half a second and 60 MB, and keeps the answer that there is none; nothing here has a frame for it."""
    with _loading:
        if "sqlite_utils" not in sys.modules and "pandas" not in sys.modules:
            sys.modules["pandas"] = None  # type: ignore[assignment]  # the interpreter's own way to say that there is none
            try:
                import_module("sqlite_utils")
            finally:
                del sys.modules["pandas"]
    from sqlite_utils import Database

    return Database


def _make(
    db: Database, name: str, columns: dict[str, type], *, pk: tuple[str, ...], optional: str = "", zero: str = ""
) -> None:
    """Strict, because a number of another library would otherwise be stored as bytes; without rowid where there is a
    key, because the rows lie in its order then, and are found without a second step."""
    sql = db.create_table_sql(
        name,
        columns,
        pk=pk or None,
        not_null=columns.keys() - set(optional.split()),
        defaults=dict.fromkeys(zero.split(), 0),
        strict=True,
    ).rstrip(";\n ")
    db.execute(f"{sql}, without rowid" if pk else sql)


def _first_schema(db: Database) -> None:
    _make(
        db,
        "risk_flags",
        {
            "source_partition": int,
            "source_offset": int,
            "transaction_id": str,
            "customer_id": str,
            "event_time": int,
            "currency": str,
            "amount": int,
            "merchant_id": str,
            "merchant_category": str,
            "channel": str,
            "device_id": str,
            "country": str,
            "attributes": str,
            "score": float,
            "level": str,
            "reasons": str,
            "imputed": str,
            "ledger_day": int,
            "bundle_version": str,
        },
        pk=("source_partition", "source_offset"),
        optional="amount merchant_id merchant_category channel device_id country attributes reasons imputed ledger_day",
    )
    db.execute("create index flags_by_event_time on risk_flags (event_time)")
    # An index on the customer alone costs 15 µs a row, as nearly every row of a batch belongs on another page. In
    # pieces of 8,192 offsets the pages that are written to are few, and a customer is found with one seek a piece.
    db.execute(
        "create index flags_by_customer_in_pieces on risk_flags (source_partition, source_offset >> 13, customer_id)"
    )
    _make(
        db,
        "labels",
        {
            "customer_id": str,
            "transaction_id": str,
            "labelled_at": int,
            "is_fraud": int,
            "source": str,
            "source_partition": int,
            "source_offset": int,
        },
        pk=("customer_id", "transaction_id", "labelled_at", "is_fraud", "source"),
    )
    # For who reads only the labels that are new. It grows at its end, as labels come in the order of their offsets.
    db.execute("create index labels_by_offset on labels (source_partition, source_offset)")
    _make(
        db,
        "partitions",
        {
            "topic": str,
            "partition": int,
            "owner_epoch": int,
            "next_offset": int,
            "newest_event_time": int,
            "waiting_head": int,
            "waiting_epoch": int,
            "waiting_offset": int,
            "flags_offset": int,
            "alerts_offset": int,
            "rejected_offset": int,
        },
        pk=("topic", "partition"),
        optional="newest_event_time waiting_head waiting_epoch waiting_offset",
        zero="owner_epoch flags_offset alerts_offset rejected_offset",
    )
    kind: dict[str, type] = {"label_delay_days": int, "bucket_ms": int, "day": int}
    _make(
        db,
        "ledger_days",
        {**kind, "transactions": int, "topic_offset": int, "is_pruned": int},
        pk=("label_delay_days", "bucket_ms", "day"),
        zero="is_pruned",
    )
    _make(
        db,
        "ledger_rows",
        {**kind, "merchant_id": str, "bucket": int, "transactions": int, "frauds": int},
        pk=("label_delay_days", "bucket_ms", "day", "merchant_id", "bucket"),
    )
    _make(db, "ledger_progress", {"next_offset": int}, pk=())
    db.execute("insert into ledger_progress values (0)")
    _make(db, "bundles", {"version": str, "manifest": str}, pk=("version",))
    _make(
        db,
        "identity",
        {"cluster_id": str, "topic_ids": str, "partitions": int, "prefix": str},
        pk=(),
        optional="cluster_id",
    )


def _owners_have_names(db: Database) -> None:
    db.execute("alter table partitions add column owner text")


def _high_flags_are_found_by_time(db: Database) -> None:
    """Among the flags of a day, of which a busy system has a hundred million."""
    db.execute("create index high_flags_by_event_time on risk_flags (event_time) where level = 'high'")


def _partitions_have_a_beginning(db: Database) -> None:
    """Where the log's very first record was scored, it is known from when; of another partition it is not, for what
    came first may have been pruned."""
    db.execute("alter table partitions add column first_event_time integer")
    db.execute(
        "update partitions set first_event_time = (select event_time from risk_flags "
        "where source_partition = partition and source_offset = 0) where newest_event_time is not null"
    )


def _bundles_have_starts(db: Database) -> None:
    """Of what was scored before, as far as the flags are still there; nobody knows when that was stored."""
    _make(
        db,
        "bundle_starts",
        {"partition": int, "first_offset": int, "bundle_version": str, "event_time": int, "stored_at": int},
        pk=("partition", "first_offset"),
        optional="stored_at",
    )
    db.execute(
        "insert into bundle_starts (partition, first_offset, bundle_version, event_time) "
        "select source_partition, source_offset, bundle_version, event_time from ("
        "select source_partition, source_offset, bundle_version, event_time, lag(bundle_version) over "
        "(partition by source_partition order by source_offset) as before from risk_flags"
        ") where bundle_version is not before"
    )
    _make(db, "bundle_refusals", {"owner": str, "refused": str, "reason": str, "refused_at": int}, pk=("owner",))


def _features_are_sampled(db: Database) -> None:
    """Of what was scored before, nobody knows them any more."""
    _make(
        db,
        "feature_samples",
        {"source_partition": int, "source_offset": int, "features": bytes},
        pk=("source_partition", "source_offset"),
    )


def _challengers_score_in_the_shadow(db: Database) -> None:
    """Their versions have short numbers, for a row of scores has little else; what else there will be to say of a score
    is a column more."""
    _make(db, "challengers", {"code": int, "version": str, "manifest": str}, pk=("code",))
    _make(
        db,
        "challenger_starts",
        {"partition": int, "first_offset": int, "bundle_version": str, "event_time": int, "stored_at": int},
        pk=("partition", "first_offset"),
        optional="bundle_version stored_at",
    )
    _make(
        db,
        "shadow_scores",
        {"source_partition": int, "source_offset": int, "challenger": int, "score": float, "level": int},
        pk=("source_partition", "source_offset"),
    )
    _make(
        db,
        "shadow_spans",
        {"challenger": int, "source_partition": int, "first_offset": int, "next_offset": int, "transactions": int},
        pk=("challenger", "source_partition", "first_offset"),
    )
    _make(db, "challenger_refusals", {"owner": str, "refused": str, "reason": str, "refused_at": int}, pk=("owner",))


def _retrainings_are_remembered(db: Database) -> None:
    _make(
        db,
        "retrainings",
        {
            "number": int,
            "owner": str,
            "process": str,
            "begun_at": int,
            "alive_at": int,
            "stage": str,
            "ended_at": int,
            "outcome": str,
            "version": str,
            "why": str,
            "details": str,
        },
        pk=("number",),
        optional="ended_at outcome version why details",
    )


def _rules_decide(db: Database) -> None:
    """Beside the model. Where none did, as in all that came before, the columns are null and take a byte each."""
    for name in ("decision", "rules_version", "rules"):
        db.execute(f"alter table risk_flags add column {name} text")
    _make(
        db,
        "rules_starts",
        {"partition": int, "first_offset": int, "rules_version": str, "event_time": int, "stored_at": int},
        pk=("partition", "first_offset"),
        optional="rules_version stored_at",
    )
    _make(db, "rules_refusals", {"owner": str, "refused": str, "reason": str, "refused_at": int}, pk=("owner",))


def _alerts_are_found_by_their_decision(db: Database) -> None:
    """What is high was, while no rules could say otherwise. Alerts and reviews: a team works both."""
    db.execute("drop index high_flags_by_event_time")
    db.execute(
        "create index alerts_by_event_time on risk_flags (event_time) "
        "where ifnull(decision, case level when 'high' then 'alert' else 'none' end) <> 'none'"
    )


def _challengers_have_a_share(db: Database) -> None:
    """Where none had one, as in all that came before, the column is null."""
    db.execute("alter table risk_flags add column share text")
    _make(
        db,
        "share_starts",
        {
            "partition": int,
            "first_offset": int,
            "challenger": str,
            "percent": float,
            "event_time": int,
            "stored_at": int,
        },
        pk=("partition", "first_offset"),
        optional="challenger percent stored_at",
    )


def _retrainings_have_an_interval(db: Database) -> None:
    """Where nobody said how often, as in all that came before, the column is null."""
    db.execute("alter table retrainings add column every_ms integer")


STEPS: tuple[Callable[[Database], None], ...] = (
    _first_schema,
    _owners_have_names,
    _high_flags_are_found_by_time,
    _partitions_have_a_beginning,
    _bundles_have_starts,
    _features_are_sampled,
    _challengers_score_in_the_shadow,
    _retrainings_are_remembered,
    _rules_decide,
    _alerts_are_found_by_their_decision,
    _challengers_have_a_share,
    _retrainings_have_an_interval,
)
VERSION = len(STEPS)


def schema_of(connection: Connection) -> dict[str, str]:
    """The tables and indexes by name, as they were made; spaces and quotes are left out, which libraries set as they
    like. Views hold nothing, and what SQLite makes by itself is in its tables."""
    found = connection.execute("select name, sql from sqlite_schema where type in ('table', 'index') and sql not null")
    return {name: _PLAIN.sub("", sql).lower() for name, sql in found if not name.startswith("sqlite_")}


def expected_schema(version: int) -> dict[str, str]:
    """That of a store which has gone through so many steps."""
    db = library()(memory=True)
    try:
        migrate(db, 0, STEPS[:version])
        return schema_of(db.conn)
    finally:
        db.close()


def migrate(db: Database, done: int, steps: Sequence[Callable[[Database], None]] = STEPS) -> None:
    """From `done` steps to all of them, within the transaction that is open. Views hold nothing, so they are made
    anew."""
    for step in steps[done:]:
        step(db)
    for name in db.view_names():
        db[name].drop()
    for view in VIEWS:
        db.create_view(view.name, view.sql)
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    db.execute(f"pragma user_version = {len(steps)}")
