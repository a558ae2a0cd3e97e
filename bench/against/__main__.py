"""python -m bench.against COMMIT: the working tree beside one of its own commits, in turns, as ratios.

Both have the same Kafka, the same histories and the same bundle, which the commit trains, and the commit's producer
fills the topics of both: what it writes, both can read. `stream` is measured a third time, of the working tree with a
bundle that it trained itself: what those get who upgrade and train again.
"""

import shlex
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench.against.contest import FULL_ROWS, OF_A_WORKER, PARTS, Against
from bench.against.tables import Sides, is_met, kept_as, page
from bench.alone import run_alone
from bench.machine import machine, measured_on
from bench.results import keep
from bench.stream.contestants import check_installed
from bench.stream.system import HERE, Tree
from console.help import epilog
from console.options import Parser, checked_target, option_of
from console.output import writing
from console.start import EXIT_FAILED, EXIT_OK
from ops.leashed import ROOT, Leashed
from risk.errors import OptionError
from risk.settings import count

DESCRIPTION = """\
Measure the working tree beside one of its own commits. The commit is built in a folder of its own, with the environment
that its own `make setup` makes. Both take turns on a real Kafka, with the same histories and the same bundle; a ratio
is of the two runs of one turn. Prints tables in Markdown. Needs Java 17 and Maven.
"""
NOTES = """\
Two histories of `cards`: `dense` has many customers and few days, `long` few customers and many days; restarts have
`month`, a month of a million flags. Fewer --rows make all of them smaller in proportion, for a try. Before anything is
measured, both backtest both histories: the digests must be equal. `stream` is also measured of the working tree with a
bundle that it trained itself; no target judges that.
"""

RESULTS_HELP = "keep every figure of every turn; of .bench/against.json `python -m bench` makes a part of its page"
NAMES = {"PYTHONPATH": str(ROOT / "bench" / "against" / "thread_names")}
# A tree that never keeps what it compiled would begin each start with that, and the working tree has it already.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}


def parser() -> Parser:
    made = Parser(
        prog="python -m bench.against",
        description=DESCRIPTION,
        epilog=epilog(
            "python -m bench.against dd4d430",
            "python -m bench.against HEAD~1 --rows 20000 --turns 1 --only stream --folder .bench/trees",
            notes=NOTES,
            done="every target is met",
            failed="a target is missed, or something could not be measured; the last lines say which",
        ),
    )
    add = made.add_argument
    add("commit", metavar="COMMIT", help="what the working tree is measured beside; Python must be the same")
    rows = f"of the dense history, the others in proportion (default: {FULL_ROWS})"
    add("--rows", type=option_of(count), default=FULL_ROWS, metavar="N", help=rows)
    add("--turns", type=option_of(count), default=5, metavar="N", help="of both (default: 5)")
    add("--only", choices=PARTS, help="one part")
    add(
        "--folder", type=Path, metavar="DIR", help="where the built commit is kept for the next time (default: nowhere)"
    )
    add("--results", type=Path, metavar="FILE.json", help=RESULTS_HELP)
    return made


def main() -> int:
    options = parser().parse_args()
    parts = [part for part in PARTS if options.only in (None, part)]
    commit = commit_named(options.commit)
    if options.results is not None:
        checked_target("--results", options.results, ".json", force=True)
    check_installed((), is_kafka_needed=not OF_A_WORKER.isdisjoint(parts))
    say = partial(print, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = folder if options.folder is None else options.folder.resolve()
        with writing(kept):
            kept.mkdir(parents=True, exist_ok=True)
        say(f"{commit[:7]} is built in {kept / commit}")
        old = Tree("old", built(commit, kept), str(kept / commit / ".venv" / "bin" / "python"), {**NAMES, **COMPILED})
        new = HERE._replace(name="new", environment=old.environment)
        found = Against(folder, old, new, options.rows, options.turns, say).measured(parts)
    command = f"python -m bench.against {shlex.join(sys.argv[1:])}"
    sides = Sides(commit[:7], _git("describe", "--always", "--dirty"), options.turns)
    if options.results is not None:
        keep(options.results.parent, options.results.stem, kept_as(found, sides), command)
    print(page(found, sides))
    print(measured_on(command, machine()))
    return EXIT_OK if all(is_met(pair) for pair in found.pairs) else EXIT_FAILED


def commit_named(name: str) -> str:
    try:
        return _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except subprocess.CalledProcessError:
        raise OptionError(f"COMMIT: got {name!r}, expected a commit of this checkout, such as HEAD~1") from None


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def built(commit: str, folder: Path) -> Path:
    """The commit's files with its own environment; what is there from an earlier time is used."""
    tree = folder / commit
    setup = ["make", "--directory", str(tree), "setup", f"PYTHON={sys.executable}"]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        if not tree.exists():
            archive, whole = Path(name) / "archive.tar", Path(name) / commit
            whole.mkdir()
            _git("archive", "--output", str(archive), commit)
            subprocess.run(["tar", "--extract", "--file", archive, "--directory", whole], check=True)
            whole.rename(tree)
        # pip that is broken off leaves behind what it has unpacked.
        process = Leashed(["env", f"TMPDIR={name}", *setup], folder / f"{commit}.log")
        try:
            status = process.wait()
        finally:
            process.stop(60)
    if status:
        raise SystemExit(f"{shlex.join(setup)} ended with {status}: {process.last_words()}")
    return tree


if __name__ == "__main__":
    run_alone(main)
