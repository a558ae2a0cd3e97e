"""Figures to files: PNG for slides, SVG for the page, where colours become variables of the style sheet."""

import io
import re
from pathlib import Path

from trainer.evidence.plot_style import COLOURS, drawing
from trainer.evidence.plots import Plot

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
