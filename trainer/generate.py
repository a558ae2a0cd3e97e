"""generate: make history to try things on."""

import argparse
import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from risk.errors import OptionError
from trainer.options import checked_target
from trainer.output import replaced
from trainer.terminal import progress, say
from trainer.worlds import WORLDS
from trainer.worlds.world import World
from trainer.worlds.write import FORMATS, ParquetFile, RowFile

DEFAULT_SEED = 42
LARGEST_SEED = 2**63 - 1
TRUTH_SUFFIX = ".truth.parquet"

EPILOG = """\
examples:
  python -m trainer generate cards history.parquet
  python -m trainer generate cards big.csv --customers 4200 --seed 7
  python -m trainer generate trustlens formula.csv --rows 200000

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
        help="make a history: the worlds trustlens and cards",
        description="Make a history of transactions, sorted by event time.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("world", metavar="WORLD", help="; ".join(f"{w.name}: {w.meaning}" for w in WORLDS.values()))
    command.add_argument(
        "out", metavar="OUT", type=Path, help=f"the file to write; the format by suffix: {', '.join(FORMATS)}"
    )
    command.add_argument("--seed", type=int, default=DEFAULT_SEED, help="another number, another history (default 42)")
    for world in WORLDS.values():
        for option in world.options:
            text = f"{world.name}: {option.meaning} (default {option.default})"
            command.add_argument(f"--{option.name}", type=int, metavar="N", help=text)
    command.add_argument("--force", action="store_true", help="replace OUT if it is there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    world = _world(options.world)
    written = generate(world, options.out, _sizes(world, options), options.seed, force=options.force)
    say(f"rows        {written.rows:,}")
    say(f"fraud rate  {written.frauds / written.rows:.3%} ({written.frauds:,} frauds)")
    say(f"SHA-256     {written.sha256}")
    say(f"written to  {written.path}")
    if written.truth:
        say(f"truth       {written.truth}")
    return 0


def generate(world: World, out: Path, sizes: dict[str, int], seed: int, *, force: bool = False) -> Written:
    target = checked_target("OUT", out, tuple(FORMATS), force=force, inputs=[])
    # Also where this world writes none: the one of another history must not stand beside this.
    truth = checked_target("OUT", out.with_name(out.name + TRUTH_SUFFIX), ".parquet", force=force, inputs=[])
    if not 0 <= seed <= LARGEST_SEED:
        raise OptionError(f"--seed is {seed}; expected a whole number from 0 to {LARGEST_SEED}")
    targets = [truth, target] if world.truth else [target]
    with replaced(*targets) as temporary:
        rows, frauds = _write(world, world.history(sizes, seed, progress), temporary[-1], target.suffix, temporary[:-1])
        with temporary[-1].open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not world.truth:
        truth.unlink(missing_ok=True)
    return Written(target, rows, frauds, sha256, truth if world.truth else None)


def _world(name: str) -> World:
    if name not in WORLDS:
        raise OptionError(f"there is no world {name!r}; expected one of {', '.join(WORLDS)}")
    return WORLDS[name]


def _sizes(world: World, options: argparse.Namespace) -> dict[str, int]:
    """The world's sizes as asked for. An option of another world is refused, not ignored."""
    own = {option.name for option in world.options}
    for other in WORLDS.values():
        for option in other.options:
            if option.name not in own and getattr(options, option.name) is not None:
                raise OptionError(
                    f"--{option.name} is an option of the world {other.name} and means nothing to {world.name}; "
                    f"expected {', '.join(f'--{name}' for name in sorted(own))}; leave it out"
                )
    sizes: dict[str, int] = {}
    for option in world.options:
        given = getattr(options, option.name)
        value = option.default if given is None else given
        if not 1 <= value <= option.largest:
            raise OptionError(f"--{option.name} is {value}; expected a whole number from 1 to {option.largest}")
        sizes[option.name] = value
    return sizes


def _write(
    world: World, batches: Iterable[pa.RecordBatch], path: Path, suffix: str, truths: list[Path]
) -> tuple[int, int]:
    """Rows and frauds written. The columns of the truth go into a file of their own and never into the history."""
    files: list[RowFile] = []
    rows = frauds = 0
    with ExitStack() as open_files:
        for batch in batches:
            truth = batch.select(["transaction_id", *world.truth])
            history = batch.select([name for name in batch.schema.names if name not in world.truth])
            if not files:
                files.append(FORMATS[suffix.lower()](path, history.schema))
                files += [ParquetFile(truth_path, truth.schema) for truth_path in truths]
                for file in files:
                    open_files.callback(file.close)
            for file, part in zip(files, (history, truth), strict=False):
                file.write(part)
            rows += batch.num_rows
            frauds += pc.sum(batch["is_fraud"]).as_py()
    return rows, frauds
