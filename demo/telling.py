"""How the demo speaks: a line for each step, and in a terminal a picture that moves. Elsewhere plain lines."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import StringIO
from pathlib import Path
from time import monotonic

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

from demo.picture import write_picture

WIDEST = 100
NAME_WIDTH = 8
# Where the words of a step begin.
INDENT = 1 + 2 + NAME_WIDTH + 2
PLAIN_EVERY_SECONDS = 5.0


class Step:
    """What is being done, and in the end what came of it."""

    def __init__(self) -> None:
        self.came: RenderableType = ""


class Watching:
    """What is shown again and again: the picture in a terminal, elsewhere the line, and that not too often."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self.newest: RenderableType = ""
        self._console, self._live = console, live
        self._told_at = float("-inf")

    def tell(self, line: str) -> None:
        """What happens once: in a terminal it is part of the picture."""
        if self._live is None:
            self._console.print(f"  {line}", markup=False, soft_wrap=True)

    def show(self, picture: RenderableType, line: str, *, is_last: bool = False) -> None:
        self.newest = picture
        if self._live is not None:
            self._live.update(picture, refresh=True)
        elif is_last or monotonic() - self._told_at >= PLAIN_EVERY_SECONDS:
            self._told_at = monotonic()
            self._console.print(line, markup=False, soft_wrap=True)


class Teller:
    def __init__(self, console: Console, *, record: bool = False) -> None:
        """`record`: keep what is shown, for a picture of it."""
        self._moves = console.is_terminal and not console.is_dumb_terminal
        console.width = min(console.width, WIDEST) if self._moves else WIDEST
        self._console = console
        self._mark = "*" if console.options.ascii_only else "\N{CHECK MARK}"
        self._record = _recorder() if record else None
        self._began = monotonic()

    @property
    def height(self) -> int:
        return self._console.height

    def seconds(self) -> float:
        """Since the beginning."""
        return monotonic() - self._began

    def show(self, shown: RenderableType = "") -> None:
        if self._moves:
            self._console.print(shown)
        else:
            self._console.print(_plain(shown), markup=False, soft_wrap=True)
        if self._record is not None:
            self._record.print(shown)

    def now(self, line: str) -> None:
        """What matters only to who looks on, and is no part of a picture of it."""
        self._console.print(line, markup=False, soft_wrap=True, style="dim" if self._moves else None)

    def say(self, line: str) -> None:
        """Whole, however wide the terminal: what is to be copied out of it must not be cut."""
        for console in filter(None, (self._console, self._record)):
            console.print(line, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str, doing: str) -> Iterator[Step]:
        """A line when it is done. One that fails leaves none: the error says what there is to say."""
        step, began = Step(), monotonic()
        with self._console.status(f"{doing} ...") if self._moves else nullcontext():
            yield step
        self.show(self._line(name, step.came, monotonic() - began))

    def _line(self, name: str, came: RenderableType, seconds: float) -> Table:
        line = Table.grid(padding=(0, 2, 0, 0), expand=True)
        line.add_column(width=1, style="green")
        line.add_column(width=NAME_WIDTH, style="bold")
        line.add_column(ratio=1)
        line.add_column(width=4, justify="right", style="dim")
        line.add_row(self._mark, name, came, f"{seconds:.0f} s" if seconds >= 0.5 else "")
        return line

    @contextmanager
    def watching(self) -> Iterator[Watching]:
        """In a terminal the last picture stays."""
        live = Live(console=self._console, auto_refresh=False) if self._moves else None
        with live or nullcontext():
            watching = Watching(self._console, live)
            yield watching
        if self._record is not None:
            self._record.print(watching.newest)

    def save_picture(self, path: Path, title: str) -> None:
        if self._record is not None:
            write_picture(self._record, path, title)


def _recorder() -> Console:
    return Console(
        record=True, file=StringIO(), width=WIDEST, force_terminal=True, color_system="truecolor", highlight=False
    )


def _plain(shown: RenderableType) -> str:
    """Without the spaces that fill a line: a log has no right edge."""
    text = StringIO()
    Console(file=text, width=WIDEST, highlight=False).print(shown)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
