"""Whether a program is well: python -m ops.healthy URL [TEXT]. For the health checks of containers.

example: python -m ops.healthy http://127.0.0.1:9108/metrics "trustlens_up 1"

exit status: 0 where the page answers, and a line of it begins with TEXT if that is given; 1 otherwise, with the reason;
2 where no URL is given.
"""

import sys
from collections.abc import Sequence
from urllib.error import URLError
from urllib.request import urlopen

PATIENCE_SECONDS = 5.0


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(__doc__)
        return 0 if arguments else 2
    url, *wanted = arguments
    try:
        with urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
    except (URLError, OSError, ValueError) as error:
        return _not_well(f"{url}: no answer: {error}")
    if wanted and not any(line.startswith(wanted[0]) for line in lines):
        return _not_well(f"{url}: no line that begins with {wanted[0]!r}")
    return 0


def _not_well(reason: str) -> int:
    sys.stderr.write(reason + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
