"""Views for people: times as RFC 3339 text, amounts in major units. Held as data, so that a page can describe them."""

from typing import NamedTuple

from risk.money import EXPONENTS
from risk.store.sqlite.tables import meaning_of


class ViewColumn(NamedTuple):
    name: str
    meaning: str
    sql: str


class View(NamedTuple):
    name: str
    meaning: str
    columns: tuple[ViewColumn, ...]
    source: str

    @property
    def sql(self) -> str:
        chosen = ", ".join(f"{column.sql} as {column.name}" for column in self.columns)
        return f"select {chosen} {self.source}"


def _time(column: str) -> str:
    """The time as `clock.to_text` has it; by whole numbers, as fractions could round to another millisecond."""
    return (
        f"strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000, 'unixepoch') || "
        f"case when {column} % 1000 then printf('.%03dZ', {column} % 1000) else 'Z' end"
    )


def _date(column: str) -> str:
    return f"date({column} * 86400, 'unixepoch')"


def _list(currencies: list[str]) -> str:
    return ", ".join(f"'{currency}'" for currency in currencies)


def _of_type(expression: str, type_: str) -> str:
    """As a column of that type: what is only computed has none, and compares with a text, as every filter of a page's
    address is one, by kind instead of by value."""
    return f"cast({expression} as {type_})"


def _major() -> str:
    by_exponent = {
        exponent: [currency for currency, other in EXPONENTS.items() if other == exponent] for exponent in (0, 3)
    }
    return _of_type(
        f"amount / case when currency in ({_list(by_exponent[0])}) then 1.0 "
        f"when currency in ({_list(by_exponent[3])}) then 1000.0 else 100.0 end",
        "real",
    )


def _as_it_is(table: str, name: str) -> ViewColumn:
    return ViewColumn(name, meaning_of(table, name), name)


def _of(table: str, name: str) -> ViewColumn:
    """Where another table of the view has a column of this name, too."""
    return ViewColumn(name, meaning_of(table, name), f"{table}.{name}")


# Of model and rules together; of the model alone where no rule set was in force. The index alerts_by_event_time has the
# same, and is used only where `<> 'none'` follows.
DECISION = "ifnull(decision, case level when 'high' then 'alert' else 'none' end)"

_FLAG_COLUMNS = (
    ViewColumn("event_time", "when it happened, UTC", _time("event_time")),
    _as_it_is("risk_flags", "transaction_id"),
    _as_it_is("risk_flags", "customer_id"),
    ViewColumn("amount", "in major units of the currency; empty where missing", _major()),
    _as_it_is("risk_flags", "currency"),
    _as_it_is("risk_flags", "merchant_id"),
    _as_it_is("risk_flags", "merchant_category"),
    _as_it_is("risk_flags", "channel"),
    _as_it_is("risk_flags", "device_id"),
    _as_it_is("risk_flags", "country"),
    _as_it_is("risk_flags", "score"),
    _as_it_is("risk_flags", "level"),
    ViewColumn(
        "decision",
        "alert, review or none: of model and rules together, of the level alone where no rule set was in force",
        DECISION,
    ),
    _as_it_is("risk_flags", "reasons"),
    _as_it_is("risk_flags", "rules"),
    _as_it_is("risk_flags", "imputed"),
    _as_it_is("risk_flags", "attributes"),
    ViewColumn("ledger_day", "newest day of the merchant ledger that was looked at", _date("ledger_day")),
    _as_it_is("risk_flags", "bundle_version"),
    _as_it_is("risk_flags", "rules_version"),
    _as_it_is("risk_flags", "share"),
    _as_it_is("risk_flags", "source_partition"),
    _as_it_is("risk_flags", "source_offset"),
)

# The label in force of a row of risk_flags.
LABEL = (
    "from labels where labels.customer_id = risk_flags.customer_id "
    "and labels.transaction_id = risk_flags.transaction_id "
    "and labelled_at >= risk_flags.event_time / 86400000 * 86400000 "
    "order by labelled_at desc, labels.source_partition desc, labels.source_offset desc limit 1"
)
_IS_FRAUD = ViewColumn(
    "is_fraud",
    "1 or 0 by the newest label since the start of its day; empty where there is none",
    f"(select is_fraud {LABEL})",
)

# Not the bare column: SQLite 3.40 puts a value that is asked for into the index's expression as well, and finds no row.
_BY_PIECES = tuple(
    column._replace(sql=_of_type(column.name, "integer")) if column.name == "source_offset" else column
    for column in _FLAG_COLUMNS
)

# The pieces of the index flags_by_customer_in_pieces that can hold rows.
_PIECES = """(
    with recursive piece(number, place, last) as (
        select partition, (select min(source_offset) from risk_flags where source_partition = partition) >> 13,
               (select max(source_offset) from risk_flags where source_partition = partition) >> 13
        from (select distinct partition from partitions)
        union all
        select number, place + 1, last from piece where place < last
    )
    select number, place from piece
) as pieces"""


def _starts(role: str, meaning: str, version: str, of_version: str | None = None) -> View:
    table = f"{role}_starts"
    return View(
        f"readable_{table}",
        f"{meaning}, partition by partition.",
        (
            _as_it_is(table, "partition"),
            _as_it_is(table, "first_offset"),
            ViewColumn(version, of_version or meaning_of(table, version), version),
            ViewColumn("event_time", "when that transaction happened, UTC", _time("event_time")),
            ViewColumn("stored_at", "when it was stored, UTC; empty where unknown", _time("stored_at")),
        ),
        f"from {table}",
    )


