"""One look for all plots: colours that the colour-blind can tell apart, and line styles besides."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

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


@contextmanager
def drawing(**more: Any) -> Iterator[None]:
    """Our look, and nothing of a name taken for markup. A sign that the font lacks is a box, and no warning."""
    with mpl.rc_context(SETTINGS | more), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        yield


class Line(NamedTuple):
    """How one contender is drawn, the same in every plot."""

    contender: ModelPredictions
    style: dict[str, Any]


def lines(contenders: Sequence[ModelPredictions], baselines: Sequence[ModelPredictions], champion: str) -> list[Line]:
    """The champion last, so that it is drawn on top."""
    others = [each for each in contenders if each.name != champion]
    winner = next(each for each in contenders if each.name == champion)
    drawn = [
        Line(each, {"color": colour, "linewidth": 1.5, "linestyle": style})
        for each, colour, style in zip(baselines, _cycle((PURPLE, BROWN)), _cycle(((0, (1, 1.2)), (0, (4, 2)))),
                                       strict=False)
    ]  # fmt: skip
    drawn += [
        Line(each, {"color": colour, "linewidth": 1.6, "linestyle": style})
        for each, colour, style in zip(others, _cycle((ORANGE, GREEN)), _cycle(("-", "-.")), strict=False)
    ]
    return [*drawn, Line(winner, {"color": BLUE, "linewidth": 2.6, "linestyle": "-"})]


def _cycle(values: Sequence[Any]) -> list[Any]:
    return list(values) * 8


def panel(width: float = 5.8, height: float = 4.3) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def legend(figure: Figure, axes: Any) -> None:
    """Above the plot, where no curve can run into it; what was drawn last, which matters most, comes first."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=3, columnspacing=1.4)
