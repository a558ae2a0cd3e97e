"""What train prints: the periods at the start, the main figures and the places of the files at the end."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from console.terminal import say, say_table, warn
from risk.bundle import Manifest
from risk.clock import SECOND, to_text
from trainer.evidence.page_words import FLAGS_NOTHING
from trainer.evidence.wording import caution
from trainer.training.asked import Asked
from trainer.training.external import External, about_external
from trainer.training.matrix import Matrix
from trainer.training.parts import Parts
from trainer.training.session import Session, Trained


def say_start(parts: Parts, matrix: Matrix) -> None:
    for name, part in zip(parts._fields, parts, strict=True):
        where = f"{part.period}" if part.period else "drawn at random"
        say(f"{name:11} {where}: {len(part.rows):,} transactions, {int(part.is_fraud.sum()):,} frauds")
    first, until = parts.fit.period, parts.test.period
    if first is not None and until is not None:
        times = matrix.event_times
        within = int(np.count_nonzero((times >= first.first_ms) & (times < until.until_ms) & (matrix.is_fraud >= 0)))
        between = within - sum(len(part.rows) for part in parts)
        say(f"gaps        {between:,} transactions between the periods are history only: labels need time to come")


def say_end(asked: Asked, manifest: Manifest, figures: dict[str, Any], was_written: bool) -> None:
    say()
    say_figures(figures, manifest.currency)
    say_external(asked, figures, manifest.currency)
    thresholds = manifest.thresholds
    say()
    say(f"champion    {figures['champion']}, by average precision on validation")
    nothing = figures["flags_nothing"]
    if nothing:
        say(f"thresholds  none: this model flags nothing, because {FLAGS_NOTHING[nothing]}")
    else:
        say(f"thresholds  high from {thresholds.high:.6g}, medium from {thresholds.medium:.6g}")
    folder = asked.models / manifest.version
    note = "" if was_written else " (was there already, checked and left as it is)"
    say(f"bundle      {folder}{note}")
    say(f"report      {asked.reports / manifest.version / 'report.html'}")
    doubt = caution(figures)
    if doubt is not None:
        warn(doubt)


def about(
    asked: Asked,
    manifest: Manifest,
    session: Session,
    trained: Sequence[Trained],
    external: External | None,
    figures: Mapping[str, Any],
) -> dict[str, Any]:
    """What the data and the run were, for the report's own section."""
    data, plan = manifest.training_data, session.plan
    return {
        "version": manifest.version,
        "file": asked.file.name,
        "SHA-256 of the file": data.sha256,
        "transactions": data.transactions,
        "from": to_text(data.first_event),
        "to": to_text(data.last_event),
        "currency": manifest.currency,
        "label delay": f"{manifest.label_delay_days} days",
        "bucket": f"{manifest.bucket_ms // SECOND} s",
        "balance": plan.balance,
        "search": plan.search,
        "seed": plan.seed,
        "features": len(manifest.features),
        "dropped": "; ".join(session.features.dropped) or "none",
        "periods": {
            name: f"{part.period or 'drawn at random'}: {len(part.rows):,} transactions, {int(part.is_fraud.sum()):,} "
            "frauds" + ("" if name == "test" else " known then")
            for name, part in zip(session.parts._fields, session.parts, strict=True)
        },
        **({} if external is None else {"external data": about_external(external)}),
        "proof": _proof(figures["proof"]),
        "hyper-parameters": {
            each.kind: ", ".join(f"{name} = {value}" for name, value in each.parameters.items()) for each in trained
        },
        "seconds that each stage took": {name: round(seconds, 2) for name, seconds in manifest.timings.items()},
        "libraries": manifest.libraries,
    }


def _proof(proof: Mapping[str, Any]) -> str:
    sizes = ", ".join(str(size) for size in proof["batch_sizes"])
    return (
        f"the served model differs from the trained one by at most {proof['largest_difference']:.1g} on "
        f"{proof['rows']:,} validation rows, and gives {proof['batch_rows']:,} of them the same bits in batches of "
        f"{sizes}"
    )


def say_figures(figures: dict[str, Any], currency: str) -> None:
    """A line for each model and baseline: the figures of the test."""
    titles = ("model", "average precision", "ROC-AUC", "cases/day", "of these right", "frauds caught",
              f"{currency} saved less reviews")  # fmt: skip
    lines: list[tuple[str, ...]] = [titles]
    for model in figures["models"]:
        metrics, money = model["metrics"], model["money"]
        lines.append(
            (
                model["name"],
                with_interval(metrics["average_precision"], "{:.3f}"),
                with_interval(metrics["roc_auc"], "{:.3f}"),
                with_interval(money["alerts_per_day"], "{:.1f}"),
                with_interval(money["precision"], "{:.0%}"),
                with_interval(money["recall"], "{:.0%}"),
                with_interval(money["gain"], "{:,.0f}"),
            )
        )
    say_table(lines)
    say("a case is all alerts of a customer on one UTC day; precision and recall of transactions stand in the report")
    for model in figures["models"]:
        if model["share_of_best"]:
            share = model["share_of_best"]
            say(
                f"{model['name']}: {with_interval(share['roc_auc'], '{:.3f}')} of the possible (ROC-AUC - 0.5), "
                f"{with_interval(share['average_precision'], '{:.3f}')} of the possible average precision"
            )


def say_external(asked: Asked, figures: dict[str, Any], currency: str) -> None:
    """The same lines for the untouched data, if there is any."""
    if "external" not in figures:
        return
    say()
    say(f"external    {asked.external}: nothing was learned from it; thresholds are those of validation")
    say_figures(figures["external"], currency)


def with_interval(figure: dict[str, Any], form: str) -> str:
    """The value, and its 95 % interval where there is one."""
    value, low, high = (
        None if figure[name] is None else form.format(figure[name]) for name in ("value", "low", "high")
    )
    if value is None:
        return "-"
    return value if low is None or high is None else f"{value} ({low} to {high})"
