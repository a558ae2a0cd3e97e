"""backtest: the command, its options and what it prints."""

import argparse
import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from risk.bundle import Bundle, read_bundle
from risk.clock import DAY, date_ms, to_text
from risk.dataset import Dataset, open_dataset
from risk.dataset.map_file import load_map
from risk.engine import Verdict
from risk.errors import OptionError
from trainer.backtest.run import Backtest
from trainer.backtest.scores_file import ScoresFile
from trainer.backtest.tally import Calendar, Outcome
from trainer.options import checked_target, settings_of
from trainer.output import replaced
from trainer.terminal import notice, progress, say, say_table, warn

EPILOG = """\
examples:
  python -m trainer backtest cards.parquet --bundle models
  python -m trainer backtest cards.parquet --bundle models --against models/logistic-1a2b3c4d --from 2024-12-01
  python -m trainer backtest mine.csv --columns map.toml --bundle models --scores-out scores.parquet

Replays a file through the pipeline that the worker uses. What lies before --from is history: it is passed through, and
not counted. An alert is a customer-day. The digest is the one that the worker's store gives for the same transactions.
"""

SWEEP = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "backtest",
        help="replay a file through the worker's pipeline",
        description="Replay a file through the worker's pipeline, and say what would have come of it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("file", metavar="FILE", type=Path, help="CSV, Parquet or NDJSON")
    command.add_argument("--bundle", required=True, type=Path, metavar="DIR", help="a bundle, or the folder of models")
    command.add_argument("--against", type=Path, metavar="DIR2", help="another bundle, side by side")
    command.add_argument("--columns", type=Path, metavar="MAP.toml", help="which column is what; see inspect")
    command.add_argument("--from", dest="since", metavar="DATE", help="count from this day (UTC), such as 2024-12-01")
    command.add_argument("--until", metavar="DATE", help="stop before this day (UTC)")
    command.add_argument("--thresholds", metavar="A,B,...", help="for the sweep, such as 0.1,0.3,0.5")
    command.add_argument("--out", type=Path, metavar="DIR", help="a folder for the tables: JSON and CSV")
    command.add_argument("--scores-out", type=Path, metavar="F.parquet", help="the score of every transaction")
    command.add_argument("--force", action="store_true", help="replace the scores file if it is there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    thresholds = _thresholds(options.thresholds)
    since, until = _date("--from", options.since), _date("--until", options.until)
    inputs = [path for path in (options.file, options.columns) if path is not None]
    if options.scores_out is not None:
        checked_target("--scores-out", options.scores_out, ".parquet", force=options.force, inputs=inputs)
    bundles = [read_bundle(folder) for folder in (options.bundle, options.against) if folder is not None]
    high = {bundle.manifest.thresholds.high for bundle in bundles}
    column_map = load_map(options.columns) if options.columns else None
    dataset = open_dataset(options.file, column_map, chunk_rows=settings_of(options).chunk_rows)
    for text in dataset.notices:
        notice(text)
    _check_fields(dataset, bundles)
    backtest = Backtest(bundles, sorted({*thresholds, *high}), since=since, until=until)
    with replaced(*([options.scores_out] if options.scores_out else [])) as temporary:
        scores = (
            ScoresFile(temporary[0], bundles[0].manifest.version, in_file_order=dataset.is_sorted)
            if temporary
            else nullcontext(None)
        )
        with scores as opened, progress("backtest", dataset.row_count) as advance:
            backtest.run(dataset, opened, advance)
    for bundle, calendar, passing in zip(bundles, backtest.calendars, backtest.passings, strict=True):
        _print(bundle, calendar, backtest)
        skipped = passing.verdicts
        if skipped[Verdict.DUPLICATE] or skipped[Verdict.LATE]:
            warn(f"not scored: {skipped[Verdict.DUPLICATE]:,} duplicates, {skipped[Verdict.LATE]:,} too late")
        say(f"digest {passing.digest}")
        say()
    if dataset.bad.count:
        warn(f"{dataset.bad.count:,} rows could not be read; `python -m trainer inspect {options.file}` tells why")
    _print_differences(bundles, backtest)
    if options.out is not None:
        _write(options.out, bundles, backtest)
        say(f"tables: {options.out}")
    return 0


def _thresholds(text: str | None) -> tuple[float, ...]:
    if text is None:
        return SWEEP
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(0 < value < 1 for value in values):
        raise OptionError(f"--thresholds: got {text!r}, expected numbers between 0 and 1, such as 0.1,0.3,0.5")
    return values


def _date(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return date_ms(text)
    except ValueError:
        raise OptionError(f"{option}: got {text!r}, expected a day such as 2024-12-01") from None


def _check_fields(dataset: Dataset, bundles: Sequence[Bundle]) -> None:
    """A bundle can be fed without a field it was trained with, but the user must know."""
    has = dataset.feature_set
    for bundle in bundles:
        wants = bundle.manifest.feature_set
        missing = sorted(wants.fields - has.fields) + sorted(
            {*wants.number_attributes, *wants.category_attributes} - {*has.number_attributes, *has.category_attributes}
        )
        if missing:
            warn(f"{bundle.manifest.version} was trained with {', '.join(missing)}; {dataset.path} has no such column")


def _print(bundle: Bundle, calendar: Calendar, backtest: Backtest) -> None:
    manifest = bundle.manifest
    say(f"{manifest.version}: {calendar.total.transactions:,} transactions scored, {calendar.days} days")
    if not backtest.labelled:
        say("no labels: scores only")
        return
    high = manifest.thresholds.high
    say(f"by week, at the high threshold {high:.4g}; amounts in {manifest.currency}")
    lines = [("week from", "transactions", *TITLES)]
    first = calendar.first_day or 0
    for week, tally in calendar.weeks.items():
        begin = first + 7 * week
        days = min(7, (calendar.last_day or begin) - begin + 1)
        cells = _cells(_at(tally.outcomes(), high), days)
        lines.append((to_text(begin * DAY)[:10], f"{tally.transactions:,}", *cells))
    whole = _cells(_at(calendar.total.outcomes(), high), calendar.days)
    say_table([*lines, ("total", f"{calendar.total.transactions:,}", *whole)])
    say()
    say("what each threshold would have done; * is the bundle's")
    say_table(
        [
            ("threshold", *TITLES, "precision", "recall"),
            *(
                (
                    f"{outcome.threshold:.4g}{' *' if outcome.threshold == high else ''}",
                    *_cells(outcome, calendar.days),
                    _share(outcome.precision),
                    _share(outcome.recall),
                )
                for outcome in calendar.total.outcomes()
            ),
        ]
    )


TITLES = ("alerts/day", "caught", "missed", "good flagged", "saved", "lost", "cost")


def _at(outcomes: Any, threshold: float) -> Outcome:
    return next(outcome for outcome in outcomes if outcome.threshold == threshold)


def _cells(outcome: Outcome, days: int) -> tuple[str, ...]:
    return (
        f"{outcome.alerts / days:,.1f}",
        f"{outcome.frauds_caught:,}",
        f"{outcome.frauds_missed:,}",
        f"{outcome.good_customers_flagged:,}",
        f"{outcome.saved:,.0f}",
        f"{outcome.lost:,.0f}",
        f"{outcome.cost:,.0f}",
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _print_differences(bundles: Sequence[Bundle], backtest: Backtest) -> None:
    if len(bundles) < 2:
        return
    say(f"{backtest.different_levels:,} transactions have another level; those that differ most:")
    lines = [("transaction", "event time", bundles[0].manifest.version, bundles[1].manifest.version, "fraud")]
    for d in backtest.examples:
        fraud = "?" if d.is_fraud is None else ("yes" if d.is_fraud else "no")
        lines.append(
            (d.transaction_id, d.event_time, f"{d.score:.4f} {d.level}", f"{d.other_score:.4f} {d.other_level}", fraud)
        )
    say_table(lines, left=2)


def _write(folder: Path, bundles: Sequence[Bundle], backtest: Backtest) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--out: cannot make the folder {folder} ({error.strerror})") from None
    whole: dict[str, Any] = {"different_levels": backtest.different_levels, "bundles": {}}
    for bundle, calendar, passing in zip(bundles, backtest.calendars, backtest.passings, strict=True):
        version = bundle.manifest.version
        sweep = [_row(outcome) for outcome in calendar.total.outcomes()]
        weeks = [
            {"week": to_text(((calendar.first_day or 0) + 7 * week) * DAY)[:10], **_row(outcome)}
            for week, tally in calendar.weeks.items()
            for outcome in tally.outcomes()
            if outcome.threshold == bundle.manifest.thresholds.high
        ]
        whole["bundles"][version] = {
            "digest": str(passing.digest), "days": calendar.days, "transactions": calendar.total.transactions,
            "sweep": sweep, "weeks": weeks,
        }  # fmt: skip
        for name, rows in (("sweep", sweep), ("weeks", weeks)):
            with replaced(folder / f"{version}.{name}.csv") as (temporary,):
                pyarrow.csv.write_csv(pa.Table.from_pylist(rows), temporary)
    with replaced(folder / "backtest.json") as (temporary,):
        temporary.write_text(json.dumps({**whole, "examples": [d._asdict() for d in backtest.examples]}, indent=1))


def _row(outcome: Outcome) -> dict[str, Any]:
    return {**outcome._asdict(), "cost": outcome.cost, "precision": outcome.precision, "recall": outcome.recall}
