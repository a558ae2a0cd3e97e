"""A report's files: metrics.json, classification_report.csv, report.html and a PNG of each plot."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from console.terminal import warn
from evaluation.comparison import ModelPredictions
from evaluation.ranking import Confusion, confusion, ratio
from risk.clock import to_text
from trainer.evidence.page import page
from trainer.evidence.plot_files import write_png
from trainer.evidence.plots import Plot, draw_plots

MONEY = ("saved", "lost", "review", "cost", "gain", "champion_better_by", "amount", "fraud_amount")
MONEY_PLACES = 3  # as many as any currency has
TIMES = ("first", "last")
REPORT_COLUMNS = ("model", "class", "precision", "recall", "f1", "support")


def write_report(
    folder: Path,
    figures: Mapping[str, Any],
    contenders: Sequence[ModelPredictions],
    baselines: Sequence[ModelPredictions],
    champion: str,
    about: Mapping[str, Any],
    *,
    with_plots: bool = True,
) -> None:
    """`about` says what the data and the run were: "version" and "currency" are used in headings, and everything is
    listed under Data and method, a mapping within it as a section of its own. The folder must be there."""
    plots: list[Plot] = []
    failed: list[str] = []
    if with_plots:
        plots, failed = draw_plots(contenders, baselines, champion, figures["costs"], str(about.get("currency", "")))
    for reason in failed:
        warn(f"not in the report: {reason}")
    figures = {**figures, "missing": [*figures["missing"], *failed]}
    told = {**_told(figures), "about": about}
    text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False, default=str)
    _write(folder / "metrics.json", text + "\n")
    with (folder / "classification_report.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(REPORT_COLUMNS)
        for each in (*contenders, *baselines):
            writer.writerows(_classes(each))
    for plot in plots:
        write_png(plot, folder)
    _write(folder / "report.html", page(figures, about, plots))


def _write(path: Path, text: str) -> None:
    """The name of a file need not be text at all."""
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _told(value: Any, name: str = "") -> Any:
    """For people and programs that know nothing of how a figure was summed up: money to the cent, times as text."""
    match value:
        case dict():
            # A figure with its interval is of what it is called.
            return {key: _told(each, name if key in ("value", "low", "high") else key) for key, each in value.items()}
        case list() | tuple():
            return [_told(each, name) for each in value]
        case float() if name in MONEY:
            return round(value, MONEY_PLACES)
        case int() if name in TIMES:
            return to_text(value)
    return value


def _classes(each: ModelPredictions) -> list[list[Any]]:
    """Both classes at the model's threshold, then their plain mean and their mean by number of rows."""
    cells = confusion(each.test.scores, each.test.is_fraud, each.threshold)
    turned = Confusion(caught=cells.passed, false_alarms=cells.missed, missed=cells.false_alarms, passed=cells.caught)
    supports = [cells.passed + cells.false_alarms, cells.caught + cells.missed]
    rows = [[float(one.precision), float(one.recall), float(one.f1)] for one in (turned, cells)]
    plain = [sum(pair) / 2 for pair in zip(*rows, strict=True)]
    weighted = [
        float(ratio(sum(value * support for value, support in zip(pair, supports, strict=True)), sum(supports)))
        for pair in zip(*rows, strict=True)
    ]
    named = zip(("genuine", "fraud", "macro average", "weighted average"), [*rows, plain, weighted],
                [*supports, sum(supports), sum(supports)], strict=True)  # fmt: skip
    return [[each.name, name, *(_written(value) for value in values), support] for name, values, support in named]


def _written(value: float) -> str:
    """Empty where it cannot be said."""
    return "" if value != value else f"{value:.6f}"
