"""The plots of a report: each takes what is judged and gives a figure."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogFormatter, MaxNLocator, PercentFormatter

from evaluation.comparison import ModelPredictions
from evaluation.gain import gain_curves
from evaluation.money import Accounting, spread
from evaluation.ranking import calibration, confusion, precision_recall, roc_curve
from evaluation.result import Evaluation, MarkedThreshold, Stretch
from trainer.report.contribution_plots import effects, swarms
from trainer.report.plot_style import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MUTED,
    ORANGE,
    Line,
    Plot,
    drawing,
    legend,
    lines,
    one_line,
    panel,
)

MOST_BESIDE = 5  # confusion matrices: of more, the page could only show numbers that nobody can read
PROBABILITIES = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


class Scene(NamedTuple):
    """What the plots show."""

    lines: Sequence[Line]  # the champion last
    review_cost: float
    loss_rate: float
    currency: str
    marked: Sequence[MarkedThreshold]
    days: Sequence[Stretch]  # of the test

    @property
    def champion(self) -> Line:
        return self.lines[-1]

    def accounting(self, line: Line) -> Accounting:
        return Accounting(line.model.test, review_cost=self.review_cost, loss_rate=self.loss_rate)


def draw_plots(
    evaluation: Evaluation, models: Sequence[ModelPredictions], baselines: Sequence[ModelPredictions], currency: str
) -> tuple[list[Plot], list[str]]:
    """What could be drawn, and what could not, with the reason: a report is worth more than any plot in it."""
    costs = evaluation.costs
    scene = Scene(lines(models, baselines, evaluation.champion), costs.review_cost, costs.loss_rate, currency,
                  evaluation.marked, evaluation.course.days if evaluation.course else ())  # fmt: skip
    drawn: list[tuple[str, Callable[[Scene], Figure]]] = [
        ("scores", _scores),
        ("calibration", _calibration),
        ("confusion", _confusion),
    ]
    if scene.champion.model.test.is_fraud.any():
        drawn = [("roc", _roc), ("precision_recall", _precision_recall), *drawn,
                 ("profit", _profit), ("alerts_recall", _alerts_recall), ("gain", _gain)]  # fmt: skip
    if len(scene.days) > 1:
        drawn.append(("course", _course))
    sample = scene.champion.model.contributions
    if sample is not None:
        drawn += [("contributions", lambda _: swarms(sample)), ("effects", lambda _: effects(sample))]
    elif scene.champion.model.importances:
        drawn.append(("importances", _importances))
    plots, failed = [], []
    with drawing():
        for name, draw in drawn:
            try:
                plots.append(drawn_whole(name, draw(scene)))
            except Exception as error:
                failed.append(f"the plot {name}, which could not be drawn ({type(error).__name__}: {error})")
    return plots, failed


def drawn_whole(name: str, figure: Figure) -> Plot:
    """Much of what can go wrong in a figure does so only when it is drawn. Its parts stay where they are now, in every
    form it is written in: to place them is half of the work. With "none" instead of None, each form would be drawn
    twice, once to place what is placed already."""
    figure.draw_without_rendering()
    figure.set_layout_engine(None)
    return Plot(name, figure)


def _roc(scene: Scene) -> Figure:
    figure, axes = panel()
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
    for line in scene.lines:
        test = line.model.test
        curve = roc_curve(test.scores, test.is_fraud)
        axes.plot(curve.false_positive_rate, curve.recall, label=line.model.name, **line.style)
    axes.set(xlabel="genuine transactions flagged", ylabel="frauds flagged", xlim=(-0.01, 1), ylim=(0, 1.01))
    _percent(axes.xaxis, axes.yaxis)
    legend(figure, axes)
    return figure


def _precision_recall(scene: Scene) -> Figure:
    figure, axes = panel()
    for line in scene.lines:
        test = line.model.test
        curve = precision_recall(test.scores, test.is_fraud)
        axes.plot(curve.recall, curve.precision, label=line.model.name, **line.style)
    axes.set(xlabel="frauds flagged (recall)", ylabel="of what is flagged, fraud (precision)", xlim=(0, 1.01),
             ylim=(0, 1.02))  # fmt: skip
    _percent(axes.xaxis, axes.yaxis)
    legend(figure, axes)
    return figure


def _calibration(scene: Scene) -> Figure:
    figure, axes = panel()
    seen = []
    for line in scene.lines:
        test = line.model.test
        bins = calibration(test.scores, test.is_fraud, test.customers)
        shown = (bins.observed > 0) & (bins.predicted > 0)
        seen += [bins.predicted[shown], bins.observed[shown]]
        axes.plot(bins.predicted[shown], bins.observed[shown], marker="o", markersize=3.5, label=line.model.name,
                  **line.style)  # fmt: skip
        if line is scene.champion:
            axes.vlines(bins.predicted[shown], bins.low[shown], bins.high[shown], color=BLUE, linewidth=1.4, alpha=0.6)
    everything = np.concatenate(seen)
    low = 10 ** np.floor(np.log10(everything.min())) if len(everything) else 1e-3
    axes.plot([low, 1], [low, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
    axes.set(xscale="log", yscale="log", xlim=(low, 1.1), ylim=(low, 1.1), xlabel="score: the probability it claims",
             ylabel="share that was fraud")  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        _write_marks(axis, _small_percent)
    legend(figure, axes)
    return figure


def _confusion(scene: Scene) -> Figure:
    shown = scene.lines[::-1]
    beside = min(len(shown), MOST_BESIDE)
    rows = -(-len(shown) // beside)
    figure = Figure(figsize=(max(11.9, 2.4 * beside), 2.75 * rows), layout="constrained")
    places = figure.subplots(rows, beside, squeeze=False).ravel()
    for axes in places[len(shown) :]:
        axes.set_axis_off()
    for place, (axes, line) in enumerate(zip(places, shown, strict=False)):
        each = line.model
        cells = confusion(each.test.scores, each.test.is_fraud, each.threshold)
        counts = np.array([[cells.passed, cells.false_alarms], [cells.missed, cells.caught]])
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        for row in range(2):
            for column in range(2):
                colour = GREEN if row == column else ORANGE
                strength = 0.08 + 0.5 * shares[row, column]
                axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, alpha=strength, edgecolor="none"))
                axes.text(column + 0.5, row + 0.44, f"{counts[row, column]:,}", ha="center", va="center", fontsize=9.5,
                          fontweight="bold")  # fmt: skip
                axes.text(column + 0.5, row + 0.68, f"{100 * shares[row, column]:.1f} %", ha="center", va="center",
                          fontsize=7.5)  # fmt: skip
        axes.set(xlim=(0, 2), ylim=(2, 0), xticks=(0.5, 1.5), yticks=(0.5, 1.5))
        axes.set_xticklabels(("passed", "flagged"))
        axes.set_yticklabels(("", "") if place % beside else ("genuine", "fraud"), rotation=90, va="center")
        axes.set_title(_wrapped(each.name), fontsize=8.5, fontweight="bold" if line is shown[0] else "normal")
        axes.tick_params(length=0)
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure


def _importances(scene: Scene) -> Figure:
    figure, axes = panel(width=11.9, height=3.6)
    ranked = sorted(scene.champion.model.importances, key=lambda pair: pair[1])
    names, values = [name for name, _ in ranked], [value for _, value in ranked]
    axes.barh(range(len(names)), values, color=BLUE, height=0.66)
    axes.set_yticks(range(len(names)), [one_line(name) for name in names])
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("average precision lost when the feature is shuffled")
    return figure


def _scores(scene: Scene) -> Figure:
    figure, axes = panel()
    each = scene.champion.model
    places = _log_odds(each.test.scores)
    low, high = (places.min(), places.max()) if len(places) else (-9.0, 9.0)
    edges = np.linspace(low - 0.05, high + 0.05, 61)
    for mask, colour, name in ((~each.test.is_fraud, MUTED, "genuine"), (each.test.is_fraud, ORANGE, "fraud")):
        counts, _ = np.histogram(places[mask], edges)
        axes.stairs(counts, edges, baseline=0.7, fill=True, color=colour, alpha=0.45, label=name)
        axes.stairs(counts, edges, baseline=0.7, color=colour, linewidth=1.2)
    marks = [(each.threshold, "high", "left", 0.05)]
    if each.medium < each.threshold:
        marks.append((each.medium, "medium", "right", -0.05))
    for threshold, name, side, gap in marks:
        place = float(_log_odds(np.array([threshold]))[0])
        axes.axvline(place, color=INK, linewidth=1, linestyle=(0, (4, 2)))
        axes.text(place + gap * 3, 0.985, name, ha=side, va="top", fontsize=8, transform=axes.get_xaxis_transform())
    shown = [p for p in PROBABILITIES if edges[0] <= float(_log_odds(np.array([p]))[0]) <= edges[-1]]
    axes.set_xticks(_log_odds(np.array(shown)), [f"{p:g}" for p in shown])
    axes.set(yscale="log", xlabel="score", ylabel="transactions (log scale)")
    axes.set_ylim(bottom=0.7)
    _write_marks(axes.yaxis, _count)
    axes.legend(loc="upper right")
    return figure


def _profit(scene: Scene) -> Figure:
    """What each threshold saves and costs, with the points that a reader looks for."""
    figure, axes = panel(width=11.9, height=4.4)
    accounting = scene.accounting(scene.champion)
    thresholds = spread(accounting)[:-1]
    thresholds = thresholds[thresholds > 0]
    nothing = float(accounting.costs(accounting.candidates[-1:])[0])
    review = accounting.alerts(thresholds) * scene.review_cost
    net = nothing - accounting.costs(thresholds)
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.axhline(nothing, color=MUTED, linewidth=1.2, linestyle=(0, (2, 3)), label="all that frauds cost")
    axes.plot(thresholds, review, color=ORANGE, linewidth=1.5, linestyle="-.", label="reviews")
    axes.plot(thresholds, net + review, color=GREEN, linewidth=1.5, linestyle=(0, (4, 2)), label="loss prevented")
    axes.plot(thresholds, net, color=BLUE, linewidth=2.6, label="saved, net of review costs")
    for number, point in enumerate(scene.marked, 1):
        axes.plot([point.threshold], [point.gain], marker="o", markersize=8, color=BLUE, markeredgecolor=INK,
                  linestyle="none")  # fmt: skip
        beside = (0, -15 if number % 2 else 7)  # two in one place stay readable
        axes.annotate(str(number), (point.threshold, point.gain), xytext=beside, textcoords="offset points",
                      ha="center", fontweight="bold", color=INK)  # fmt: skip
    axes.set(xscale="log", xlabel="threshold", ylabel=f"{scene.currency} in the test period".strip(),
             ylim=(-0.35 * nothing, 1.15 * nothing) if nothing else None)  # fmt: skip
    _write_marks(axes.xaxis, _probability)
    axes.yaxis.set_major_formatter(FuncFormatter(_count))
    legend(figure, axes)
    return figure


def _gain(scene: Scene) -> Figure:
    figure, axes = panel(width=11.9, height=4.0)
    looked_at, frauds, value = gain_curves(scene.champion.model.test)
    axes.plot(looked_at, frauds, color=BLUE, linewidth=2.6, label="of the frauds")
    axes.plot(looked_at, value, color=GREEN, linewidth=1.8, linestyle=(0, (4, 2)), label="of their amount")
    chance = np.geomspace(looked_at[0], 1, 50)
    axes.plot(chance, chance, color=MUTED, linewidth=1, linestyle=(0, (2, 3)), label="chance")
    axes.set(xscale="log", xlabel="transactions looked at, from the highest score down (log scale)",
             ylabel="found", ylim=(0, 1.02), xlim=(None, 1))  # fmt: skip
    _write_marks(axes.xaxis, _small_percent)
    _percent(axes.yaxis)
    legend(figure, axes)
    return figure


def _alerts_recall(scene: Scene) -> Figure:
    figure, axes = panel(width=11.9, height=4.0)
    for line in scene.lines:
        each, accounting = line.model, scene.accounting(line)
        thresholds = spread(accounting)[:-1]
        frauds = max(int(each.test.is_fraud.sum()), 1)
        axes.plot(accounting.alerts(thresholds) / each.test.days, accounting.caught(thresholds) / frauds,
                  label=each.name, **line.style)  # fmt: skip
        chosen = accounting.at(each.threshold)
        if chosen.alerts:
            axes.plot([chosen.alerts_per_day], [chosen.recall], marker="o", markersize=7, color=line.style["color"],
                      markeredgecolor=INK, linestyle="none")  # fmt: skip
    axes.set(xscale="log", xlabel="cases a day (log scale)", ylabel="frauds caught", ylim=(0, 1.02))
    _write_marks(axes.xaxis, lambda value, _: f"{value:,g}")
    _percent(axes.yaxis)
    legend(figure, axes)
    return figure


def _course(scene: Scene) -> Figure:
    """Frauds of each day and how many of them were caught, over the share that was flagged."""
    figure, axes = panel(width=11.9, height=3.6)
    days = scene.days
    places = np.arange(len(days))
    axes.bar(places, [day.frauds for day in days], color=ORANGE, alpha=0.45, width=0.8, label="frauds missed")
    axes.bar(places, [day.frauds_caught for day in days], color=GREEN, width=0.8, label="frauds caught")
    for place, day in enumerate(days):
        if day.unlabelled and not day.transactions:
            axes.axvspan(place - 0.5, place + 0.5, color=GRID, linewidth=0)
    shown = places[:: -(-len(days) // 10)]
    axes.set_xticks(shown, [days[place].first for place in shown])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(ylabel="frauds")
    axes.grid(visible=False, axis="x")
    rate = axes.twinx()
    rate.plot(places, [day.alerts / day.transactions if day.transactions else np.nan for day in days], color=BLUE,
              linewidth=1.8, marker="o", markersize=3)  # fmt: skip
    axes.plot([], [], color=BLUE, linewidth=1.8, marker="o", markersize=3, label="alert rate (right)")
    rate.set_ylim(bottom=0)
    rate.grid(visible=False)
    _percent(rate.yaxis)
    legend(figure, axes)
    return figure


def _percent(*axes: Any) -> None:
    for axis in axes:
        axis.set_major_formatter(PercentFormatter(1, symbol=" %"))


def _small_percent(value: float, _: int) -> str:
    return f"{100 * value:g} %"


def _probability(value: float, _: int) -> str:
    return f"{value:.12f}".rstrip("0").rstrip(".")


def _count(value: float, _: int) -> str:
    return f"{value:,.0f}"


def _log_odds(probabilities: Any) -> Any:
    inside = np.clip(probabilities, 1e-6, 1 - 1e-6)
    return np.log(inside / (1 - inside))


class _Between(LogFormatter):
    """Marks between powers of ten: shown as often as matplotlib would, written as the others are."""

    def __init__(self, write: Callable[[float, int], str]) -> None:
        super().__init__(labelOnlyBase=False, minor_thresholds=(1, 0.4))
        self._write = write

    def __call__(self, value: float, place: int | None = None) -> str:
        return self._write(value, 0) if super().__call__(value, place) else ""


def _write_marks(axis: Any, write: Callable[[float, int], str]) -> None:
    """Of an axis with a logarithmic scale, whose own marks are in matplotlib's markup."""
    axis.set_major_formatter(FuncFormatter(write))
    axis.set_minor_formatter(_Between(write))


def _wrapped(name: str) -> str:
    if len(name) <= 22:
        return name
    words = name.split()
    middle = min(range(1, len(words)), key=lambda at: abs(len(" ".join(words[:at])) - len(name) / 2), default=1)
    return " ".join(words[:middle]) + "\n" + " ".join(words[middle:])
