"""inspect: its options."""

import argparse
from pathlib import Path

from console.help import epilog
from console.options import A_FILE


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "inspect",
        description="What is in a file, what its columns may mean, and what to beware of.",
        epilog=epilog(
            "python -m trainer inspect mine.csv --write map.toml",
            "python -m trainer inspect mine.csv --columns map.toml",
            "python -m trainer inspect mine.csv --columns map.toml --rejects rejects.ndjson",
            notes="docs/datasets.md explains what a file may be, and every line of a map.",
            done="the file can be used, with the map that is shown",
            failed="it cannot be read, or no map can be proposed; the last line says why",
        ),
    )
    command.add_argument("file", type=Path, metavar="FILE", help=A_FILE)
    command.add_argument("--columns", type=Path, metavar="MAP", help="look at the file through this map, propose none")
    command.add_argument("--write", type=Path, metavar="MAP", help="write the proposed map to this file")
    command.add_argument(
        "--rejects", type=Path, metavar="OUT", help="write every row that cannot be used to this file, as NDJSON"
    )
    command.add_argument("--force", action="store_true", help="let --write and --rejects replace a file")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from trainer.inspection import command

    return command.run(options)
