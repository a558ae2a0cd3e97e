"""What each feature adds to the champion's scores, drawn."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from evaluation.contributions import ContributionSample, contributions_of
from trainer.report.plot_style import BLUE, MUTED, ORANGE, legend, one_line, panel

SWARMS, SWARM_ROWS = 10, 300  # a page holds each point
LONGEST_VALUE = 26  # characters beside a bar; a range of numbers has fewer


def swarms(sample: ContributionSample) -> Figure:
    """A swarm for each of the strongest features: every row of a part of the sample by what the feature adds."""
    strongest = sample.strongest(SWARMS)[::-1]
    rows = np.unique(np.linspace(0, len(sample.values) - 1, min(len(sample.values), SWARM_ROWS)).astype(int))
    figure, axes = panel(width=11.9, height=0.8 + 0.36 * len(strongest))
    axes.axvline(0, color=MUTED, linewidth=0.8)
    for place, column in enumerate(strongest):
        values, added = sample.values[rows, column], sample.contributions[rows, column]
        ranks = np.searchsorted(np.sort(values), values, side="left") / len(values)
        heights = place + _spread_apart(added)
        is_number = sample.names[column] not in sample.words  # of a category no value is high
        low, high = (ranks < 1 / 3) & is_number, (ranks >= 2 / 3) & is_number
        for colour, mine in ((BLUE, low), (MUTED, ~low & ~high), (ORANGE, high)):
            axes.plot(added[mine], heights[mine], marker="o", markersize=2.6, color=colour, alpha=0.75,
                      linestyle="none", markeredgewidth=0)  # fmt: skip
    for colour, name in (
        (ORANGE, "highest third of its values"),
        (MUTED, "middle, or a category"),
        (BLUE, "lowest third"),
    ):
        axes.plot([], [], marker="o", markersize=5, color=colour, linestyle="none", label=name)
    axes.set_yticks(range(len(strongest)), [one_line(sample.names[column]) for column in strongest])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="added to the log odds of fraud", ylim=(-0.6, len(strongest) - 0.4))
    legend(figure, axes)
    return figure


def _spread_apart(added: Any) -> Any:
    """Heights within a swarm: rows that lie side by side alternate above and below, the further the more there are."""
    span = max(float(np.ptp(added)), 1e-9)
    bins = np.round((added - added.min()) / span * 60).astype(int)
    heights = np.zeros(len(added))
    for place in np.unique(bins):
        mine = np.flatnonzero(bins == place)
        step = np.arange(len(mine))
        heights[mine] = (step + 1) // 2 * np.where(step % 2, 1, -1)
    return 0.38 * heights / max(1.0, np.abs(heights).max())


def effects(sample: ContributionSample) -> Figure:
    found = contributions_of(sample)
    assert found is not None
    shown = [each for each in found.features if each.effects]
    figure = Figure(figsize=(11.9, 2.5 * -(-len(shown) // 3)), layout="constrained")
    places = figure.subplots(-(-len(shown) // 3), 3, squeeze=False).ravel()
    for axes in places[len(shown) :]:
        axes.set_axis_off()
    for axes, each in zip(places, shown, strict=False):
        means = [effect.mean for effect in each.effects]
        # Lying, so that whole ranges stand beside them: leaning beneath, the first would reach beyond the plot.
        axes.barh(range(len(means)), means, color=[ORANGE if mean > 0 else BLUE for mean in means], height=0.7)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set_yticks(range(len(means)), [one_line(effect.values, LONGEST_VALUE) for effect in each.effects])
        axes.tick_params(axis="y", length=0, labelsize=7.5)
        axes.invert_yaxis()
        axes.set_title(one_line(each.name), fontsize=9, fontweight="bold")
        axes.grid(visible=False, axis="y")
    return figure
