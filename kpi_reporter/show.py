"""`show`: the figures and the latest alerts in the terminal."""

import argparse
import time

from rich.console import Console, RenderableType
from rich.live import Live

from console.help import epilog
from console.options import option_of, settings_of
from console.start import EXIT_INTERRUPTED, EXIT_OK
from console.terminal import notice, out, say
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.values import Unready
from kpi_reporter.shown import lines_of, page, screen
from risk.errors import StoreError
from risk.settings import count
from risk.store import frozen_store

ALERTS_SHOWN = 10


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "show",
        description="The figures of the store and its latest alerts. With --watch again and again, until Ctrl-C; then "
        "it also waits for a store that is not there yet.",
        epilog=epilog(
            "python -m kpi_reporter show",
            "python -m kpi_reporter show --watch --every 5",
            done="shown",
            failed="the store cannot be read; the last line says why",
        ),
    )
    command.add_argument("--watch", action="store_true", help="again and again")
    command.add_argument(
        "--every", type=option_of(count), default=2, metavar="SECONDS", help="between two looks (default: 2)"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    path = settings_of(options).db
    if (text := frozen_store(path)) is not None:
        notice(text)
    reader = KpiReader(path)
    if options.watch:
        return _watch(reader, options.every)
    now = reader.read()
    if isinstance(now, Unready):
        raise StoreError(now.reason)
    for line in lines_of(page(now, reader.latest_alerts(ALERTS_SHOWN))):
        say(line)
    return EXIT_OK


def _watch(reader: KpiReader, every_seconds: int) -> int:
    """Until Ctrl-C, which is how a watch ends; nothing was begun that could be left half done."""
    try:
        with Live(console=out, auto_refresh=False) as live:
            while True:
                live.update(look(reader, out), refresh=True)
                time.sleep(every_seconds)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def look(reader: KpiReader, console: Console) -> RenderableType:
    """Whatever becomes of the store between two looks."""
    now = reader.read()
    try:
        return screen(now, reader.latest_alerts(ALERTS_SHOWN), console)
    except StoreError as error:
        return screen(Unready(str(error)), (), console)
