"""The reporter's figures once more, by plain SQL over the whole store: slow, and with nothing remembered."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from kpi_reporter.kpis.values import LARGEST, MISSING, OTHER, SCORE_STEPS, WINDOWS
from risk.clock import DAY, HOUR
from risk.money import scale_of

# Said another way than the store says it.
_IS = "(case when decision is not null then decision = '{0}' else level = '{1}' end)"
_ALERT, _REVIEW = _IS.format("alert", "high"), _IS.format("review", "no level")
_WORKED = f"({_ALERT} or {_REVIEW})"
_RAISED = f"""
select customer_id, event_time / {DAY} as day, bundle_version, min(printf('%020d %05d %020d', event_time,
       source_partition, source_offset))
from risk_flags where {_WORKED} group by customer_id, event_time / {DAY}
"""
_CAUGHT = f"""
with worked as materialized (
    select customer_id, event_time, source_partition, source_offset from risk_flags where {_WORKED}
)
select flag.customer_id, flag.event_time, flag.event_time / {DAY}, flag.amount, flag.currency, flag.bundle_version,
       exists (
           select 1 from worked
           where worked.customer_id = flag.customer_id
             and worked.event_time / {DAY} = flag.event_time / {DAY}
             and (worked.event_time, worked.source_partition, worked.source_offset)
                 <= (flag.event_time, flag.source_partition, flag.source_offset)
       ), (
           select max(labelled_at) from labels
           where labels.customer_id = flag.customer_id and labels.transaction_id = flag.transaction_id
       )
from risk_flags as flag join readable_flags as seen using (source_partition, source_offset) where seen.is_fraud = 1
"""
_KNOWN_ALERTS = f"""
select distinct flag.customer_id, flag.event_time / {DAY}
from (select * from risk_flags where {_WORKED}) as flag
join readable_flags as seen using (source_partition, source_offset) where seen.is_fraud is not null
"""


def figures_by_sql(path: Path) -> dict[str, Any]:
    """What `Kpis` says, as builtins; without newest_write, which is the file's and not in it."""
    connection = sqlite3.connect(path)
    try:
        return _Oracle(connection).figures()
    finally:
        connection.close()


