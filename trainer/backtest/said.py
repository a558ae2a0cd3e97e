"""What a backtest prints: a table by week and one over thresholds for each bundle, and two bundles side by side."""

from collections.abc import Sequence

from console.terminal import say, say_table
from risk.clock import DAY
from risk.events import Level
from risk.words import counted
from trainer.backtest.figures import compared, figures_of
from trainer.backtest.passing import Passing
from trainer.backtest.period import day_of_time
from trainer.backtest.run import Backtest
from trainer.backtest.side_by_side import Example, SideBySide
from trainer.backtest.tally import Outcome


def say_what_is_missing(backtest: Backtest) -> None:
    """At the head, before any figure."""
    for each in backtest.missing:
        say(each.headline)
        say()


def say_bundle(passing: Passing) -> None:
    manifest, tallies = passing.manifest, passing.tallies
    total, high, figures = tallies.total, passing.high, figures_of([passing])

    def cells(outcome: Outcome, days: int) -> tuple[str, ...]:
        return tuple(figure.text(figure.of(outcome, days)) for figure in figures)

    days = f"{tallies.days} day{'s' if tallies.days > 1 else ''}"
    say(f"{passing.name}: {counted(total.transactions, 'transaction', 'transactions')} scored, {days}")
    if not total.labelled:
        say("no labels: scores only; what the cases caught, and what they cost, cannot be said")
    titles = [figure.name for figure in figures]
    at = (
        f"the high threshold {high:.4g}" if passing.in_force is None else "the high threshold of whichever was in force"
    )
    say(f"by week, at {at}; amounts in {manifest.currency}")
    weeks = [(day_of_time(week.first_day * DAY), week.tally, week.days) for week in tallies.weeks()]
    lines = [
        (name, f"{tally.transactions:,}", *cells(tally.at(high), days))
        for name, tally, days in [*weeks, ("total", total, tallies.days)]
    ]
    say_table([("week from", "transactions", *titles), *lines])
    say()
    if passing.in_force is None:
        say("what each threshold would have done; * is the bundle's")
        sweep = [
            (f"{outcome.threshold:.4g}{' *' if outcome.threshold == high else ''}", *cells(outcome, tallies.days))
            for outcome in total.outcomes()
        ]
        say_table([("threshold", *titles), *sweep])
    else:
        by_version = [
            (version, *(f"{passing.by_version[version, level]:,}" for level in Level))
            for version in passing.in_force.bundles
        ]
        say_table([("bundle", *Level), *by_version])
    if passing.decided is not None:
        say()
        say(f"what the model and {passing.rules_name} decided together")
        outcomes = zip(("alert or review", "alert alone"), passing.decided.total.outcomes(), strict=True)
        say_table([("decision", *titles), *((name, *cells(one, tallies.days)) for name, one in outcomes)])
    say(f"digest {passing.digest}")
    say()


def say_side_by_side(passings: Sequence[Passing], found: SideBySide) -> None:
    """Each bundle at its own threshold; then what they disagree about."""
    first, second = passings
    names = (first.manifest.version, second.manifest.version)
    say("side by side, each at its own high threshold; the difference is the first less the second")
    if first.manifest.currency != second.manifest.currency:
        say(f"money is not compared: one counts {first.manifest.currency}, the other {second.manifest.currency}")
    high = [f"{passing.manifest.thresholds.high:.4g}" for passing in passings]
    lines = [
        (each.figure.name, each.figure.text(each.first), each.figure.text(each.second),
         each.figure.difference(each.difference))
        for each in compared(first, second)
    ]  # fmt: skip
    say_table([("", *names, "difference"), ("threshold", *high, ""), *lines])
    say()
    if found.frauds:
        say(
            f"frauds: {found.frauds[True, True]:,} caught by both, {found.frauds[True, False]:,} only by {names[0]}, "
            f"{found.frauds[False, True]:,} only by {names[1]}, {found.frauds[False, False]:,} by neither"
        )
    say(
        f"{counted(found.different_levels, 'transaction has', 'transactions have')} another level"
        + (":" if found.levels else "")
    )
    if found.levels:
        swaps = [(*key, f"{count:,}") for key, count in sorted(found.levels.items(), key=lambda item: -item[1])]
        say_table([("label", *names, "transactions"), *swaps], left=3)
    if found.examples:
        say()
        say("examples: first frauds that only one caught, then alerts that only one raised, then other levels")
        examples = [_example(each, names) for each in found.examples]
        say_table([("transaction", "event time", *names, "label", "caught by"), *examples], left=2)


def _example(each: Example, names: tuple[str, str]) -> tuple[str, ...]:
    by = {(True, True): "both", (True, False): names[0], (False, True): names[1], (False, False): "neither"}
    caught = "" if each.is_caught is None or each.other_is_caught is None else by[each.is_caught, each.other_is_caught]
    return (
        each.transaction_id,
        each.event_time,
        f"{each.score:.4f} {each.level}",
        f"{each.other_score:.4f} {each.other_level}",
        each.label,
        caught,
    )
