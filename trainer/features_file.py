"""features: what the models will see of each transaction, as a Parquet file."""

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from console.options import checked_target, settings_of
from console.output import replaced
from console.terminal import notice, progress, say
from risk.catalogue import EngineTerms
from risk.dataset import open_dataset
from risk.dataset.map_file import load_map
from risk.engine import Verdict
from risk.errors import OptionError
from risk.money import EXPONENTS
from trainer.ahead import ahead
from trainer.parquet_columns import number_column, text_column
from trainer.replay import (
    Passed,
    Replay,
    check_labels_in_time,
    check_something_scored,
    currency_of,
    notices_of,
    warn_of_left_out,
    warn_of_unlabelled_days,
)


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    if options.currency is not None and options.currency not in EXPONENTS:
        raise OptionError(f"--currency: got {options.currency!r}, expected an ISO 4217 code such as EUR")
    inputs = [path for path in (options.file, options.columns) if path is not None]
    target = checked_target("--out", options.out, ".parquet", force=options.force, inputs=inputs)
    column_map = load_map(options.columns) if options.columns else None
    dataset = open_dataset(options.file, column_map, chunk_rows=settings.chunk_rows)
    for text in notices_of(dataset):
        notice(text)
    currency = options.currency or currency_of(dataset)
    replay = Replay(dataset, EngineTerms(currency, settings.label_delay, settings.bucket, settings.max_lateness))
    with replaced(target) as (temporary,):
        write_features(replay, temporary)
        check_something_scored(replay)
        check_labels_in_time(replay)
        warn_of_unlabelled_days(replay)
    _report(replay, target)
    return 0


def write_features(replay: Replay, path: Path) -> None:
    """A row group for each chunk of the file."""
    schema = _schema(replay)
    with (
        closing(pq.ParquetWriter(path, schema)) as writer,
        progress("features", replay.dataset.row_count) as advance,
        ahead(replay.chunks(), at_most=1) as chunks,
    ):
        for passed in chunks:
            writer.write_table(_table(passed, schema))
            advance(len(passed.rows.block))


def _schema(replay: Replay) -> pa.Schema:
    numbers = [(feature.name, pa.float64()) for feature in replay.feature_set.numbers]
    categories = [(feature.name, pa.string()) for feature in replay.feature_set.categories]
    own = [("transaction_id", pa.string()), ("event_time", pa.timestamp("ms", tz="UTC")), ("is_fraud", pa.int8())]
    return pa.schema([*own, *numbers, *categories])


def _table(passed: Passed, schema: pa.Schema) -> pa.Table:
    rows, batch = passed
    scored = np.flatnonzero(batch.verdicts == Verdict.SCORED)
    all_scored = len(scored) == len(rows.block)
    values, is_fraud = batch.values[scored], rows.is_fraud[scored]

    def chosen(texts: Sequence[str | None]) -> Sequence[str | None]:
        return texts if all_scored else [texts[row] for row in scored.tolist()]

    columns = [
        text_column(chosen(rows.block.transaction_id)),
        number_column(rows.block.event_time[scored], schema.types[1]),
        number_column(is_fraud, pa.int8(), known=is_fraud >= 0),
        *(number_column(values[:, column], pa.float64()) for column in range(values.shape[1])),
        *(text_column(chosen(texts)) for texts in batch.categories.values()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _report(replay: Replay, target: Path) -> None:
    count = len(replay.feature_set.numbers) + len(replay.feature_set.categories)
    say(f"{replay.verdicts[Verdict.SCORED]:,} transactions, {count} features: {target}")
    warn_of_left_out(replay)
