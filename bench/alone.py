"""How a measurement that is a command of its own ends: in words and with a status, whatever ends it."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from console.start import EXIT_FAILED, EXIT_OK, end_when_told, start
from risk.errors import TrustLensError


def run_alone(main: Callable[[], int | None]) -> NoReturn:
    """`main` reads its options itself; nothing, where it has no status, is a good end."""

    def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:  # noqa: ARG001 - as every program is called
        try:
            return main() or EXIT_OK
        except TrustLensError as error:
            sys.stderr.write(f"error: {error}\n")
            return EXIT_FAILED

    end_when_told()
    sys.exit(start(lambda: run, sys.argv[1:], os.environ))
