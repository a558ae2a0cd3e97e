"""Every row of a dataset through one bundle's pipeline: what `score` writes, and notebooks get."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from risk.bundle import Bundle
from risk.dataset import Dataset
from risk.dataset.labels_file import LabelsFile
from risk.decision import Scored
from risk.errors import DatasetError
from trainer.passage import Batch, Chunk, Lane, passed
from trainer.score.results import Results


@contextmanager
def scored(
    dataset: Dataset,
    bundle: Bundle,
    labels: LabelsFile | None,
    advance: Callable[[int], None],
    *,
    lacks_labels: bool,
) -> Iterator[Results]:
    """What the rows came to. `labels`: instead of the dataset's own; `lacks_labels`: some are missing, and every score
    is to say so."""
    with Results(dataset.row_count, bundle.manifest, lacks_labels=lacks_labels) as results:
        dataset.on_bad = results.refuse
        batches: list[tuple[Batch, Scored]] = []
        with passed(_chunks(dataset, labels), [Lane(bundle)]) as steps:
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


def _chunks(dataset: Dataset, labels: LabelsFile | None) -> Generator[Chunk, None, None]:
    for rows in dataset.rows():
        yield Chunk(rows, rows.labels() if labels is None else labels.labels(rows))
