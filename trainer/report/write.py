"""A report's files: metrics.json, classification_report.csv, report.html, model-card.md and a PNG of each plot. And
what they say of the data and the run.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from console.terminal import warn
from evaluation.comparison import ModelPredictions
from evaluation.ranking import Confusion, confusion, ratio
from evaluation.result import Evaluation, Proof
from risk.bundle import Manifest
from risk.clock import SECOND, to_text
from trainer.evaluate import Candidates
from trainer.families import DETECTORS, ENSEMBLE, HYBRID
from trainer.families.ensemble import shares_in_words
from trainer.fit import Served, Session
from trainer.load import External
from trainer.report.page import model_card, page
from trainer.report.plot_style import Plot, write_png
from trainer.report.plots import draw_plots
from trainer.splits import Part, Parts
from trainer.train_options import TrainOptions

MONEY = ("saved", "lost", "review", "cost", "gain", "champion_better_by", "amount", "fraud_amount",
         "fraud_loss")  # fmt: skip
MONEY_PLACES = 3  # as many as any currency has
TIMES = ("first", "last")
REPORT_COLUMNS = ("model", "class", "precision", "recall", "f1", "support")


def write_report(
    folder: Path,
    evaluation: Evaluation,
    models: Sequence[ModelPredictions],
    baselines: Sequence[ModelPredictions],
    about: Mapping[str, Any],
    *,
    with_plots: bool = True,
) -> None:
    """`about` says what the data and the run were: "version" and "currency" are used in headings, and everything is
    listed under Data and method, a mapping within it as a section of its own. The folder must be there."""
    plots: list[Plot] = []
    failed: list[str] = []
    if with_plots:
        plots, failed = draw_plots(evaluation, models, baselines, str(about.get("currency", "")))
    for reason in failed:
        warn(f"not in the report: {reason}")
    evaluation = msgspec.structs.replace(evaluation, missing=(*evaluation.missing, *failed))
    told = {**_told(msgspec.to_builtins(evaluation)), "about": about}
    text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False, default=str)
    _write(folder / "metrics.json", text + "\n")
    with (folder / "classification_report.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(REPORT_COLUMNS)
        for each in (*models, *baselines):
            writer.writerows(_classes(each))
    for plot in plots:
        write_png(plot, folder)
    _write(folder / "report.html", page(evaluation, about, plots))
    _write(folder / "model-card.md", model_card(evaluation, about))


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


def about_training(
    train_options: TrainOptions,
    manifest: Manifest,
    session: Session,
    candidates: Candidates,
    external: External | None,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """What the data and the run were, for the report's own section."""
    data, plan = manifest.training_data, session.plan
    return {
        "version": manifest.version,
        "file": train_options.file.name,
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
        "dropped": "; ".join(candidates.served.session.features.dropped) or "none",
        "periods": {
            name: f"{part.period or 'drawn at random'}: {len(part.rows):,} transactions, {int(part.is_fraud.sum()):,} "
            "frauds" + ("" if name == "test" else " known then")
            for name, part in _periods(session.parts, candidates.served)
        },
        **({} if external is None else {"external data": about_external(external)}),
        **({} if evaluation.proof is None else {"proof": _proof(evaluation.proof)}),
        "hyper-parameters": {
            **{
                each.name: shares_in_words(each.fit.parameters)
                if each.name == ENSEMBLE
                else _in_words(each.fit.parameters)
                for each in candidates.models
            },
            **{
                f"{kind}, as a feature": _in_words(plan.parameters[kind])
                for kind in DETECTORS
                if any(one.startswith(HYBRID) for one in plan.kinds)
            },
        },
        "seconds that each stage took": {name: round(seconds, 2) for name, seconds in manifest.timings.items()},
        "libraries": manifest.libraries,
    }


def _periods(parts: Parts, served: Served) -> list[tuple[str, Part]]:
    refit = served.session.parts.fit
    again = [] if refit is parts.fit else [("fitted again, and served", refit)]
    return [*zip(parts._fields, parts, strict=True), *again]


def _in_words(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in parameters.items())


def _proof(proof: Proof) -> str:
    sizes = ", ".join(str(size) for size in proof.batch_sizes)
    return (
        f"the served model differs from the trained one by at most {proof.largest_difference:.1g} on "
        f"{proof.rows:,} validation rows, and gives {proof.batch_rows:,} of them the same bits in batches of "
        f"{sizes}"
    )


def about_external(external: External) -> dict[str, Any]:
    """For the report's section on data and method."""
    times = external.matrix.event_times
    return {
        "file": external.path.name,
        "SHA-256 of the file": external.sha256,
        "transactions": external.matrix.row_count,
        "judged": len(external.part.rows),
        "from": to_text(int(times.min())),
        "to": to_text(int(times.max())),
    }
