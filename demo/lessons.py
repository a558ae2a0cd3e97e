"""The first part: a history is made, models learn from its first days, and are tried on days they have not seen."""

from typing import NamedTuple

import msgspec
from msgspec import Struct
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from demo.days import Days, span
from demo.ground import Ground
from demo.history import history_of
from demo.running import Program, Programs
from demo.telling import INDENT, Teller
from risk.bundle import Bundle, Manifest, bundle_of_version, read_bundle
from trainer.promotion import versions

# Two of the three that there are: the forest takes most of the time of training, and is not the one that is chosen.
MODELS = ("lightgbm", "logistic")


# Before the live part counts the one and the end the other.
TERMS = (
    "An alert is one transaction of high risk, or one that a rule sends to people; a case is all of them of one "
    "customer on one day: one review by a person, and what the report counts."
)


class _Figure(Struct, frozen=True):
    value: float | None


class _Money(Struct, frozen=True):
    alerts_per_day: _Figure
    precision: _Figure
    recall: _Figure
    gain: _Figure


class _Model(Struct, frozen=True):
    name: str
    money: _Money


class _Figures(Struct, frozen=True):
    """What the demo shows of the report's metrics.json."""

    champion: str
    models: tuple[_Model, ...]


class Lessons(NamedTuple):
    """What the workers begin with, where the report of it lies, and who learns again meanwhile."""

    bundle: Bundle
    report: str
    again: Program


def make_history(teller: Teller, programs: Programs, ground: Ground, days: Days, customers: int) -> None:
    with teller.step("history", "making a history of card payments") as step:
        words = ["cards", str(ground.history), "--customers", str(customers)]
        programs.finish("generate", "trainer", "generate", *words, "--days", str((days.end - days.first).days))
        whole = history_of(ground.history, 0)
        step.came = (
            f"{len(whole.event_times):,} card payments of {customers:,} people, {span(days.first, days.end)}; "
            f"{int(whole.is_fraud.sum()):,} are frauds"
        )


def train(teller: Teller, programs: Programs, ground: Ground, days: Days) -> Lessons:
    with teller.step("training", "training models on the first part") as step:
        words = ["trainer", "train", str(ground.history), "--models", str(ground.models)]
        words += ["--reports", str(ground.reports)]
        first = ["--train", f"{days.first}..{days.gap}", "--test", f"{days.test}..{days.live}"]
        programs.finish("train", *words, *first, *(word for model in MODELS for word in ("--model", model)))
        bundle = read_bundle(ground.models)
        figures = msgspec.json.decode(
            (ground.reports / bundle.manifest.version / "metrics.json").read_bytes(), type=_Figures
        )
        step.came = (
            f"on {span(days.first, days.gap)}, and tried on days they had not seen, {span(days.test, days.live)}:"
        )
    teller.show()
    teller.show(Padding(_table(figures, bundle.manifest.currency), (0, 0, 0, INDENT)))
    teller.show()
    teller.show(Padding(Text(TERMS, "dim"), (0, 0, 0, INDENT)))
    teller.show()
    later = ["--train", f"{days.first}..{days.challenger_gap}", "--test", f"{days.challenger_test}..{days.live}"]
    again = programs.begin("train-again", *words, *later, "--model", MODELS[0], "--no-promote", "--no-plots")
    return Lessons(bundle, str(ground.reports / bundle.manifest.version / "report.html"), again)


def challenger_of(teller: Teller, programs: Programs, ground: Ground, days: Days, lessons: Lessons) -> Manifest:
    """What was learned again. It is in use nowhere until somebody says so."""
    with teller.step("again", "learning again, from later days too") as step:
        programs.until_done(lessons.again)
        [version] = [name for name in versions(ground.models) if name != lessons.bundle.manifest.version]
        step.came = f"meanwhile {version} has learned from {span(days.first, days.challenger_gap)}"
    return bundle_of_version(ground.models, version).manifest


def _table(figures: _Figures, currency: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("the report says", no_wrap=True)
    for title in ("cases a day", "right", "frauds caught", f"{currency} saved"):
        table.add_column(title, justify="right", no_wrap=True)
    for model in figures.models:
        money = model.money
        table.add_row(
            Text(model.name, style="bold" if model.name == figures.champion else ""),
            _said(money.alerts_per_day, "{:.1f}"),
            _said(money.precision, "{:.0%}"),
            _said(money.recall, "{:.0%}"),
            _said(money.gain, "{:,.0f}"),
        )
    return table


def _said(figure: _Figure, form: str) -> str:
    return "-" if figure.value is None else form.format(figure.value)
