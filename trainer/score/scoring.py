"""Every row of a dataset through one bundle's pipeline: what `score` writes, and notebooks get."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from console.terminal import notice
from risk.bundle import Bundle
from risk.dataset import Dataset, open_dataset
from risk.dataset.labels_file import LabelsFile
from risk.dataset.map_file import load_map
from risk.dataset.opened import CHUNK_ROWS
from risk.decision import Scored
from risk.errors import DatasetError
from trainer.backtest.checks import (
    check_currency,
    warn_of_cold_start,
    warn_of_lacking_columns,
    warn_of_sensitive_features,
)
from trainer.backtest.labels import Missing, check_labels, labels_beside
from trainer.backtest.period import Period, check_period
from trainer.passage import Batch, Chunk, Lane, passed
from trainer.score.results import Results


class Ready(NamedTuple):
    """A file that may be scored."""

    dataset: Dataset
    labels: LabelsFile | None  # instead of the dataset's own
    missing: list[Missing]  # what is wrong with every score, for want of labels


def opened(
    file: Path,
    bundle: Bundle,
    columns: Path | None,
    labels: Path | None,
    *,
    without_labels: bool,
    chunk_rows: int = CHUNK_ROWS,
) -> Ready:
    """Everything that backtest asks before anything is scored."""
    dataset = open_dataset(file, None if columns is None else load_map(columns), chunk_rows=chunk_rows)
    for text in dataset.notices:
        notice(text)
    ends = check_period(dataset, Period(None, None))
    check_currency(dataset, [bundle])
    warn_of_lacking_columns(dataset, [bundle])
    warn_of_sensitive_features(dataset, [bundle])
    warn_of_cold_start([bundle], ends, ends)
    beside = None if labels is None else labels_beside(dataset, labels)
    return Ready(dataset, beside, check_labels(dataset, [bundle], beside, ends, may_lack=without_labels))


@contextmanager
def scored(ready: Ready, bundle: Bundle, advance: Callable[[int], None]) -> Iterator[Results]:
    """What the rows came to."""
    dataset = ready.dataset
    with Results(dataset.row_count, bundle.manifest, lacks_labels=bool(ready.missing)) as results:
        dataset.on_bad = results.refuse
        batches: list[tuple[Batch, Scored]] = []
        with passed(chunks(ready), [Lane(bundle)]) as steps:
            for step in steps:
                if isinstance(step, Chunk):
                    results.add(step.rows, batches)
                    batches = []
                    advance(len(step.rows.block))
                else:
                    (answer,) = step.scored
                    batches.append((step.batch, answer))
        if not results.digest.count:
            raise DatasetError(
                f"{dataset.path}: got no row that can be scored, expected transactions; {dataset.bad.count:,} rows "
                "cannot be read. `python -m trainer inspect` with the same --columns tells why."
            )
        yield results


def chunks(ready: Ready) -> Generator[Chunk, None, None]:
    for rows in ready.dataset.rows():
        yield Chunk(rows, rows.labels() if ready.labels is None else ready.labels.labels(rows))
