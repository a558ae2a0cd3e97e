"""The saved queries. Each answers within the time limit however much the store holds: what looks at many transactions
looks at the newest of the time asked for, and at most at so many; and the page says when it did not look at all."""

from enum import StrEnum
from typing import NamedTuple

from risk.store.sqlite.views import DECISION

MOST_ROWS = 100_000
# Each of these asks for its label as well, and each is a page of the file of its own.
MOST_ALERTS = 20_000
MOST_DAYS = 36_500


class Kind(StrEnum):
    """What a parameter is: the value is the kind of its field in a form."""

    TEXT = "text"
    DAYS = "number"
    DATE = "date"


class Parameter(NamedTuple):
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
    parameters: tuple[Parameter, ...] = ()
    most_rows: int | None = None  # where it ends by itself
    cut: str | None = None  # since when it looks, in ms, where that is not since the first of the days asked for


_DAYS = Parameter("days", "Days, back from the end", "30", Kind.DAYS)
_UNTIL = Parameter("until", "Last day; empty for the newest", "newest", Kind.DATE)
_CUSTOMER = Parameter("customer_id", "Customer", "whose history", is_needed=True)


# A review opens a case as an alert does, and is among the alerts wherever nothing else is said.
_ALERTS_FROM = f"risk_flags indexed by alerts_by_event_time where {DECISION} <> 'none' and"

_ASKED_FOR = """with until as (
  select case when :until = '' then (select max(newest_event_time) from partitions)
         else unixepoch(:until, '+1 day') * 1000 - 1 end as ms
), since as (
  select ms - case when :days = '' then 30 else :days end * 86400000 as ms from until
)"""


def _newest(columns: str, *, only_alerts: bool = False) -> str:
    which = _ALERTS_FROM if only_alerts else "risk_flags where"
    return f"""{_ASKED_FOR}, newest as (
  select {columns} from {which}
  event_time <= (select ms from until) and event_time > (select ms from since)
  order by event_time desc
  limit {MOST_ALERTS if only_alerts else MOST_ROWS}
)"""


def _cut(*, only_alerts: bool = False) -> str:
    most = MOST_ALERTS if only_alerts else MOST_ROWS
    columns = _newest("event_time", only_alerts=only_alerts)
    return f"{columns} select case when count(*) = {most} then min(event_time) end from newest"


_RECENT = _newest("source_partition, source_offset")
_ALERTS = _newest("source_partition, source_offset", only_alerts=True)
_MISSED = "worst_misses((select ms from since), (select ms from until))"
_MISSES_CUT = f"""{_ASKED_FOR}
select case when {_MISSED} ->> '$[0]' > (select ms from since) then {_MISSED} ->> '$[0]' end"""

_NEWEST = f"Of the days asked for, at most the newest {MOST_ROWS:,} transactions are looked at."
_NEWEST_ALERTS = f"Of the days asked for, at most the newest {MOST_ALERTS:,} alerts and reviews are looked at."

# The sentences of the model's reasons, the weightiest first, and of the rules that fired and decide.
_WHY = """(select group_concat(sentence, ' • ') from (
    select value ->> 'sentence' as sentence from json_each(reasons)
    union all
    select value ->> 'rule' || ': ' || (value ->> 'sentence') from json_each(rules) where value ->> 'mode' = 'on'
  )) as why"""

