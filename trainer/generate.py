"""generate: make history to try things on."""

import argparse
import hashlib
from pathlib import Path

from msgspec import Struct

from console.help import epilog
from console.options import checked_target
from console.output import replaced
from console.terminal import notice, progress, say
from risk.words import counted
from worlds.options import MEANINGS, add_size_options, world_options
from worlds.world import World
from worlds.write import FORMATS, write_history

FRAUDS_TO_TRAIN_ON = 200
TRUTH_SUFFIX = ".truth.parquet"

NOTES = """\
The same world, sizes and seed give the same bytes. trustlens also writes OUT.truth.parquet: the true probability
of each transaction, for a report to compare a model with. docs/worlds.md describes both worlds.
"""


class Written(Struct, frozen=True):
    """A history was generated."""

    path: Path
    rows: int
    frauds: int
    sha256: str
    truth: Path | None


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "generate",
        description="Make a history of transactions, sorted by event time.",
        epilog=epilog(
            "python -m trainer generate cards history.parquet",
            "python -m trainer generate cards big.csv --customers 4200 --seed 7",
            "python -m trainer generate trustlens formula.csv --rows 200000",
            notes=NOTES,
            done="the history is written, whole",
        ),
    )
    command.add_argument("world", metavar="WORLD", help=MEANINGS)
    command.add_argument(
        "out", metavar="OUT", type=Path, help=f"the file to write; the format by suffix: {', '.join(FORMATS)}"
    )
    add_size_options(command)
    command.add_argument("--force", action="store_true", help="replace OUT if it is there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    asked = world_options(options.world, options)
    written = generate(asked.world, options.out, asked.sizes, asked.seed, force=options.force)
    say(f"rows        {written.rows:,}")
    say(f"fraud rate  {written.frauds / written.rows:.3%} ({counted(written.frauds, 'fraud', 'frauds')})")
    say(f"SHA-256     {written.sha256}")
    say(f"written to  {written.path}")
    if written.truth:
        say(f"truth       {written.truth}")
    if written.frauds < FRAUDS_TO_TRAIN_ON:
        times = -(-FRAUDS_TO_TRAIN_ON // max(written.frauds, 1))
        frauds = counted(written.frauds, "fraud is", "frauds are")
        notice(f"{frauds} too few to train on: train wants 20 known ones in 15 % of the days; a "
               f"history {times} times as large has enough")  # fmt: skip
    return 0


def generate(world: World, out: Path, sizes: dict[str, int], seed: int, *, force: bool = False) -> Written:
    target = checked_target("OUT", out, tuple(FORMATS), force=force)
    # Also where this world writes none: the one of another history must not stand beside this.
    truth = checked_target("OUT", out.with_name(out.name + TRUTH_SUFFIX), ".parquet", force=force)
    targets = [truth, target] if world.truth else [target]
    with replaced(*targets) as temporary:
        batches = world.history(sizes, seed, progress)
        rows, frauds = write_history(world, batches, temporary[-1], target.suffix, temporary[:-1])
        with temporary[-1].open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not world.truth:
        truth.unlink(missing_ok=True)
    return Written(target, rows, frauds, sha256, truth if world.truth else None)
