"""python -m producer: make the topics, send histories into Kafka, send rejected messages again."""

import os
import sys
from collections.abc import Mapping, Sequence

from console.start import Run, end_when_told, start


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return start(_load, arguments, environment)


def _load() -> Run:
    from producer.commands import run

    return run


if __name__ == "__main__":
    end_when_told()
    sys.exit(main(sys.argv[1:], os.environ))
