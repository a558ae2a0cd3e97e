"""--scores-out: a score for every transaction, in the file's own order."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from console.output import unfinished, writing
from risk.dataset import Rows
from risk.sentences import rule_sentence
from trainer.backtest.passing import Answer
from trainer.parquet_columns import number_column, text_column

METADATA = "trustlens.labels"
SCHEMA = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("event_time", pa.timestamp("ms", "UTC")),
        ("score", pa.float64()),
        ("level", pa.string()),
        ("bundle_version", pa.string()),
    ]
)
OF_RULES = pa.schema([("decision", pa.string()), ("rules", pa.string()), ("rules_version", pa.string())])


class ScoresFile:
    """Rows come in event-time order. Where that is not the file's, they are kept until the end and sorted: about a
    hundred bytes a row, said to the user by the dataset's own notice."""

    def __init__(
        self,
        writer: pq.ParquetWriter,
        target: Path,
        version: str | None,
        *,
        in_file_order: bool,
        has_rules: bool = False,
    ) -> None:
        self._writer, self._target, self._version = writer, target, version
        self._has_rules = has_rules
        self._kept: list[pa.Table] | None = None if in_file_order else []

    def write(self, rows: Rows, chosen: np.ndarray, answers: list[Answer]) -> None:
        """The chosen rows of a chunk; what was not scored (duplicates, late) has no score."""
        count = len(rows.block)
        scores = np.full(count, np.nan)
        levels = np.full(count, None, object)
        versions = np.full(count, self._version, object)
        for answer in answers:
            scores[answer.places] = answer.scored.scores
            levels[answer.places] = answer.scored.levels
            if answer.versions is not None:
                versions[answer.places] = answer.versions
        texts, times, scores = np.array(rows.block.transaction_id, object), rows.block.event_time, scores[chosen]
        columns = [
            text_column(texts[chosen].tolist()),
            number_column(times[chosen], SCHEMA.field("event_time").type),
            number_column(scores, pa.float64(), known=~np.isnan(scores)),
            text_column(levels[chosen].tolist()),
            text_column(versions[chosen].tolist()),
        ]
        if self._has_rules:
            columns += _of_rules(count, chosen, answers)
        table = pa.Table.from_arrays(columns, schema=_schema(self._has_rules))
        if self._kept is None:
            self._write(table)
        else:
            self._kept.append(table.append_column("row", number_column(rows.row_numbers[chosen], pa.int64())))

    def finish(self) -> None:
        if self._kept:
            self._write(pa.concat_tables(self._kept).sort_by("row").drop_columns(["row"]))

    def _write(self, table: pa.Table) -> None:
        with writing(self._target):
            self._writer.write_table(table)


def _schema(has_rules: bool) -> pa.Schema:
    return pa.unify_schemas([SCHEMA, OF_RULES]) if has_rules else SCHEMA


def _of_rules(count: int, chosen: np.ndarray, answers: list[Answer]) -> list[pa.Array]:
    decisions, rules, versions = columns = [np.full(count, None, object) for _ in OF_RULES]
    for answer in answers:
        decided = answer.scored.decided
        if decided is not None:
            decisions[answer.places] = decided.decisions
            rules[answer.places] = [" | ".join(map(rule_sentence, fired)) or None for fired in decided.fired]
            versions[answer.places] = decided.rules_versions
    return [text_column(column[chosen].tolist()) for column in columns]


@contextmanager
def scores_file(
    target: Path, version: str | None, labels: dict[str, Any], *, in_file_order: bool, has_rules: bool = False
) -> Iterator[ScoresFile]:
    """Whole, or what was there before. `labels`: what is known of them, into the metadata of the schema."""
    schema = _schema(has_rules)
    with unfinished(target) as (temporary,):
        with writing(target):
            writer = pq.ParquetWriter(temporary, schema.with_metadata({METADATA: json.dumps(labels)}))
        try:
            scores = ScoresFile(writer, target, version, in_file_order=in_file_order, has_rules=has_rules)
            yield scores
            scores.finish()
        finally:
            with writing(target):
                writer.close()
