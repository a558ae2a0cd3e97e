"""A few names for notebooks and scripts: the scores of `trainer score`, in memory. docs/recipes.md shows them at work.

Frames are pandas DataFrames or Arrow tables; what goes in comes out, with more columns.
"""

import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from console.terminal import reworded
from risk.bundle import Bundle, read_bundle
from risk.engine import Verdict
from risk.errors import DatasetError, TrustLensError
from risk.rules.rule_set import RuleSet
from risk.rules.rule_set import rules_in_force as read_rules
from trainer.backtest.checks import opened
from trainer.passage import Lane, batches
from trainer.score.results import chunks, scored
from trainer.score.scored_file import check_names, new_columns, new_names, scored_rows, warn_of_lost_columns

__all__ = ["Bundle", "RuleSet", "explain", "read_bundle", "read_rules", "score_file", "score_frame"]

Frame = TypeVar("Frame", pd.DataFrame, pa.Table)
NAME = "frame.parquet"


def score_file(
    file: Path | str,
    bundle: Bundle,
    *,
    columns: Path | str | None = None,
    labels: Path | str | None = None,
    without_labels: bool = False,
    prefix: str = "",
    rules: RuleSet | None = None,
) -> pd.DataFrame:
    """Every row of a file, in its order, with the columns of `trainer score` behind its own."""
    with _in_python():
        ready = opened(Path(file), [bundle], _path(columns), _path(labels), without_labels=without_labels)
        check_names(ready.dataset, prefix, has_rules=rules is not None)
        warn_of_lost_columns(ready.dataset)
        with scored(ready, bundle, _nobody, rules) as results:
            return scored_rows(ready.dataset.source, results, prefix).to_pandas()


def score_frame(
    frame: Frame,
    bundle: Bundle,
    *,
    columns: Path | str | None = None,
    labels: Path | str | None = None,
    without_labels: bool = False,
    prefix: str = "",
    rules: RuleSet | None = None,
) -> Frame:
    """The frame with the columns of `trainer score`; its own stay as they are."""
    with _as_file(frame) as path:
        ready = opened(path, [bundle], _path(columns), _path(labels), without_labels=without_labels)
        check_names(ready.dataset, prefix, has_rules=rules is not None)
        with scored(ready, bundle, _nobody, rules) as results:
            new = new_columns(results, np.arange(len(frame)))
    named = {prefix + name: column for name, column in zip(new_names(has_rules=rules is not None), new, strict=True)}
    if isinstance(frame, pd.DataFrame):
        return frame.assign(**{name: column.to_pandas().to_numpy() for name, column in named.items()})
    for name, column in named.items():
        frame = frame.append_column(name, column)
    return frame


def explain(
    frame: pd.DataFrame | pa.Table,
    bundle: Bundle,
    transaction_ids: Collection[str],
    *,
    columns: Path | str | None = None,
    labels: Path | str | None = None,
    without_labels: bool = False,
) -> pd.DataFrame:
    """Why these transactions scored as they did, whatever their level is: a row for each reason, the weightiest first.
    The frame is their past, too. `transaction_ids`: as texts, each of which must be scored."""
    found: list[tuple[object, ...]] = []
    wanted, lane = set(transaction_ids), Lane(bundle)
    lacking = set(wanted)
    with _as_file(frame) as path:
        ready = opened(path, [bundle], _path(columns), _path(labels), without_labels=without_labels)
        for chunk in chunks(ready):
            lane.learn(chunk.labels)
            for batch in batches(chunk.rows):
                features = lane.features(batch)
                ids = batch.block.transaction_id
                chosen = np.array([one in wanted for one in ids], bool) & (features.verdicts == Verdict.SCORED)
                lacking.difference_update(compress(ids, chosen.tolist()))
                if chosen.any():
                    each = zip(np.flatnonzero(chosen).tolist(), lane.explain(features, chosen), strict=True)
                    found += [
                        (ids[row], reason.feature, reason.value, reason.reference, reason.contribution, reason.sentence)
                        for row, reasons in each
                        for reason in reasons
                    ]
            lane.forget_old_days()
    if lacking:
        first = next(one for one in transaction_ids if one in lacking)
        raise DatasetError(
            f"the frame: {len(lacking):,} of the {len(wanted):,} transactions to explain have no score there, such as "
            f"{first!r}: expected a list of the texts in its transaction_id. Why a row has none, score_frame says."
        )
    names = ["transaction_id", "feature", "value", "reference", "contribution", "sentence"]
    return pd.DataFrame(found, columns=names)


@contextmanager
def _in_python(path: Path | None = None) -> Iterator[None]:
    """What is said is of the command, its options and its file: here they are parameters and, written to `path`, the
    frame."""

    def words(text: str) -> str:
        if path is not None:
            text = text.replace(str(path), "the frame")
            inspected = "`python -m trainer inspect`, of the frame written to a file,"
            text = re.sub(r"`python -m trainer inspect the frame[^`]*`", inspected, text)
        text = text.replace("--without-labels", "without_labels=True")
        text = re.sub(r"--(labels|prefix) (?=FILE|new_|[^ ]+: )", r"\1=", text)
        return re.sub(r"--(labels|prefix|columns)\b", r"\1", text)

    with reworded(words):
        try:
            yield
        except TrustLensError as error:
            raise type(error)(words(str(error))) from None


@contextmanager
def _as_file(frame: pd.DataFrame | pa.Table) -> Iterator[Path]:
    """As the file that a command would read: one way in for all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        with _in_python(path):
            _write(frame, path)
            yield path


def _write(frame: pd.DataFrame | pa.Table, path: Path) -> None:
    try:
        table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError) as error:
        raise DatasetError(
            f"the frame: it is no table ({error}): expected numbers, texts or times in each column, and a name "
            "once. Convert a column of several types, for instance by .astype(str)."
        ) from None
    pq.write_table(table, path)


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)


def _nobody(_rows: int) -> None:
    """Nobody watches the progress."""