class _Oracle:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.newest = self.one("select max(event_time) from risk_flags")
        self.terms = {version: msgspec.json.decode(manifest) for version, manifest in self.all("select * from bundles")}

    def all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> Any:
        return self.all(sql, *values)[0][0]

    def figures(self) -> dict[str, Any]:
        count = self.one("select count(*) from risk_flags")
        by_level = {
            level: self.one("select count(*) from risk_flags where level = ?", level)
            for level in ("low", "medium", "high")
        }
        by_category, high_by_category, alerts_by_category = self.groups("merchant_category")
        by_channel, high_by_channel, alerts_by_channel = self.groups("channel")
        alerts = self.one(f"select count(*) from risk_flags where {_ALERT}")
        reviews = self.one(f"select count(*) from risk_flags where {_REVIEW}")
        return {
            "transactions": count,
            "by_level": by_level,
            "high_rate": by_level["high"] / count if count else None,
            "by_decision": {"none": count - alerts - reviews, "review": reviews, "alert": alerts},
            "alert_rate": alerts / count if count else None,
            "by_category": by_category,
            "high_by_category": high_by_category,
            "alerts_by_category": alerts_by_category,
            "by_channel": by_channel,
            "high_by_channel": high_by_channel,
            "alerts_by_channel": alerts_by_channel,
            "by_bundle": self.groups("bundle_version")[0],
            "amounts": self.amounts(),
            "customers": self.one("select count(distinct customer_id) from risk_flags"),
            "customers_estimated": False,
            "scores": [
                self.one(
                    f"select count(*) from risk_flags where min(cast(score * {SCORE_STEPS} as int), ?) = ?",
                    SCORE_STEPS - 1,
                    bar,
                )
                for bar in range(SCORE_STEPS)
            ],
            "alerts_last_hour": self.within(HOUR, _ALERT),
            "alerts_last_day": self.within(DAY, _ALERT),
            "reviews_last_hour": self.within(HOUR, _REVIEW),
            "reviews_last_day": self.within(DAY, _REVIEW),
            "days": [
                dict(zip(("day", "transactions", "alerts", "reviews"), row, strict=True))
                for row in self.all(
                    f"with recursive calendar(day) as (select max(event_time) / {DAY} from risk_flags union all "
                    "select day - 1 from calendar limit 38) "
                    f"select day, count(event_time), coalesce(sum({_ALERT}), 0), coalesce(sum({_REVIEW}), 0) "
                    f"from calendar left join risk_flags on event_time / {DAY} = day "
                    f"where day >= (select min(event_time) / {DAY} from risk_flags) "
                    "group by day order by day"
                )
            ],
            "months": self.months(),
            "newest_event": self.newest,
            "places": [
                dict(zip(("topic", "partition", "next_offset", "newest_event"), row, strict=True))
                for row in self.all(
                    "select topic, partition, next_offset, newest_event_time from partitions order by 1, 2"
                )
            ],
            "labels": {
                "fraud": self.one("select count(*) from labels where is_fraud = 1"),
                "genuine": self.one("select count(*) from labels where is_fraud = 0"),
                "newest": self.one("select max(labelled_at) from labels"),
            },
            **self.cold_start(),
            "quality": [self.quality(window) for window in WINDOWS],
            "retraining": self.retraining(),
            "unknown_bundles": [
                version
                for (version,) in self.all("select distinct bundle_version from risk_flags order by 1")
                if version not in self.terms
            ],
        }

    def retraining(self) -> dict[str, Any] | None:
        names = ("number", "begun_at", "alive_at", "outcome", "version", "why")
        newest = self.all(f"select {', '.join(names)} from retrainings order by number desc limit 1")
        if not newest:
            return None
        worked = "ifnull(outcome, '') not in ('waits', 'stopped')"
        return {
            **dict(zip(names, newest[0], strict=True)),
            "worked_at": self.one(
                "select begun_at from retrainings where number = ifnull("
                f"(select max(number) from retrainings where {worked}), (select min(number) from retrainings))"
            ),
            "every_ms": next(
                (
                    every
                    for (every,) in self.all(
                        "select every_ms from retrainings where every_ms not null order by number desc limit 1"
                    )
                ),
                None,
            ),
        }

    def cold_start(self) -> dict[str, Any]:
        """Windows of 7 days; there is no ledger day, so that the ledger is taken to begin where the partition does."""
        said: list[tuple[int, int, int]] = []
        delays: list[int] = []
        firsts: list[int] = []
        for partition, first, newest in self.all(
            "select partition, first_event_time, newest_event_time from partitions where topic like 'tr%'"
        ):
            [*_, (version,)] = self.all(
                "select bundle_version from risk_flags where source_partition = ? order by source_offset", partition
            )
            firsts.append(first)
            if version not in self.terms:
                continue
            delay = self.terms[version]["label_delay_days"]
            delays.append(delay)
            past, ledger = max(newest - first, 0) // DAY, newest // DAY - first // DAY - 1
            ledger = ledger if newest // DAY - first // DAY >= delay else delay - 1
            short = [(seen, all_of_it) for seen, all_of_it in ((past, 7), (ledger, 7 + delay)) if seen < all_of_it]
            if short:
                days, needed = min(days for days, _ in short), max(needed for _, needed in short)
                said.append((days, needed, max(first + 7 * DAY, (first // DAY + 8 + delay) * DAY)))
        label = self.one("select max(labelled_at) from labels")
        behind = (self.one("select max(newest_event_time) from partitions") or 0) - (label or min(firsts, default=0))
        silent = delays and behind > min(delays) * DAY
        return {
            "warming_up": {
                "days": min(days for days, _, _ in said),
                "needed": max(needed for _, needed, _ in said),
                "until": max(until for _, _, until in said),
            }
            if said
            else None,
            "label_silence": {"newest": label, "behind_ms": behind, "label_delay": min(delays)} if silent else None,
        }

    def groups(self, column: str) -> list[dict[str, int]]:
        """All, the high ones, the alerts."""
        rows = self.all(
            f"select ifnull({column}, '{MISSING}') as name, count(*), sum(level = 'high'), sum({_ALERT}) "
            "from risk_flags group by name order by 2 desc, 1"
        )
        found = [{name: counts[place] for name, *counts in rows[:LARGEST]} for place in range(3)]
        if rows[LARGEST:]:
            for place, one in enumerate(found, 1):
                one[OTHER] = sum(row[place] for row in rows[LARGEST:])
        return found

    def amounts(self) -> list[dict[str, Any]]:
        found = []
        for currency, count, known, minor in self.all(
            "select currency, count(*), count(amount), ifnull(sum(amount), 0) from risk_flags group by 1 order by 1"
        ):
            total = minor / scale_of(currency)
            average = total / known if known else None
            found.append(
                {"currency": currency, "transactions": count, "known": known, "total": total, "average": average}
            )
        return found

    def within(self, length: int, which: str) -> int:
        if self.newest is None:
            return 0
        sql = f"select count(*) from risk_flags where {which} and event_time > ?"
        return int(self.one(sql, self.newest - length))

    def months(self) -> list[tuple[Any, ...]]:
        """As a set would be: their order is not in question here."""
        return [
            (month, level, currency, count, minor / scale_of(currency))
            for month, level, currency, count, minor in self.all(
                "select strftime('%Y-%m', event_time / 1000, 'unixepoch'), level, currency, count(*), "
                "ifnull(sum(amount), 0) from risk_flags group by 1, 2, 3 order by 1 desc, 2, 3"
            )
        ]

    def delay(self, day: int) -> int | None:
        versions = [
            version
            for (version,) in self.all(
                f"select distinct bundle_version from risk_flags where event_time / {DAY} = ?", day
            )
        ]
        if any(version not in self.terms for version in versions):
            return None
        return max(self.terms[version]["label_delay_days"] for version in versions)

    def quality(self, window: int) -> dict[str, Any]:
        last = None
        if self.newest is not None and (delay := self.delay(self.newest // DAY)) is not None:
            last = (self.newest + 1) // DAY - 1 - delay
        days = set()
        for (day,) in self.all(f"select distinct event_time / {DAY} from risk_flags"):
            if last is not None and last - window < day <= last:
                delay = self.delay(day)
                if delay is not None and (day + 1 + delay) * DAY <= self.newest + 1:
                    days.add(day)
        raised = [row for row in self.all(_RAISED) if row[1] in days]
        alerts = {(customer, day) for customer, day, _, _ in raised}
        alone = alerts - set(self.all(f"select customer_id, event_time / {DAY} from risk_flags where {_ALERT}"))
        customer_days = sum(
            self.one(f"select count(distinct customer_id) from risk_flags where event_time / {DAY} = ?", day)
            for day in days
        )
        said: dict[str, Any] = {
            "days": window,
            "days_due": len(days),
            "last_day": last,
            "transactions": sum(
                self.one(f"select count(*) from risk_flags where event_time / {DAY} = ?", day) for day in days
            ),
            "customer_days": customer_days,
            "alerts": len(alerts),
            "days_learned": 0,  # no manifest of the small world says when it was trained
        }
        if not self.one("select count(*) from labels"):
            unsaid = ("alerts_with_fraud", "alerts_unlabelled", "frauds_caught", "frauds_missed", "precision", "recall")
            nothing = dict.fromkeys((*unsaid, "false_positive_rate", "label_delay"))
            return (
                said
                | nothing
                | {
                    "money": [],
                    "with_alert": _decided(alerts - alone, None),
                    "reviews_alone": _decided(alone, None),
                }
            )
        frauds = [row for row in self.all(_CAUGHT) if row[2] in days]
        fraud_days = {(customer, day) for customer, _, day, *_ in frauds}
        known = set(self.all(_KNOWN_ALERTS)) | fraud_days
        caught = sum(is_caught for *_, is_caught, _ in frauds)
        right = len(alerts & fraud_days)
        good_days = customer_days - len(fraud_days)
        delays = sorted(labelled_at - time for _, time, *_, labelled_at in frauds)
        return said | {
            "alerts_with_fraud": right,
            "alerts_unlabelled": len(alerts - known),
            "with_alert": _decided(alerts - alone, fraud_days),
            "reviews_alone": _decided(alone, fraud_days),
            "frauds_caught": caught,
            "frauds_missed": len(frauds) - caught,
            "precision": right / len(alerts) if alerts else None,
            "recall": caught / len(frauds) if frauds else None,
            "false_positive_rate": (len(alerts) - right) / good_days if good_days else None,
            "money": self.money(raised, frauds),
            "label_delay": _delays(delays),
        }

    def money(self, raised: list[tuple[Any, ...]], frauds: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}

        def of(version: str) -> dict[str, Any]:
            currency = self.terms[version]["currency"]
            return found.setdefault(currency, {"currency": currency, "saved": 0.0, "lost": 0.0, "review": 0.0})

        for _, _, version, _ in raised:
            of(version)["review"] += self.terms[version]["thresholds"]["review_cost"]
        for _, _, _, amount, currency, version, is_caught, _ in frauds:
            money, terms = of(version), self.terms[version]
            at_stake = amount if amount is not None and currency == terms["currency"] else 0
            loss = at_stake / scale_of(terms["currency"]) * terms["thresholds"]["loss_rate"]
            money["saved" if is_caught else "lost"] += loss
        return [found[currency] for currency in sorted(found)]


def _delays(ordered: list[int]) -> dict[str, int] | None:
    """The least delay that at least half, and nine tenths, of the frauds did not exceed."""
    if not ordered:
        return None

    def within(tenths: int) -> int:
        return next(delay for place, delay in enumerate(ordered, 1) if place * 10 >= tenths * len(ordered))

    return {"frauds": len(ordered), "median": within(5), "ninth_decile": within(9), "longest": ordered[-1]}


def _decided(cases: set[tuple[Any, ...]], fraud_days: set[tuple[Any, ...]] | None) -> dict[str, Any]:
    right = None if fraud_days is None else len(cases & fraud_days)
    return {
        "cases": len(cases),
        "with_fraud": right,
        "precision": right / len(cases) if cases and right is not None else None,
    }
