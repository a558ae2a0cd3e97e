"""What the trainer's commands say: results on standard output, progress and notices on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Advance(Protocol):
    def __call__(self, rows: int, /) -> None: ...


@contextmanager
def progress(stage: str, total: int | None) -> Iterator[Advance]:
    """A bar on a terminal; nothing elsewhere, so that a log stays readable."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task(stage, total=total, rate="")

        def advance(rows: int, /) -> None:
            bar.advance(task, rows)
            speed = bar.tasks[task].speed
            bar.update(task, rate=f"{speed:,.0f}/s" if speed else "")

        yield advance


def notice(text: str) -> None:
    err.print(f"notice: {text}", markup=False)


def warn(text: str) -> None:
    err.print(f"warning: {text}", markup=False)
