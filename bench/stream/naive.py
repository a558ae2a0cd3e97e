"""Naive Faust, the way tutorials write it: a JSON record, one event at a time, a table in memory for the windows, the
scikit-learn estimator's predict_proba for one row, an insert and a commit for each row.

What it does not do beside what by_hand.py leaves out: rows and flags come twice after a crash (Faust commits offsets
every few seconds, and the rows are there at once), no rejects, no epochs against a stale owner. Kinder than tutorials
are: rows for the model are lists, not data frames; SQLite has a log beside its file and does not wait for the disk.
"""

import argparse
import os
import warnings
from pathlib import Path

import faust
import joblib
import numpy as np

from bench.stream.by_hand import Learned, features, nothing
from bench.stream.flags_table import INSERT, open_flags, row_of

PARTITIONS = 4


class Transaction(faust.Record, serializer="json"):
    transaction_id: str
    event_time: str
    customer_id: str
    currency: str
    merchant_id: str | None = None
    merchant_category: str | None = None
    amount: float | None = None
    channel: str | None = None
    device_id: str | None = None
    country: str | None = None


class Flag(Transaction, serializer="json"):
    score: float | None = None
    level: str | None = None
    bundle_version: str | None = None
    source_partition: int | None = None
    source_offset: int | None = None


def made(brokers: str, prefix: str, store: Path, folder: Path) -> faust.App:
    learned, model = Learned(folder), joblib.load(folder / "model.joblib")
    connection = open_flags(store)
    app = faust.App(
        prefix + "naive",
        broker=f"kafka://{brokers}",
        store="memory://",
        datadir=store.with_suffix(".faust"),
        topic_partitions=PARTITIONS,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    transactions = app.topic(prefix + "transactions", value_type=Transaction)
    flags = app.topic(prefix + "risk-flags", value_type=Flag)
    alerts = app.topic(prefix + "high-risk-alerts", value_type=Flag)
    pasts = app.Table("pasts", default=nothing)

    @app.agent(transactions)
    async def score(stream: faust.Stream) -> None:
        async for event in stream.events():
            transaction = event.value.asdict()
            past = pasts[event.value.customer_id]
            found = features(transaction, past)
            pasts[event.value.customer_id] = past
            raw = model.predict_proba([learned.row(found)])[0][1]
            probability = float(np.interp(raw, learned.raw, learned.probability))
            flag = Flag(
                **transaction,
                score=probability,
                level=learned.level(probability),
                bundle_version=learned.version,
                source_partition=event.message.partition,
                source_offset=event.message.offset,
            )
            await flags.send(key=event.value.customer_id, value=flag)
            if flag.level == "high":
                await alerts.send(key=event.value.customer_id, value=flag)
            connection.execute(INSERT, row_of(flag.asdict()))
            connection.commit()

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    # LightGBM was trained on names and says at every call that a list has none.
    warnings.filterwarnings("ignore", "X does not have valid feature names")
    environment = os.environ
    store, folder = Path(environment["TRUSTLENS_DB"]), parser.parse_args().bundle
    app = made(environment["TRUSTLENS_BROKERS"], environment["TRUSTLENS_TOPIC_PREFIX"], store, folder)
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main()