QUERIES = (
    Query(
        "top_categories",
        "Categories with the highest risk",
        f"Kinds of merchant by the share of their transactions that are alerts. {_NEWEST}",
        f"""{_RECENT}
select coalesce(merchant_category, '(none)') as merchant_category, count(*) as transactions,
  sum(decision = 'alert') as alerts, round(100.0 * sum(decision = 'alert') / count(*), 2) as alerts_percent,
  sum(decision = 'review') as reviews, round(avg(score), 4) as mean_score, currency,
  round(sum(amount) filter (where decision = 'alert'), 2) as alerts_amount
from newest join readable_flags using (source_partition, source_offset)
group by merchant_category, currency
order by alerts_percent desc, transactions desc""",
        (_DAYS, _UNTIL),
        cut=_cut(),
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
  select decision, score, cast(substr(event_time, 12, 2) as integer) as hour,
    cast(coalesce(attributes ->> '$.age', attributes ->> '$.customer_age') as integer) / 10 * 10 as age
  from newest join readable_flags using (source_partition, source_offset)
)
select case when age is null then printf('%02d:00 to %02d:59 UTC', hour, hour)
       else printf('age %d to %d', age, age + 9) end as age_or_hour,
  count(*) as transactions, sum(decision = 'alert') as alerts,
  round(100.0 * sum(decision = 'alert') / count(*), 2) as alerts_percent, sum(decision = 'review') as reviews,
  round(avg(score), 4) as mean_score
from aged
group by age, case when age is null then hour end
order by age is null, age, hour""",
        (_DAYS, _UNTIL),
        cut=_cut(),
    ),
    Query(
        "flagged_customers",
        "Customers with the most money at risk",
        f"Customers by the amount of their alerts and reviews. {_NEWEST_ALERTS}",
        f"""{_ALERTS}
select customer_id, sum(decision = 'alert') as alerts, sum(decision = 'review') as reviews, currency,
  round(sum(amount), 2) as amount_at_risk,
  round(max(score), 4) as highest_score, max(event_time) as newest, count(is_fraud) as labelled,
  sum(is_fraud = 1) as known_frauds
from newest join readable_flags using (source_partition, source_offset)
group by customer_id, currency
order by amount_at_risk desc
limit 100""",
        (_DAYS, _UNTIL),
        100,
        cut=_cut(only_alerts=True),
    ),
    Query(
        "customer_history",
        "History of one customer",
        "The newest 500 transactions of one customer, with scores, reasons and what became known.",
        f"""select event_time, amount, currency, decision, level, score, is_fraud,
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
        "Known frauds that were neither alerts nor reviews, the largest amounts first. The reporter keeps those of the "
        "days whose labels may still come, about six weeks.",
        f"""{_ASKED_FOR}, newest as (
  select value ->> '$[0]' as source_partition, value ->> '$[1]' as source_offset
  from json_each({_MISSED}, '$[1]')
)
select event_time, customer_id, amount, currency, level, score, is_fraud,
  {_WHY},
  merchant_category, merchant_id, channel, transaction_id
from newest join readable_flags using (source_partition, source_offset)
order by amount desc""",
        (_DAYS, _UNTIL),
        100,
        cut=_MISSES_CUT,
    ),
    Query(
        "worst_false_alarms",
        "Worst false alarms",
        f"Alerts and reviews that are known to be genuine, the highest scores first. {_NEWEST_ALERTS}",
        f"""{_ALERTS}
select event_time, customer_id, amount, currency, decision, level, score, is_fraud,
  {_WHY},
  merchant_category, merchant_id, channel, transaction_id
from newest join readable_flags using (source_partition, source_offset)
where is_fraud = 0
order by score desc
limit 100""",
        (_DAYS, _UNTIL),
        100,
        cut=_cut(only_alerts=True),
    ),
    Query(
        "alerts_of_the_last_day",
        "Alerts of the last day",
        "Alerts and reviews in the last 24 hours of event time, newest first, at most 500.",
        f"""with newest as (
  select source_partition, source_offset from {_ALERTS_FROM}
  event_time > (select max(newest_event_time) from partitions) - 86400000
  order by event_time desc
  limit 500
)
select event_time, customer_id, amount, currency, decision, level, score, is_fraud,
  {_WHY},
  merchant_category, merchant_id, channel, country, transaction_id
from newest join readable_flags using (source_partition, source_offset)
order by event_time desc""",
        most_rows=500,
    ),
)
