"""One look for all plots: colours that the colour-blind can tell apart, and line styles besides. And their files:

PNG for slides, SVG for the page, where colours become variables of the style sheet.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from console.terminal import harmless
from evaluation.comparison import ModelPredictions

# The page swaps each of these for a variable of its style sheet, so that plots follow light and dark.
INK, MUTED, GRID = "#1d2733", "#5b6876", "#dbe1e7"
# After Okabe and Ito.
BLUE, ORANGE, GREEN, PURPLE, BROWN = "#0072b2", "#d98200", "#009e73", "#b5609a", "#8a6d3b"
COLOURS = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    BLUE: "blue",
    ORANGE: "orange",
    GREEN: "green",
    PURPLE: "purple",
    BROWN: "brown",
}

# Of models that are not the champion. An odd number, so that each stands with either of two colours: fourteen look all
# different, which is more than there are families. All are short enough for the legend.
DASHES = ("-", "-.", (0, (3, 1)), (0, (6, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (7, 3)), (0, (1, 3)))

SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "path.simplify": True,
    # Names come from data: a dollar is a dollar.
    "text.parse_math": False,
    "text.usetex": False,
}


LONGEST_NAME = 48  # characters of a feature's


@contextmanager
def drawing(**more: Any) -> Iterator[None]:
    """Our look, and nothing of a name taken for markup. A sign that the font lacks is a box, and no warning."""
    with mpl.rc_context(SETTINGS | more), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        yield


class Line(NamedTuple):
    """How one model is drawn, the same in every plot."""

    model: ModelPredictions
    style: dict[str, Any]


def lines(models: Sequence[ModelPredictions], baselines: Sequence[ModelPredictions], champion: str) -> list[Line]:
    """The champion last, so that it is drawn on top."""
    others = [each for each in models if each.name != champion]
    winner = next(each for each in models if each.name == champion)
    drawn = [
        Line(each, {"color": colour, "linewidth": 1.5, "linestyle": style})
        for each, colour, style in zip(baselines, cycle((PURPLE, BROWN)), cycle(((0, (1, 1.2)), (0, (4, 2)))),
                                       strict=False)
    ]  # fmt: skip
    drawn += [
        Line(each, {"color": colour, "linewidth": 1.6, "linestyle": style})
        for each, colour, style in zip(others, cycle((ORANGE, GREEN)), cycle(DASHES), strict=False)
    ]
    return [*drawn, Line(winner, {"color": BLUE, "linewidth": 2.6, "linestyle": "-"})]


def panel(width: float = 5.8, height: float = 4.3) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def one_line(name: str, longest: int = LONGEST_NAME) -> str:
    """In one line, and leaving room for the bars."""
    plain = harmless(name)
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def legend(figure: Figure, axes: Any) -> None:
    """Above the plot, where no curve can run into it; what was drawn last, which matters most, comes first."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=3, columnspacing=1.4)


class Plot(NamedTuple):
    name: str  # of its PNG
    figure: Figure


DOTS_PER_INCH = 160


def write_png(plot: Plot, folder: Path) -> None:
    with drawing(**{"savefig.facecolor": "white"}):
        plot.figure.savefig(folder / f"{plot.name}.png", dpi=DOTS_PER_INCH)


def inline_svg(plot: Plot, description: str) -> str:
    """To stand in a page: no prologue, no metadata, nothing that a browser would fetch, ids of its own."""
    text = io.StringIO()
    with drawing(**{"svg.hashsalt": plot.name, "svg.id": plot.name}):
        plot.figure.savefig(text, format="svg")
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Every plot names its groups alike ("axes_1"), and ids must be unique in a page.
    svg = re.sub(r'id="(figure_|axes_|patch_|text_|line2d_|matplotlib|xtick|ytick|legend|PathC|LineC)[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg)
    # The page's own font; matplotlib names the one it measured with.
    svg = re.sub(r"font: ((?:\d+ )?[\d.]+px)[^;\"]*", _font, svg)
    for colour, name in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)


def _font(found: re.Match[str]) -> str:
    *weight, size = found[1].split()
    return f"font-size: {size}" + (f"; font-weight: {weight[0]}" if weight else "")
