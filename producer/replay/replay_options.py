"""What a replay is to send, and how."""

import argparse
from pathlib import Path
from typing import NamedTuple

from risk.errors import OptionError


class ReplayOptions(NamedTuple):
    file: Path
    columns: Path | None
    since: int | None
    until: int | None
    labels: bool
    loop: bool
    limit: int | None
    rate: float | None
    speed: float | None
    max_in_flight: int | None
    shift: str | int | None
    resume: bool
    position: Path | None  # where it is said; else in the folder for state


def replay_options_of(options: argparse.Namespace, file: Path) -> ReplayOptions:
    if options.since is not None and options.until is not None and options.since >= options.until:
        raise OptionError("--from is not before --until, expected at least a day between them")
    if options.loop and (options.since is not None or options.until is not None):
        raise OptionError("--loop cannot be with --from or --until: expected a whole file to repeat; leave one out")
    return ReplayOptions(
        file,
        options.columns,
        options.since,
        options.until,
        options.labels,
        options.loop,
        options.limit,
        options.rate,
        options.speed,
        options.max_in_flight,
        options.shift,
        options.resume,
        options.position,
    )
