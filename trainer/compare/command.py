"""compare: the command."""

import argparse

import numpy as np

from console.terminal import progress, say, say_table, warn
from evaluation.comparison import caught_at, paired
from evaluation.live import FEWEST_CUSTOMERS
from evaluation.money import scored
from evaluation.ranking import Predictions
from evaluation.result import Costs, PairedComparison
from evaluation.sample_size import together
from risk.bundle import Bundle, read_bundle
from risk.dataset import Dataset
from risk.errors import DatasetError, OptionError
from risk.words import counted
from trainer.backtest.checks import check_two, warn_of_what_was_seen
from trainer.backtest.command import SWEEP, opened
from trainer.backtest.said import say_side_by_side, say_what_is_missing
from trainer.backtest.tables import checked_out, write_tables
from trainer.compare.words import equal_work_lines, verdict
from trainer.options import RESAMPLES, SEED


def run(options: argparse.Namespace) -> int:
    out = None if options.out is None else checked_out(options.out, None, force=options.force)
    bundles = [read_bundle(folder) for folder in (options.first, options.second)]
    check_two(bundles)
    _check_options(options, bundles)
    dataset, backtest = opened(options, bundles, SWEEP)
    with progress("compare", dataset.row_count) as advance:
        backtest.run(dataset, None, advance)
    say_what_is_missing(backtest)
    assert backtest.pairs is not None
    assert backtest.side_by_side is not None
    found = _paired(options, bundles, backtest.pairs.predictions(), dataset)
    say_side_by_side(backtest.passings, backtest.side_by_side)
    for passing in backtest.passings:
        say(f"digest of {passing.manifest.version}: {passing.digest}")
    warn_of_what_was_seen(dataset, backtest)
    if out is not None:
        write_tables(out, backtest, found)
        say(f"tables: {out}")
    return 0


def _check_options(options: argparse.Namespace, bundles: list[Bundle]) -> None:
    first, second = (bundle.manifest for bundle in bundles)
    if first.currency != second.currency:
        raise OptionError(
            f"B: got {second.version}, trained with {second.currency}, expected {first.currency} as {first.version}; "
            "money of two currencies cannot be compared"
        )
    RESAMPLES.check(options)
    SEED.check(options)


def _paired(
    options: argparse.Namespace, bundles: list[Bundle], both: tuple[Predictions, Predictions], dataset: Dataset
) -> PairedComparison:
    """At equal work; said at once, with what both caught there."""
    first, second = (bundle.manifest for bundle in bundles)
    test, frauds = both[0], int(np.count_nonzero(both[0].is_fraud))
    if not frauds:
        raise DatasetError(
            f"{dataset.path}: got no transaction known as a fraud in the period, expected some: without any nobody "
            "knows which model is better. Bring labels with --labels FILE, or choose other days."
        )
    costs = Costs(first.thresholds.review_cost, first.thresholds.loss_rate, first.thresholds.alerts_per_day)
    sides = [scored(one, costs) for one in both]
    cases = options.cases_per_day
    if cases is None:
        cases = float(sides[0].accounting.alerts(first.thresholds.high)) / test.days
        if not cases:
            raise OptionError(
                f"--cases-per-day: got none, and {first.version} raises no case here at its own threshold, expected "
                "how many cases a day a team works, such as 20"
            )
    found = paired(
        (first.version, both[0]),
        (second.version, both[1]),
        costs,
        cases,
        seed=options.seed,
        resamples=options.resamples,
    )
    alone = [caught_at(side, cases) for side in sides]
    _say_paired(found, test, frauds, first.currency, alone)
    return found


def _say_paired(
    found: PairedComparison, test: Predictions, frauds: int, currency: str, alone: list[np.ndarray]
) -> None:
    days = counted(test.days, "day", "days")
    say(f"{len(test.scores):,} labelled transactions, {days}, {counted(frauds, 'fraud', 'frauds')}")
    for text in verdict(found, frauds, currency):
        say(text)
    say()
    say(f"at equal work, {found.cases_per_day:,.4g} cases a day each; the difference is the first less the second")
    say_table(equal_work_lines(found, frauds, currency))
    mine, theirs = alone
    only = int(np.count_nonzero(mine != theirs))
    say(f"caught by one of the two alone: {only:,} of {frauds:,} frauds ({only / frauds:.1%})")
    if only:
        say(
            "how many days find a difference of 5 of 100 frauds: python -m trainer sample-size --difference 0.05 "
            f"--frauds-per-day {frauds / test.days:.3g} --only-one {only / frauds:.3g} "
            f"--per-customer {together(test.customers[test.is_fraud]):.3g}"
        )
    customers = len(np.unique(test.customers[test.is_fraud]))
    if customers < FEWEST_CUSTOMERS:
        of = counted(customers, "customer", "customers")
        warn(f"the frauds are of {of}: below {FEWEST_CUSTOMERS} the intervals are rough themselves")
    say()
