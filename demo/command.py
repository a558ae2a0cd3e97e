"""The command: what is asked, and the parts of the demo one after the other."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from console.help import epilog
from console.options import Parser, checked_target, option_of
from console.start import EXIT_FAILED, EXIT_OK
from console.terminal import complain
from demo.changes import Changes, changes_of
from demo.days import Days, demo_days, span
from demo.ending import near, prove, show_outcome, show_places
from demo.errors import DemoError
from demo.ground import NEEDED_MB, NEEDED_MB_WITH_KAFKA, Ground, check_port, check_room, new_ground
from demo.lessons import challenger_of, make_history, train
from demo.live import Live
from demo.running import Programs
from demo.system import start_broker, start_reporter, start_workers
from demo.telling import Teller
from ops.kafka.jars import missing
from risk.errors import TrustLensError
from risk.settings import count, read_settings

ROOT = Path(__file__).parent.parent
CUSTOMERS = 300
# More than these fill a partition of the embedded broker with flags.
MOST_CUSTOMERS_IN_MEMORY = 320
# A second: a day of 300 customers goes by in about three.
RATE = 220
LOOKS_EVERY_SECONDS = 1.0
DESCRIPTION = """\
Make a history of card payments, train on its first part, start a broker, two workers and the reporter, and send the
rest through them. While it goes by, a rule comes into force and a challenger takes over. Show what came of it. Takes
less than three minutes, writes into one folder, and stops all it started.
"""


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    options = parser().parse_args(arguments)
    options.environment = environment
    try:
        _run(options, arguments)
    except TrustLensError as error:
        complain(str(error))
        return EXIT_FAILED
    return EXIT_OK


def parser() -> Parser:
    made = Parser(
        prog="python -m demo",
        description=DESCRIPTION,
        epilog=epilog(
            "python -m demo",
            "python -m demo --keep",
            "python -m demo --kafka",
            notes="`make demo`, `make demo KEEP=1` and `make demo KAFKA=1` do the same. The explorer's port is "
            "TRUSTLENS_REPORTER_PORT (9109); no other setting is heeded.",
            failed="something could not be done, or live was not equal to the backtest; the last line says why",
        ),
    )
    add = made.add_argument
    add("--keep", action="store_true", help="leave all of it running, until Ctrl-C")
    add(
        "--kafka", action="store_true", help="with a real Apache Kafka (Java 17 and Maven) instead of the one in memory"
    )
    add(
        "--folder",
        type=Path,
        default=ROOT / ".demo",
        metavar="DIR",
        help="where all files go; emptied first (default: .demo)",
    )
    add("--customers", type=option_of(count), default=CUSTOMERS, metavar="N", help=f"default: {CUSTOMERS}")
    add("--rate", type=option_of(count), default=RATE, metavar="N", help=f"payments a second (default: {RATE})")
    add("--picture", type=Path, metavar="FILE.svg", help="draw what the terminal shows")
    return made


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    folder: Path = options.folder.absolute()
    port = read_settings(options.environment).reporter_port
    if options.picture is not None:
        checked_target("--picture", options.picture, ".svg", force=True)
    _check(options, folder, port, typed(arguments))
    teller = Teller(Console(highlight=False), record=options.picture is not None)
    with (
        new_ground(folder) as ground,
        Programs(ground.logs, options.environment, lambda names: teller.now(_stops(names))) as programs,
    ):
        programs.settings["DB"] = str(ground.store)
        programs.settings["RULES"] = str(ground.rules)
        programs.settings["STATE"] = str(ground.store.parent / "state")
        _go(options, teller, programs, ground, port)
        if options.keep:
            teller.show(Text("All of it goes on until Ctrl-C.", "dim"))
            _keep(programs)
    minutes, seconds = divmod(round(teller.seconds()), 60)
    rest = "" if options.keep else " `make demo KEEP=1` leaves it running."
    teller.show(Text(f"{minutes} min {seconds} s; all that was started has ended.{rest}", "dim"))
    if options.picture is not None:
        teller.save_picture(options.picture, "make demo")


def typed(arguments: Sequence[str]) -> str:
    """The command that was given, as a reader of the README types it."""
    words = {"--keep": "KEEP=1", "--kafka": "KAFKA=1"}
    if set(arguments) <= set(words):
        return " ".join(["make demo", *(words[each] for each in arguments)])
    return f"python -m demo {shlex.join(arguments)}"


def _stops(names: Sequence[str]) -> str:
    return f"Ending what was started ({', '.join(names)}); this takes some seconds ..."


def _check(options: argparse.Namespace, folder: Path, port: int, command: str) -> None:
    """What would be found out only after a minute."""
    check_port(port, command)
    check_room(folder, NEEDED_MB_WITH_KAFKA if options.kafka else NEEDED_MB)
    lacking = missing() if options.kafka else None
    if lacking is not None:
        raise DemoError(lacking)
    if options.customers > MOST_CUSTOMERS_IN_MEMORY and not options.kafka:
        raise DemoError(
            f"--customers: got {options.customers:,}, expected at most {MOST_CUSTOMERS_IN_MEMORY} with the broker in "
            "memory, which holds 4 MB of a partition; add --kafka"
        )


def _go(options: argparse.Namespace, teller: Teller, programs: Programs, ground: Ground, port: int) -> None:
    days = demo_days()
    _greet(teller, ground, is_real=options.kafka)
    make_history(teller, programs, ground, days, options.customers)
    lessons = train(teller, programs, ground, days)
    start_broker(teller, programs, ground, is_real=options.kafka)
    start_workers(teller, programs, ground, is_real=options.kafka)
    address = start_reporter(teller, programs, port)
    live = Live(teller, programs, ground, days)
    live.teach()
    challenger = challenger_of(teller, programs, ground, days, lessons)
    _announce(teller, days)
    manifest = lessons.bundle.manifest
    changes = Changes(programs, changes_of(ground, challenger), manifest.thresholds.high)
    history = live.watch(options.rate, changes)
    show_outcome(teller, ground, days, history, manifest)
    prove(teller, programs, ground, days)
    show_places(teller, ground, lessons, address, is_kept=options.keep)
    teller.show()


def _greet(teller: Teller, ground: Ground, *, is_real: bool) -> None:
    teller.show(Text.assemble(("TrustLens", "bold"), "  scores every transaction the moment it happens"))
    broker = "the broker, too" if is_real else "only the broker is a small one in memory"
    teller.show(Text(f"Every program is the real one, run by its own command; {broker}.", "dim"))
    if ground.had_files:
        teller.now(
            f"The earlier demo's files in {near(ground.folder)} are replaced; to keep this one's, rename the folder "
            "before the next."
        )
    teller.show()


def _announce(teller: Teller, days: Days) -> None:
    teller.show()
    title = (f"Live, {span(days.live, days.end)}", "bold")
    teller.show(Text.assemble(title, ("  in fast motion; labels follow days later", "dim")))


def _keep(programs: Programs) -> None:
    try:
        while True:
            programs.check(LOOKS_EVERY_SECONDS)
    except KeyboardInterrupt:
        return
