"""Every row of a dataset through one bundle's pipeline: what `score` writes, and notebooks get."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from risk.bundle import Bundle
from risk.decision import Scored
from risk.errors import DatasetError
from trainer.backtest.checks import Ready, warn_of_labels
from trainer.passage import Batch, Chunk, Lane, passed
from trainer.score.results import Results


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
        warn_of_labels(dataset, ready.labels)
        yield results


def chunks(ready: Ready) -> Generator[Chunk, None, None]:
    for rows in ready.dataset.rows():
        yield Chunk(rows, rows.labels() if ready.labels is None else ready.labels.labels(rows))
