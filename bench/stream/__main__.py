"""python -m bench.stream: the worker beside others, without the rest of the benchmark, and nothing is kept of it."""

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from bench.page import side_by_side
from bench.stream.compare import stream
from bench.stream.contestants import CONTESTANTS, WORKER, check_installed
from bench.targets import verdicts
from console.help import epilog
from console.options import Parser, option_of
from console.start import EXIT_FAILED, EXIT_OK, end_when_told, start
from risk.errors import TrustLensError
from risk.settings import count

DESCRIPTION = """\
Measure the worker beside others that do the same work: all read a full topic of `cards` transactions from a real Kafka
on this machine, score them with the same LightGBM bundle, and write flags and alerts to topics and to SQLite. They take
turns; a ratio is of runs side by side. Prints one table, and what became of the targets.
"""


def parser() -> Parser:
    made = Parser(
        prog="python -m bench.stream",
        description=DESCRIPTION,
        epilog=epilog(
            "python -m bench.stream",
            'python -m bench.stream --rows 50000 --repeat 3 --only "bare loop"',
            done="every target is met",
            failed="a target is missed, or something could not be measured; the last lines say which",
        ),
    )
    add = made.add_argument
    names = [one.name for one in CONTESTANTS]
    add("--rows", type=option_of(count), default=300_000, metavar="N", help="transactions (default: 300000)")
    add("--repeat", type=option_of(count), default=5, metavar="N", help="turns of each (default: 5)")
    add("--only", action="append", choices=names, help="whom to measure beside ours; may be given again (default: all)")
    return made


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:  # noqa: ARG001 - as every program is called
    options = parser().parse_args(arguments)
    chosen = [one for one in CONTESTANTS if one is WORKER or one.name in (options.only or [one.name])]
    say = partial(print, flush=True)
    try:
        check_installed(chosen, is_kafka_needed=True)
        found = stream(options.rows, options.repeat, chosen, say)
    except TrustLensError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FAILED
    say(f"\n{side_by_side(found['contestants'])}")
    judged = verdicts(found, None)
    for one in judged:
        say(f"{one.what}: {one.got}, wanted {one.wanted}{'' if one.met else ': missed'}")
    return EXIT_OK if all(one.met for one in judged) else EXIT_FAILED


if __name__ == "__main__":
    end_when_told()
    sys.exit(start(lambda: main, sys.argv[1:], os.environ))
