"""The queries that stand ready. Each answers within the time limit however much the store holds: what looks at many
transactions looks at the newest of the time asked for, and at most at so many."""

from enum import StrEnum
from typing import NamedTuple

MOST_ROWS = 100_000
MOST_DAYS = 36_500


class Kind(StrEnum):
    """What a parameter is: the value is the kind of its field in a form."""

    TEXT = "text"
    DAYS = "number"
    DATE = "date"


class Asked(NamedTuple):
    """A parameter, and what an empty field stands for."""

    name: str
    label: str
    empty: str
    kind: Kind = Kind.TEXT
    is_needed: bool = False  # without it nothing is asked


class Query(NamedTuple):
    name: str
    title: str
    meaning: str
    sql: str
    asked: tuple[Asked, ...] = ()
    most_rows: int | None = None  # where it ends by itself


_DAYS = Asked("days", "Days, back from the end", "30", Kind.DAYS)
_UNTIL = Asked("until", "Last day; empty for the newest", "newest", Kind.DATE)
_CUSTOMER = Asked("customer_id", "Customer", "whose history", is_needed=True)


def _recent(columns: str) -> str:
    return f"""with until as (
  select case when :until = '' then (select max(newest_event_time) from partitions)
         else unixepoch(:until, '+1 day') * 1000 - 1 end as ms
), recent as (
  select {columns} from risk_flags
  where event_time <= (select ms from until)
    and event_time > (select ms from until) - case when :days = '' then 30 else :days end * 86400000
  order by event_time desc
  limit {MOST_ROWS}
)"""


_RECENT = _recent("source_partition, source_offset")
# How much of the days asked for is looked at, and since when.
LOOKED_AT = f"{_recent('event_time')} select count(*), min(event_time) from recent"

_NEWEST = f"Of the days asked for, at most the newest {MOST_ROWS:,} transactions are looked at."

# The sentences of the reasons, the weightiest first.
_WHY = "(select group_concat(reason.value ->> 'sentence', ' • ') from json_each(reasons) as reason) as why"

QUERIES = (
    Query(
        "top_categories",
        "Categories with the highest risk",
        f"Kinds of merchant by the share of their transactions that are of high risk. {_NEWEST}",
        f"""{_RECENT}
select coalesce(merchant_category, '(none)') as merchant_category, count(*) as transactions,
  sum(level = 'high') as high, round(100.0 * sum(level = 'high') / count(*), 2) as high_percent,
  round(avg(score), 4) as mean_score, currency, round(sum(amount) filter (where level = 'high'), 2) as high_amount
from recent join readable_flags using (source_partition, source_offset)
group by merchant_category, currency
order by high_percent desc, transactions desc""",
        (_DAYS, _UNTIL),
    ),
    Query(
        "monthly_volume",
        "Volume by month and level",
        "The newest sixty months, in UTC: transactions and amounts of each level. Out of the reporter's figures, which "
        "count every transaction once, as counting them again would take too long.",
        """select each.value ->> 'month' as month, each.value ->> 'level' as level,
  each.value ->> 'currency' as currency,
  each.value ->> 'transactions' as transactions, round(each.value ->> 'total', 2) as amount
from json_each(kpis(), '$.months') as each
order by month desc, currency, transactions""",
    ),
    Query(
        "risk_by_age_or_hour",
        "Risk by the customer's age, else by hour",
        "By ten years of age where transactions bring the attribute age or customer_age; by hour of the day (UTC) "
        f"where they do not. {_NEWEST}",
        f"""{_RECENT}, aged as (
  select level, score, cast(substr(event_time, 12, 2) as integer) as hour,
    cast(coalesce(attributes ->> '$.age', attributes ->> '$.customer_age') as integer) / 10 * 10 as age
  from recent join readable_flags using (source_partition, source_offset)
)
select case when age is null then printf('%02d:00 to %02d:59 UTC', hour, hour)
       else printf('age %d to %d', age, age + 9) end as age_or_hour,
  count(*) as transactions, sum(level = 'high') as high,
  round(100.0 * sum(level = 'high') / count(*), 2) as high_percent, round(avg(score), 4) as mean_score
from aged
group by age, case when age is null then hour end
order by age is null, age, hour""",
        (_DAYS, _UNTIL),
    ),
    Query(
        "flagged_customers",
        "Customers with the most money at risk",
        f"Customers by the amount of their transactions of high risk. {_NEWEST}",
        f"""{_RECENT}
select customer_id, count(*) as high, currency, round(sum(amount), 2) as high_amount,
  round(max(score), 4) as highest_score, max(event_time) as newest, count(is_fraud) as labelled,
  sum(is_fraud = 1) as known_frauds
from recent join readable_flags using (source_partition, source_offset)
where level = 'high'
group by customer_id, currency
order by high_amount desc
limit 100""",
        (_DAYS, _UNTIL),
        100,
    ),
    Query(
        "customer_history",
        "History of one customer",
        "The newest 500 transactions of one customer, with scores, reasons and what became known.",
        f"""select event_time, amount, currency, level, score, is_fraud,
  {_WHY},
  merchant_category, merchant_id, channel, country, transaction_id
from customer_flags
where customer_id = :customer_id
order by event_time desc
limit 500""",
        (_CUSTOMER,),
        500,
    ),
    Query(
        "worst_misses",
        "Worst misses",
        f"Known frauds that were not of high risk, the largest amounts first. {_NEWEST}",
        f"""{_RECENT}
select event_time, customer_id, amount, currency, level, score, is_fraud, merchant_category, merchant_id, channel,
  transaction_id
from recent join readable_flags using (source_partition, source_offset)
where level <> 'high' and is_fraud = 1
order by amount desc
limit 100""",
        (_DAYS, _UNTIL),
        100,
    ),
    Query(
        "worst_false_alarms",
        "Worst false alarms",
        f"Transactions of high risk that are known to be genuine, the highest scores first. {_NEWEST}",
        f"""{_RECENT}
select event_time, customer_id, amount, currency, level, score, is_fraud,
  {_WHY},
  merchant_category, merchant_id, channel, transaction_id
from recent join readable_flags using (source_partition, source_offset)
where level = 'high' and is_fraud = 0
order by score desc
limit 100""",
        (_DAYS, _UNTIL),
        100,
    ),
    Query(
        "alerts_of_the_last_day",
        "Alerts of the last day",
        "Transactions of high risk in the last 24 hours of event time, newest first, at most 500. "
        f"At most the newest {MOST_ROWS:,} transactions are looked at.",
        f"""with recent as (
  select source_partition, source_offset from risk_flags
  where event_time > (select max(newest_event_time) from partitions) - 86400000
  order by event_time desc
  limit {MOST_ROWS}
)
select event_time, customer_id, amount, currency, level, score, is_fraud,
  {_WHY},
  merchant_category, merchant_id, channel, country, transaction_id
from recent join readable_flags using (source_partition, source_offset)
where level = 'high'
order by event_time desc
limit 500""",
        most_rows=500,
    ),
)
