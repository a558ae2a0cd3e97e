"""`retrain`: its options."""

import argparse

from console.help import epilog
from console.options import option_of
from risk.errors import OptionError
from risk.settings import up_to_a_year
from trainer.options import MARGIN, add_evidence, add_folders

NOTES = """\
The history is the store's, to the last day whose labels are due; models, hyper-parameters, search, costs, seed and
terms are those that the manifest of the bundle in use names, and so is how long its periods are, where they were named.
The newest 20 % of the days judge, and the bundle in use is judged on them, too, at equal work.

Where nothing speaks against it, the new bundle scores in the shadow beside the one in use; with --promote it comes into
use. Otherwise both stay as they are. What is in the shadow already is not replaced without --replace, for it would
never be seen there for long enough, and one that decides for a share of the customers not at all: until people decide
about it, nothing is trained.

With --every it first waits until it is due, by what the store says of earlier ones, but for those that were stopped;
before the first, by when the bundle in use came into use. That is for a service that is started again each time it
ends, or for a timer, with a little less than its own interval. The alert TrustLensRetrainingOverdue goes by it; of
retrainings by hand none is overdue.

One retraining goes on at a time, by a lease in the store. It may be killed at any moment: what is in force is whole,
and the next one says that it was killed.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "retrain",
        description="Train again as the bundle in use was trained, on what the store has by now, judge the two, and "
        "put the new one in the shadow.",
        epilog=epilog(
            "python -m trainer retrain",
            "python -m trainer retrain --if-drifted",
            "python -m trainer retrain --promote",
            "python -m trainer retrain --every 7d",
            "python -m trainer retrain --status",
            notes=NOTES,
            done="it is in the shadow or in use, or it was left, and why is said",
            failed="the last line says why; what it put in force before, if anything, a warning says",
        ),
    )
    add = command.add_argument
    add(
        "--if-drifted",
        action="store_true",
        help="only where features or scores have drifted, by 1,000 samples or more of the last seven whole days; see "
        "kpi_reporter drift",
    )
    add("--promote", action="store_true", help="in use instead of in the shadow, where nothing speaks against it")
    add("--replace", action="store_true", help="even where another bundle is in the shadow, unless it has a share")
    add("--every", type=option_of(up_to_a_year), metavar="TIME", help="wait until so long after the last one began: 7d")
    add("--status", action="store_true", help="what is under way, and what came of earlier ones")
    add("--json", action="store_true", help="with --status: for programs, all that is known of each")
    add_folders(command)
    MARGIN.add(command)
    add_evidence(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.status and options.every is not None:
        raise OptionError("--every: got it with --status, expected one of them")
    if options.status:
        from trainer.retrain.status import show_status

        return show_status(options)
    if options.every is not None:
        from trainer.retrain.due import wait

        wait(options)
    from trainer.retrain.command import run_retrain

    return run_retrain(options)
