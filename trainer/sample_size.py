"""sample-size: how many days a live comparison of two models needs."""

import argparse

from console.help import epilog
from console.options import option_of
from console.terminal import notice, say
from evaluation.sample_size import NOTHING_IN_COMMON, days_needed, frauds_needed
from risk.errors import OptionError
from risk.settings import number

NOTES = """\
For two models that score the same transactions, each allowed as many cases a day, as compare counts them.
docs/metrics.md has the formula. compare prints the command for two bundles. Without --only-one, 0.5 is taken, as if the
two had nothing in common and caught half of the frauds each; without --per-customer, frauds are taken to be of
different customers. The labels of the last day must be in before the result is read.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "sample-size",
        description="Say how many days a live comparison of two models needs.",
        epilog=epilog(
            "python -m trainer sample-size --frauds-per-day 12 --difference 0.05",
            "python -m trainer sample-size --frauds-per-day 12 --difference 0.05 --only-one 0.12 --per-customer 2.5",
            notes=NOTES,
        ),
    )
    for name, default, metavar, text in (
        ("--frauds-per-day", None, "N", "frauds that become known of one day"),
        ("--difference", None, "SHARE", "of frauds that one model catches more, to be found: 0.05 is 5 of 100"),
        ("--only-one", NOTHING_IN_COMMON, "SHARE", "of frauds that only one of the two catches (0.5)"),
        ("--per-customer", 1.0, "N", "frauds of a fraud's customer, on average over frauds (1)"),
        ("--power", 0.8, "SHARE", "how likely such a difference is to be found (0.8)"),
        ("--confidence", 0.95, "SHARE", "how unlikely one is to be found where there is none: 1 less this (0.95)"),
    ):
        command.add_argument(
            name, type=option_of(number), default=default, required=default is None, metavar=metavar, help=text
        )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    _check(options)
    only_one = max(options.only_one, options.difference)
    if only_one > options.only_one:
        notice(
            f"--only-one: got {options.only_one:g}, which is less than the difference: {options.difference:g} is "
            "taken, for what one model catches more, it catches alone. Two models that differ so little may never "
            "differ by so much"
        )
    frauds = frauds_needed(options.difference, only_one, power=options.power, confidence=options.confidence)
    days = days_needed(frauds, options.frauds_per_day, options.per_customer)
    say(
        f"{days:,} days: {frauds:,} frauds of different customers find a difference of {options.difference:.1%} of the "
        f"frauds with a power of {options.power:.0%} at {options.confidence:.0%} confidence, if "
        f"{only_one:.1%} of the frauds are caught by one of the two alone"
    )
    return 0


def _check(options: argparse.Namespace) -> None:
    for name in ("difference", "only_one", "power", "confidence"):
        value = getattr(options, name)
        # Where one of the two catches every fraud that is caught, and of all, one alone catches all of them.
        if not (0 < value < 1 or (name == "only_one" and value == 1)):
            raise OptionError(
                f"--{name.replace('_', '-')}: got {value:g}, expected a share between 0 and 1, such as 0.05"
            )
    if options.frauds_per_day <= 0:
        raise OptionError(f"--frauds-per-day: got {options.frauds_per_day:g}, expected more than 0, such as 12")
    if options.per_customer < 1:
        raise OptionError(f"--per-customer: got {options.per_customer:g}, expected 1 or more, such as 2.5")
