"""python -m demo: a history, a model, a stream of transactions, and what became of them."""

import os
import sys
from collections.abc import Mapping, Sequence

from console.start import Run, end_when_told, start


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return start(_load, arguments, environment)


def _load() -> Run:
    from demo.command import run

    return run


if __name__ == "__main__":
    end_when_told()
    sys.exit(main(sys.argv[1:], os.environ))
