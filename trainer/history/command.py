"""`history`: out of the store, or of the log, into a file, and what is said of it."""

import argparse
from contextlib import ExitStack, closing
from pathlib import Path

import pyarrow.parquet as pq

from console.options import checked_target, settings_of
from console.output import unfinished, writing
from console.terminal import notice, progress, say, warn
from risk.bundle import Manifest, read_bundle
from risk.clock import to_date
from risk.errors import StoreError
from risk.store import Store, frozen_store, open_store
from risk.topics import topics_of
from risk.words import counted
from trainer.history.columns import columns_of, schema_of, table_of
from trainer.history.from_store import Days, StoredHistory, days_of_store


def run_history(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    target = checked_target("OUT.parquet", options.out, ".parquet", force=options.force, inputs=[settings.db])
    manifest = read_bundle(options.bundle).manifest
    with ExitStack() as stack:
        if options.from_log:
            from trainer.history.from_log import store_of_log  # the others need no client of Kafka

            store = stack.enter_context(store_of_log(settings, manifest, target, options.since))
        else:
            if (said := frozen_store(settings.db)) is not None:
                notice(said)
            store = stack.enter_context(open_store(settings.db, read_only=True))
        transactions = topics_of(settings.topic_prefix).transactions
        days = days_of_store(store, transactions, manifest.label_delay_days, since=options.since, until=options.until)
        written = write_history(store, transactions, days, manifest, target)
    say_history(written, target)
    return 0


def write_history(store: Store, transactions: str, days: Days, manifest: Manifest, target: Path) -> StoredHistory:
    """The file is whole, or it is not there."""
    history = StoredHistory(store, transactions, days, manifest.label_delay_days)
    columns = columns_of(manifest)
    schema = schema_of(columns)
    with unfinished(target) as (temporary,):
        with writing(target):
            writer = pq.ParquetWriter(temporary, schema)
        with closing(writer), progress("history", None) as advance:
            for rows in history.batches():
                with writing(target):
                    writer.write_table(table_of(rows, columns, schema))
                advance(len(rows))
        if not history.labels:
            raise StoreError(
                f"got no label of the {history.rows:,} transactions from {to_date(days.first)} to "
                f"{to_date(days.last)}, expected some; nothing can be learned without. See whether labels arrive: "
                "`python -m scorer status`"
            )
    return history


def say_history(history: StoredHistory, target: Path) -> None:
    days = history.days
    span = f"{to_date(days.first)} to {to_date(days.last)}"
    frauds = counted(history.frauds, "fraud", "frauds")
    say(f"{target}: {counted(history.rows, 'transaction', 'transactions')} of {span}, {frauds}")
    for text in concerns_of(history):
        warn(text)


def concerns_of(history: StoredHistory) -> list[str]:
    """What whoever learns from it should know."""
    days, found = history.days, []
    if days.pruned_before is not None:
        found.append(
            f"the store is whole from {to_date(days.pruned_before)} on: what was before is pruned, and in the log alone"
        )
    if days.last > days.last_due:
        found.append(
            f"labels are due until {to_date(days.last_due)}: what happened later has a label only where one came "
            "already, which is mostly where it was a fraud. Neither learn from these days nor judge by them"
        )
    if days.silent_until is not None:
        found.append(
            "no label came for longer than the label delay, though transactions did until "
            f"{to_date(days.silent_until)}, so that what happened after {to_date(days.last_due)} counts as not due. "
            "See whether labels still arrive: `python -m scorer status`"
        )
    if history.corrected:
        corrected = counted(history.corrected, "transaction has", "transactions have")
        found.append(
            f"{corrected} a label that was corrected; the newest stands, so that the merchant ledger of a training may "
            "miss what a worker's knew in between"
        )
    gaps = history.gaps
    if gaps is not None:
        found.append(f"{gaps.headline}: {gaps.reason}. Without labels what happened counts as genuine")
    return [*found, *history.behind]
