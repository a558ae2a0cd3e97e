"""python -m kpi_reporter: what the store says, for Prometheus, for people and for programs."""

import os
import sys
from collections.abc import Mapping, Sequence

from console.start import Run, end_when_told, start


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return start(_load, arguments, environment)


def _load() -> Run:
    from kpi_reporter.commands import run

    return run


def program() -> int:
    """Of `python -m kpi_reporter`, and of the command `trustlens-reporter` where TrustLens is installed."""
    end_when_told()
    return main(sys.argv[1:], os.environ)


if __name__ == "__main__":
    sys.exit(program())