VIEWS = (
    View(
        "readable_flags",
        "One row for each scored transaction. Ask by source_partition and source_offset.",
        (*_FLAG_COLUMNS, _IS_FRAUD),
        "from risk_flags",
    ),
    View(
        "customer_flags",
        "The same rows, quick where customer_id = one customer, slow otherwise.",
        (*_BY_PIECES, _IS_FRAUD),
        f"from {_PIECES} cross join risk_flags indexed by flags_by_customer_in_pieces "
        "on source_partition = number and source_offset >> 13 = place",
    ),
    View(
        "readable_labels",
        "Every version of every label.",
        (
            ViewColumn("labelled_at", "when it was found out, UTC", _time("labelled_at")),
            _as_it_is("labels", "customer_id"),
            _as_it_is("labels", "transaction_id"),
            _as_it_is("labels", "is_fraud"),
            _as_it_is("labels", "source"),
            ViewColumn(
                "is_in_force",
                "1 for the newest version; of those with one time, the one that came last",
                _of_type(
                    "not exists (select 1 from labels as other where other.customer_id = labels.customer_id "
                    "and other.transaction_id = labels.transaction_id "
                    "and (other.labelled_at, other.source_partition, other.source_offset) "
                    "> (labels.labelled_at, labels.source_partition, labels.source_offset))",
                    "integer",
                ),
            ),
            _as_it_is("labels", "source_partition"),
            _as_it_is("labels", "source_offset"),
        ),
        "from labels",
    ),
    View(
        "readable_ledger",
        "The merchant ledger: each merchant's transactions and frauds by bucket of event time, out of closed days.",
        (
            ViewColumn("day", "UTC day", _date("day")),
            _as_it_is("ledger_rows", "merchant_id"),
            ViewColumn("bucket_start", "when the bucket begins, UTC", _time("bucket")),
            _as_it_is("ledger_rows", "transactions"),
            _as_it_is("ledger_rows", "frauds"),
            _as_it_is("ledger_rows", "label_delay_days"),
            _as_it_is("ledger_rows", "bucket_ms"),
        ),
        "from ledger_rows",
    ),
    _starts("bundle", "Which bundle scored from when", "bundle_version"),
    _starts(
        "rules",
        "Which rule set decided from when",
        "rules_version",
        "the rule set from there on; empty where there is none any more",
    ),
    View(
        "readable_share_starts",
        "Which challenger decided for a share of the customers from when, partition by partition.",
        (
            _as_it_is("share_starts", "partition"),
            _as_it_is("share_starts", "first_offset"),
            ViewColumn("challenger", "the challenger from there on; empty where none has a share", "challenger"),
            ViewColumn("percent", "its share of the customers, from there on", "percent"),
            ViewColumn("event_time", "when that transaction happened, UTC", _time("event_time")),
            ViewColumn("stored_at", "when it was stored, UTC; empty where unknown", _time("stored_at")),
        ),
        "from share_starts",
    ),
    _starts(
        "challenger",
        "Which challenger was to score from when",
        "bundle_version",
        "the challenger from there on; empty where there is none",
    ),
    View(
        "readable_shadow_scores",
        "One row for each transaction that a challenger scored beside the bundle in use, with both scores. Ask by "
        "source_partition and source_offset.",
        (
            ViewColumn("event_time", "when it happened, UTC", _time("event_time")),
            _as_it_is("risk_flags", "transaction_id"),
            _as_it_is("risk_flags", "customer_id"),
            ViewColumn("amount", "in major units of the currency; empty where missing", _major()),
            _as_it_is("risk_flags", "currency"),
            _of("risk_flags", "bundle_version"),
            _of("risk_flags", "score"),
            _of("risk_flags", "level"),
            ViewColumn("challenger_version", "the bundle that scored it in the shadow", "challengers.version"),
            ViewColumn("challenger_score", meaning_of("shadow_scores", "score"), "shadow_scores.score"),
            ViewColumn(
                "challenger_level",
                "low, medium or high by the challenger's thresholds",
                _of_type("case shadow_scores.level when 0 then 'low' when 1 then 'medium' else 'high' end", "text"),
            ),
            _IS_FRAUD,
            ViewColumn(
                "labelled_at",
                "when that label was found out, UTC; empty where there is none",
                f"(select {_time('labelled_at')} {LABEL})",
            ),
            _of("risk_flags", "source_partition"),
            _of("risk_flags", "source_offset"),
        ),
        "from shadow_scores join risk_flags using (source_partition, source_offset) "
        "join challengers on challengers.code = shadow_scores.challenger",
    ),
    View(
        "readable_shadow_spans",
        "Where a challenger scored every transaction; what lies between two spans it gave up.",
        (
            ViewColumn("challenger_version", "the bundle that scored in the shadow", "challengers.version"),
            _as_it_is("shadow_spans", "source_partition"),
            _as_it_is("shadow_spans", "first_offset"),
            _as_it_is("shadow_spans", "next_offset"),
            _as_it_is("shadow_spans", "transactions"),
        ),
        "from shadow_spans join challengers on challengers.code = shadow_spans.challenger",
    ),
    View(
        "readable_partitions",
        "How far each partition of the input topics is.",
        (
            _as_it_is("partitions", "topic"),
            _as_it_is("partitions", "partition"),
            _as_it_is("partitions", "next_offset"),
            ViewColumn("newest_event_time", "newest scored transaction, UTC", _time("newest_event_time")),
            ViewColumn(
                "first_event_time", "first scored transaction, UTC; empty where not known", _time("first_event_time")
            ),
            _as_it_is("partitions", "owner_epoch"),
            _as_it_is("partitions", "owner"),
            ViewColumn(
                "waiting_since",
                "event time of the record that waits for a ledger day, UTC; empty where none waits",
                "case when (waiting_epoch, waiting_offset) = (owner_epoch, next_offset) "
                f"then {_time('waiting_head')} end",
            ),
        ),
        "from partitions",
    ),
)
