"""python -m trainer: make history, look at data, compute features, train models, try them on the past."""

import os
import sys
from collections.abc import Mapping, Sequence

from console.start import Run, end_when_told, start


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return start(_load, arguments, environment)


def _load() -> Run:
    from trainer.commands import run

    return run


def program() -> int:
    """Of `python -m trainer`, and of the command `trustlens-trainer` where TrustLens is installed."""
    end_when_told()
    return main(sys.argv[1:], os.environ)


if __name__ == "__main__":
    sys.exit(program())
