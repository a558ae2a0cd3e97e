"""backtest: the command and its options."""

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from console.options import checked_target, settings_of
from console.terminal import notice, progress, say
from risk.bundle import Bundle, bundle_of_version, models_of, read_bundle
from risk.dataset import Dataset
from risk.errors import OptionError
from risk.rules.rule_set import RuleSet, rules_of_version
from risk.schedule import InForce, read_schedule
from risk.settings import number
from risk.share import of_the_customers
from trainer.backtest import checks
from trainer.backtest.passing import Scheduled
from trainer.backtest.period import asked_period
from trainer.backtest.run import Backtest
from trainer.backtest.said import say_bundle, say_what_is_missing
from trainer.backtest.scores_file import scores_file
from trainer.backtest.tables import checked_out, write_tables
from trainer.in_force import challenger_version, share_of_challenger
from trainer.passage import ScheduledLane
from trainer.rules.saved import rules_of_options

SWEEP = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def run(options: argparse.Namespace) -> int:
    thresholds = _thresholds(options.thresholds)
    if options.scores_out is not None:
        force, inputs = options.force, read_files(options)
        checked_target("--scores-out", options.scores_out, ".parquet", force=force, inputs=inputs)
    out = None if options.out is None else checked_out(options.out, options.scores_out, force=options.force)
    bundles, rules, scheduled = _asked(options)
    dataset, backtest = opened(options, bundles, thresholds, rules, scheduled)
    target, [passing] = options.scores_out, backtest.passings
    about, version = backtest.about_labels(passing.name), passing.manifest.version if scheduled is None else None
    columns = {"in_file_order": dataset.is_sorted, "has_rules": passing.decided is not None}
    scores_out = scores_file(target, version, about, **columns) if target else nullcontext()
    with scores_out as scores, progress("backtest", dataset.row_count) as advance:
        backtest.run(dataset, scores, advance)
    say_what_is_missing(backtest)
    for passing in backtest.passings:
        say_bundle(passing)
    checks.warn_of_what_was_seen(dataset, backtest)
    if out is not None:
        write_tables(out, backtest)
        say(f"tables: {out}")
    return 0


def _asked(options: argparse.Namespace) -> tuple[list[Bundle], RuleSet | None, Scheduled | None]:
    if options.schedule is None:
        bundle = read_bundle(options.bundle)
        _say_share(options.bundle, bundle.manifest.version)
        return [bundle], rules_of_options(options), None
    for option, value in (("--thresholds", options.thresholds), ("--rules", options.rules)):
        if value is not None:
            raise OptionError(
                f"{option}: got {value} with --schedule, expected none: a schedule says which bundles and rule sets "
                "decide, and each bundle has its own threshold"
            )
    schedule = read_schedule(options.schedule)
    # Here, because it loads the Kafka client.
    from risk.kafka.partitions import partition_of

    models = models_of(options.bundle) or options.bundle.parent
    bundles = [bundle_of_version(models, version) for version in schedule.versions]
    folder = settings_of(options).rules
    sets = {version: rules_of_version(folder, version) for version in schedule.rule_sets}
    lane = ScheduledLane(bundles, InForce(schedule, partition_of), sets)
    return bundles, None, Scheduled(lane, InForce(schedule, partition_of))


def _say_share(path: Path, in_use: str) -> None:
    """A challenger's, where the bundle in use is asked for: workers decide otherwise then."""
    models = models_of(path)
    percent = None if models is None else share_of_challenger(models)
    if models is not None and percent is not None:
        notice(
            f"{challenger_version(models)} decides{of_the_customers(percent)} now, and here {in_use} decides for all: "
            "for the scores and the digest of the workers, name what `python -m scorer schedule FILE` writes by "
            "--schedule"
        )


def read_files(options: argparse.Namespace) -> list[Path]:
    paths = (options.file, options.columns, options.labels, getattr(options, "schedule", None))
    return [path for path in paths if path is not None]


def opened(
    options: argparse.Namespace,
    bundles: Sequence[Bundle],
    thresholds: Sequence[float],
    rules: RuleSet | None = None,
    scheduled: Scheduled | None = None,
) -> tuple[Dataset, Backtest]:
    """Everything that is asked before anything is scored; `compare` has the same options of a file."""
    period = asked_period(options.since, options.until)
    ready = checks.opened(
        options.file,
        bundles,
        options.columns,
        options.labels,
        without_labels=options.without_labels,
        period=period,
        chunk_rows=settings_of(options).chunk_rows,
    )
    checks.warn_of_training_data(bundles, ready.within)
    return ready.dataset, Backtest(bundles, thresholds, period, ready.labels, ready.missing, rules, scheduled)


def _thresholds(text: str | None) -> tuple[float, ...]:
    if text is None:
        return SWEEP
    try:
        values = tuple(number(part.strip()) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(0 < value < 1 for value in values):
        raise OptionError(f"--thresholds: got {text!r}, expected numbers between 0 and 1, such as 0.1,0.3,0.5")
    return values
