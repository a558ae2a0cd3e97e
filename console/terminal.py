"""What commands say: results on standard output, progress and notices on standard error."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

out = Console(highlight=False, emoji=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


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


class StdoutError(Exception):
    """What is said cannot be written: a full disk behind a redirection, say."""


def say(text: str = "") -> None:
    """A line of the result."""
    try:
        out.print(harmless(text), markup=False)
    except OSError as error:
        raise StdoutError(f"standard output: cannot be written ({error.strerror}); redirect it elsewhere") from None


def say_table(lines: Sequence[Sequence[str]], *, left: int = 1) -> None:
    """Lines of cells, the first the titles; so many columns from the left are flush left, the others right. Never cut:
    what is read by a program, or in a log, has no width."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    for line in lines:
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        say("  ".join(cells).rstrip())


def harmless(text: str) -> str:
    """A file's names and values are shown, not obeyed: control characters are orders to a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


_reworded: ContextVar[Callable[[str], str]] = ContextVar("_reworded", default=str)


@contextmanager
def reworded(words: Callable[[str], str]) -> Iterator[None]:
    """Notices and warnings pass through `words` meanwhile: who calls a function gave no options of a command."""
    token = _reworded.set(words)
    try:
        yield
    finally:
        _reworded.reset(token)


def notice(text: str) -> None:
    err.print(harmless(f"notice: {_reworded.get()(text)}"), markup=False)


def warn(text: str) -> None:
    err.print(harmless(f"warning: {_reworded.get()(text)}"), markup=False)


def complain(text: str) -> None:
    """What is wrong, where a command ends with a status of its own for it."""
    err.print(harmless(f"error: {text}"), markup=False)
