"""Runs a command that ends when whoever started it does, however that ends: no broker outlives its test run.

The starter holds the other end of standard input and never writes to it; once it is gone, the end of it is read here.
The first line of standard output is the process id of the command.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence


def main(command: Sequence[str]) -> int:
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr) as process:
        sys.stdout.write(f"{process.pid}\n")
        sys.stdout.flush()
        threading.Thread(target=_kill_at_the_end, args=(process,), daemon=True).start()
        return process.wait()


def _kill_at_the_end(process: "subprocess.Popen[bytes]") -> None:
    # Not through sys.stdin, whose lock Python wants for itself when it ends.
    os.read(0, 1)
    process.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
