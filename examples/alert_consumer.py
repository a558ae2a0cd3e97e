"""A service downstream of TrustLens: it opens one case for each alert, however often the alert comes. Where rules
decide beside the model (version 2 of the messages), reviews come as alerts do, and the rules that fired are reasons.

    TRUSTLENS_BROKERS=127.0.0.1:9092 python examples/alert_consumer.py cases.db

It may be killed at any moment. The case, and the mark that its alert is handled, are one SQLite transaction; the
offsets are committed after it. After a kill in between alerts come again, and the mark says that they are known.

exit status: 1 no broker, or no database there; 2 options that cannot be understood; 130 ended by Ctrl-C
"""

import argparse
import asyncio
import json
import os
import sqlite3
import sys

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

Alert = tuple[str, str, str, float, str]


def read(value: bytes | None) -> Alert | None:
    """None of what is no alert: anybody may write to a topic, and one such message would end every start."""
    try:
        alert = json.loads(value or b"")
        of, rules = alert["transaction"], [rule for rule in alert.get("rules", ()) if rule["mode"] == "on"]
        reasons = "\n".join(reason["sentence"] for reason in [*alert["reasons"], *rules])
        texts = [alert["alert_id"], of["customer_id"], of["transaction_id"], reasons]
        "".join(texts).encode()  # TypeError of what is no text, UnicodeError of half a character
        return (*texts[:3], float(alert["score"]), reasons)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        sys.stderr.write(f"notice: a message is no alert, and passed over: {error!r}\n")
        return None


def open_cases(path: str) -> sqlite3.Connection:
    cases = sqlite3.connect(path)
    cases.execute("create table if not exists handled (alert_id text primary key) without rowid")
    cases.execute("create table if not exists cases (customer_id text, transaction_id text, score real, reasons text)")
    return cases


def handle(cases: sqlite3.Connection, alert: Alert) -> bool:
    """Whether the alert was new. What is done for it must be in this database, or be safe to do twice."""
    alert_id, *row = alert
    new = cases.execute("insert or ignore into handled values (?)", (alert_id,)).rowcount == 1
    if new:
        cases.execute("insert into cases values (?, ?, ?, ?)", row)
    return new


async def consume(consumer: AIOKafkaConsumer, cases: sqlite3.Connection) -> None:
    while True:
        batch = await consumer.getmany(timeout_ms=1000, max_records=100)
        found = [read(record.value) for records in batch.values() for record in records]
        with cases:
            new = [alert for alert in found if alert is not None and handle(cases, alert)]
        for alert_id, _, _, score, _ in new:
            print(alert_id, score, flush=True)  # noqa: T201 - what there is to see of it
        await consumer.commit()


async def main(cases: str) -> None:
    prefix = os.environ.get("TRUSTLENS_TOPIC_PREFIX", "")
    brokers = os.environ.get("TRUSTLENS_BROKERS", "127.0.0.1:9092")
    # A fixed instance gets its partitions back at once after a kill. There is one, as there is one database.
    group = {"group_id": f"{prefix}alert-consumer", "group_instance_id": "one", "enable_auto_commit": False}
    topic, first = f"{prefix}high-risk-alerts", {"auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer(topic, bootstrap_servers=brokers, **group, **first) as consumer:
        await consume(consumer, open_cases(cases))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("cases", metavar="CASES.db", help="the database of the cases; made if it is not there")
    try:
        asyncio.run(main(options.parse_args().cases))
    except (KafkaError, sqlite3.Error) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
