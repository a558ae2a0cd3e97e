"""python -m bench.stream: the worker beside others, without the rest of the benchmark, and nothing is kept of it."""

from functools import partial

from bench.alone import run_alone
from bench.page import side_by_side
from bench.stream.compare import stream
from bench.stream.contestants import CONTESTANTS, WORKER, check_installed
from bench.targets import verdicts
from console.help import epilog
from console.options import Parser, option_of
from console.start import EXIT_FAILED, EXIT_OK
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


def main() -> int:
    options = parser().parse_args()
    chosen = [one for one in CONTESTANTS if one is WORKER or one.name in (options.only or [one.name])]
    say = partial(print, flush=True)
    check_installed(chosen, is_kafka_needed=True)
    found = stream(options.rows, options.repeat, chosen, say)
    say(f"\n{side_by_side(found['contestants'])}")
    judged = verdicts(found)
    for one in judged:
        say(f"{one.what}: {one.got}, wanted {one.wanted}{'' if one.met else ': missed'}")
    return EXIT_OK if all(one.met for one in judged) else EXIT_FAILED


if __name__ == "__main__":
    run_alone(main)
