"""`drift`: what has changed since the model learned, the worst first."""

import argparse

import msgspec
from rich.console import Group, RenderableType

from console.help import epilog
from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import notice, say
from evaluation.drifting import Drifting, FeatureDrift
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.told import alerts_text, calibration_text, drift_text
from kpi_reporter.kpis.values import Kpis, Unready
from kpi_reporter.shown import add_row, lines_of, new_table, plain
from risk.errors import StoreError
from risk.store import frozen_store

SHOWN = 20


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "drift",
        description="How far features and scores of the last seven whole days are from what they were when the model "
        "learned, the worst first.",
        epilog=epilog(
            "python -m kpi_reporter drift",
            "python -m kpi_reporter drift --json",
            notes="From an index of 0.1 on a feature has changed; from 0.03 on, what a transaction itself brings. "
            "Below 1,000 samples nothing is said: one transaction in ten is a sample, so about 1,500 transactions "
            "a day are needed.",
            done="shown",
            failed="the store cannot be read; the last line says why",
        ),
    )
    command.add_argument("--all", action="store_true", help=f"every feature, not only the worst {SHOWN}")
    command.add_argument("--json", action="store_true", help="for programs: every feature, and day by day")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    path = settings_of(options).db
    if (said := frozen_store(path)) is not None:
        notice(said)
    now = KpiReader(path).read()
    if isinstance(now, Unready):
        raise StoreError(now.reason)
    if options.json:
        say(msgspec.json.encode({"drift": now.drift, "days": now.days, "calibration": now.calibration}).decode())
    else:
        for line in lines_of(_page(now, None if options.all else SHOWN)):
            say(line)
    return EXIT_OK


def _page(now: Kpis, most: int | None) -> RenderableType:
    shown: list[RenderableType] = [plain(drift_text(now.drift))]
    if now.drift.score is not None:
        shown += ["", _features(now.drift, most)]
    return Group(*shown, "", plain(alerts_text(now)), plain(calibration_text(now.calibration)))


def _features(drift: Drifting, most: int | None) -> RenderableType:
    shown = new_table("Beside the fit period", "", "index", "distance", "missing", "before", "unseen", "before")
    rows = [*drift.features[:most], *([] if drift.score is None else [drift.score])]
    for one in rows:
        add_row(shown, one.name, *_cells(one))
    return shown


def _cells(one: FeatureDrift) -> list[str]:
    week = one.week
    shares = (week.missing, one.missing_before, week.unseen, one.unseen_before)
    figures = ["-" if value is None else f"{value:.3f}" for value in (week.psi, week.ks)]
    return figures + ["-" if value is None else f"{value:.1%}" for value in shares]
