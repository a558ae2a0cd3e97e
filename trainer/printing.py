"""What train prints: periods at the start, stages as they run, figures and the places of the files at the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from console.terminal import Advance, err, progress, say, say_table, warn
from evaluation.result import Evaluation, Figure, Trial
from risk.bundle import Manifest
from trainer.matrix import Matrix
from trainer.report.wording import FLAGS_NOTHING, caution, in_use_sentences, setting
from trainer.splits import Parts, refit_part
from trainer.train_options import TrainOptions


def say_start(parts: Parts, matrix: Matrix, *, is_refit: bool) -> None:
    for name, part in zip(parts._fields, parts, strict=True):
        where = f"{part.period}" if part.period else "drawn at random"
        say(f"{name:11} {where}: {len(part.rows):,} transactions, {int(part.is_fraud.sum()):,} frauds")
    periods = [part.period for part in parts if part.period is not None]
    if periods:
        times, first, until = matrix.event_times, min(each.first_ms for each in periods), periods[-1].until_ms
        within = int(np.count_nonzero((times >= first) & (times < until) & (matrix.is_fraud >= 0)))
        between = within - sum(len(part.rows) for part in parts)
        say(f"gaps        {between:,} transactions between the periods are history only: labels need time to come")
        again = len(refit_part(matrix, parts).rows) - len(parts.fit.rows) - len(parts.validation.rows)
        if is_refit and again:
            say(f"refit       {again:,} of them have their labels when the test begins: the refit learns from them")


def say_search(trials: Sequence[Trial]) -> None:
    """What a model's search came to, beside what was asked for: the first of its trials."""
    [chosen] = (each for each in trials if each.is_chosen)
    asked, reached = (each.rounds[-1].average_precision for each in (trials[0], chosen))
    if chosen is trials[0]:
        found = f"of {len(trials) - 1} other settings none was better on validation than what was asked for"
    else:
        settings = ", ".join(f"{name} = {setting(value)}" for name, value in chosen.parameters.items())
        found = f"average precision {reached:.3f} on validation, where what was asked for has {asked:.3f}: {settings}"
    say(f"search      {chosen.model}: {found}")


def say_end(train_options: TrainOptions, manifest: Manifest, evaluation: Evaluation, was_written: bool) -> None:
    say()
    say_figures(evaluation, manifest.currency)
    say_external(train_options, evaluation, manifest.currency)
    thresholds = manifest.thresholds
    say()
    say(f"champion    {evaluation.champion}, by average precision on validation")
    if evaluation.refit is not None:
        say("served      as fitted again on fit, validation and the days between; calibration and thresholds are those "
            "of its first fit")  # fmt: skip
    nothing = evaluation.flags_nothing
    if nothing:
        say(f"thresholds  none: this model flags nothing, because {FLAGS_NOTHING[nothing]}")
    else:
        say(f"thresholds  high from {thresholds.high:.6g}, medium from {thresholds.medium:.6g}")
    folder = train_options.models / manifest.version
    note = "" if was_written else " (was there already, checked and left as it is)"
    say(f"bundle      {folder}{note}")
    say(f"report      {train_options.reports / manifest.version / 'report.html'}")
    for sentence in () if evaluation.in_use is None else in_use_sentences(evaluation.in_use, manifest.currency):
        say(sentence)
    doubt = caution(evaluation)
    if doubt is not None:
        warn(doubt)
    for text in () if evaluation.refit is None else evaluation.refit.drifted:
        warn(text)


def say_figures(evaluation: Evaluation, currency: str) -> None:
    """A line for each model and baseline: the figures of the test."""
    titles = ("model", "average precision", "ROC-AUC", "cases/day", "case precision", "case recall",
              f"{currency} saved less reviews")  # fmt: skip
    lines: list[tuple[str, ...]] = [titles]
    for model in evaluation.with_first_fit:
        metrics, money = model.metrics, model.money
        lines.append(
            (
                model.name,
                with_interval(metrics.average_precision, "{:.3f}"),
                with_interval(metrics.roc_auc, "{:.3f}"),
                with_interval(money.alerts_per_day, "{:.1f}"),
                with_interval(money.precision, "{:.0%}"),
                with_interval(money.recall, "{:.0%}"),
                with_interval(money.gain, "{:,.0f}"),
            )
        )
    say_table(lines)
    say("a case is all alerts of a customer on one UTC day; transaction precision and recall stand in the report")
    for model in evaluation.models:
        if model.share_of_best:
            share = model.share_of_best
            say(
                f"{model.name}: {with_interval(share.roc_auc, '{:.3f}')} of the possible (ROC-AUC - 0.5), "
                f"{with_interval(share.average_precision, '{:.3f}')} of the possible average precision"
            )


def say_external(train_options: TrainOptions, evaluation: Evaluation, currency: str) -> None:
    """The same lines for the untouched data, if there is any."""
    if evaluation.external is None:
        return
    say()
    say(f"external    {train_options.external}: nothing was learned from it; thresholds are those of validation")
    say_figures(evaluation.external, currency)


def with_interval(figure: Figure, form: str) -> str:
    """The value, and its 95 % interval where there is one."""
    value, low, high = (None if each is None else form.format(each) for each in (figure.value, figure.low, figure.high))
    if value is None:
        return "-"
    return value if low is None or high is None else f"{value} ({low} to {high})"


class Stages:
    """Shows a stage while it runs, and keeps its seconds. Stages of the same name add up."""

    def __init__(self, on_stage: Callable[[str], None] | None = None) -> None:
        """`on_stage` is told each that begins."""
        self.seconds: dict[str, float] = {}
        self._on_stage = on_stage
        self._began = time.perf_counter()

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Advance]:
        began = time.perf_counter()
        if self._on_stage is not None:
            self._on_stage(name)
        if not err.is_terminal:
            # Where there are no bars, a line says that something is going on, and what.
            err.print(f"[{began - self._began:5.0f} s] {name}", markup=False)
        with progress(name, total) as advance:
            yield advance
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
