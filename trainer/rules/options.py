"""rules: its commands and their options."""

import argparse
from pathlib import Path

from console.help import epilog
from console.options import add_bundle

FILE = Path("rules.toml")
CHECK, LIST, PROMOTE = "check", "list", "promote"
NOTES = """\
A rule set is a file of rules, rules.toml, with the lists that they ask in the folder lists beside it; docs/rules.md
says how they are written. It is checked as a whole, with names and types, before anything comes of it. Its version is a
digest of what it says. TRUSTLENS_RULES names the folder where sets are kept.
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
        description="Check rules, put them in force, and list rule sets.",
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
    promote = choices.add_parser(
        PROMOTE,
        help="put a rule set in force",
        description="Put a file of rules in force, or a version that is kept already.",
        epilog=epilog(
            "python -m trainer rules promote rules.toml",
            "python -m trainer rules promote rules-1a2b3c4d",
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
    for command in (check, promote, listing):
        command.set_defaults(run=run, parsers={"rules": command})


def run(options: argparse.Namespace) -> int:
    from trainer.rules import command

    return command.run(options)
