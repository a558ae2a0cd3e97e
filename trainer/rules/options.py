"""rules: its commands and their options."""

import argparse
from pathlib import Path

from console.help import epilog
from console.options import A_FILE, add_bundle

FILE = Path("rules.toml")
CHECK, LIST, PROMOTE, TEST = "check", "list", "promote", "test"
NOTES = """\
A rule set is a file of rules, rules.toml, with the lists that they ask in the folder lists beside it; docs/rules.md
says how they are written. It is checked as a whole, with names and types, before anything comes of it. Its version is a
digest of what it says. TRUSTLENS_RULES names the folder where sets are kept.
"""
TEST_NOTES = """\
What lies before --from is history: it is passed through, and not counted. A case is all alerts and reviews of a
customer on one UTC day. Features and lists are as they were known at the time of each transaction; what was a fraud is
judged by the labels that are known now, and the result says from which day on frauds may not be reported yet.

Each rule is shown alone, and beside the model as if it were the only rule, in the shadow or not; then the whole set as
it would decide, beside the model alone and the set that is in force. Labels are needed as in backtest: see there.
"""


def add_rules(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--rules",
        metavar="VERSION|none",
        help="a rule set beside the model (default: the one that is in force, of the folder TRUSTLENS_RULES)",
    )


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    rules = commands.add_parser(
        "rules",
        description="Check rules, try them on a history, put them in force, and list rule sets.",
        epilog=epilog("python -m trainer rules check rules.toml", "python -m trainer rules list", notes=NOTES),
    )
    # Above it there is one `parsers` for all commands; below it, its own.
    choices = rules.add_subparsers(dest="rules_command", required=True, metavar="COMMAND", help="what to do")
    check = choices.add_parser(
        CHECK,
        help="check a file of rules",
        description="Check a file of rules and its lists beside a bundle, and say what is in it.",
        epilog=epilog(
            "python -m trainer rules check rules.toml",
            done="the rules can be put in force",
            failed="something is wrong; a line that begins with `error:` says what and where, for each problem",
        ),
    )
    check.add_argument("file", metavar="FILE", type=Path, nargs="?", default=FILE, help=f"(default: {FILE})")
    add_bundle(check)
    test = choices.add_parser(
        TEST,
        help="try rules on a history, before they are in force",
        description="Replay a history through the worker's pipeline, and say what a file of rules would have come to.",
        epilog=epilog(
            "python -m trainer rules test rules.toml cards.parquet --from 2024-12-08",
            "python -m trainer rules test rules-1a2b3c4d5e6f7a8b mine.csv --columns map.toml --matches matches.csv",
            notes=TEST_NOTES,
        ),
    )
    test.add_argument("what", metavar="FILE|VERSION", help="a file that ends in .toml, or a version of `list`")
    test.add_argument("history", metavar="HISTORY", type=Path, help=A_FILE)
    add_bundle(test)
    test.add_argument("--columns", type=Path, metavar="MAP.toml", help="which column is what; see inspect")
    test.add_argument("--labels", type=Path, metavar="FILE", help="labels from another file, instead of HISTORY's own")
    test.add_argument("--without-labels", action="store_true", help="go on where labels are missing")
    test.add_argument("--from", dest="since", metavar="DATE", help="count from this day (UTC), such as 2024-12-01")
    test.add_argument("--until", metavar="DATE", help="stop before this day (UTC)")
    test.add_argument(
        "--against", metavar="VERSION|none", help="the rule set to compare with (default: the one that is in force)"
    )
    test.add_argument("--matches", type=Path, metavar="F.csv", help="a file to write, a line for each rule that fired")
    test.add_argument("--force", action="store_true", help="replace what --matches names if it is there")
    promote = choices.add_parser(
        PROMOTE,
        help="put a rule set in force",
        description="Put a file of rules in force, or a version that is kept already.",
        epilog=epilog(
            "python -m trainer rules promote rules.toml",
            "python -m trainer rules promote rules-1a2b3c4d5e6f7a8b",
            "python -m trainer rules promote none",
            notes="A file is checked and kept under its version first. `none` takes rules out of force; what is kept "
            "stays. backtest and score take what is in force from then on.",
            done="it is in force",
            failed="what was in force still is; the last line says why",
        ),
    )
    promote.add_argument("what", metavar="FILE|VERSION|none", help="a file that ends in .toml, or a version of `list`")
    add_bundle(promote)
    listing = choices.add_parser(
        LIST,
        help="list rule sets",
        description="List the rule sets that are kept, and which is in force; each is checked.",
        epilog=epilog(
            "python -m trainer rules list",
            done="all sets are whole",
            failed="one is damaged, or the folder cannot be read; a line that begins with `error:` says which",
        ),
    )
    for command in (check, test, promote, listing):
        command.set_defaults(run=run, parsers={"rules": command})


def run(options: argparse.Namespace) -> int:
    from trainer.rules import command

    return command.run(options)
