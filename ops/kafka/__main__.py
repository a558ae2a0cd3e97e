"""python -m ops.kafka: a real Apache Kafka in the foreground, until Ctrl-C."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from console.help import epilog
from console.options import Parser, option_of
from console.start import start
from ops.kafka.jars import PLACE
from ops.kafka.ports import free_ports
from ops.kafka.properties import Listeners
from ops.kafka.real import Kafka
from risk.errors import TrustLensError
from risk.settings import port

DESCRIPTION = "Run Apache Kafka on this machine (one node, loopback only), until Ctrl-C. It keeps its data."


def parser() -> argparse.ArgumentParser:
    options = Parser(
        prog="python -m ops.kafka",
        description=DESCRIPTION,
        epilog=epilog(
            "python -m ops.kafka",
            "python -m ops.kafka --port 9192 --data /tmp/kafka",
            done="ended by Ctrl-C, SIGTERM or a closed terminal",
            failed="could not begin, or ended by itself; the last line says why",
            when_ended=" before it began",
        ),
    )
    add = options.add_argument
    add("--port", type=option_of(port), default=9092, metavar="PORT", help="0 for a free one (default: 9092)")
    add("--data", type=Path, default=PLACE / "data", metavar="DIR", help="its folder (default: .kafka/data)")
    add("--heap", default="1g", metavar="SIZE", help="memory of Java (default: 1g)")
    return options


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:  # noqa: ARG001 - as every program is called
    options = parser().parse_args(arguments)
    free, controller = free_ports(2)
    kafka = Kafka(options.data.resolve(), Listeners(options.port or free, controller, {}), heap=options.heap)
    try:
        kafka.start()
        print(f"Apache Kafka answers on {kafka.address}; data in {kafka.folder}; Ctrl-C ends it", flush=True)
        status = kafka.wait()
        print(f"error: Kafka ended by itself, with status {status}; the reason is in {kafka.log}", file=sys.stderr)
    except OSError as error:
        print(f"error: --data: got {options.data}, expected a folder to write to ({error.strerror})", file=sys.stderr)
    except TrustLensError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        kafka.stop()
        print("ended", flush=True)
        return 0
    finally:
        kafka.stop()
    return 1


def _end(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - a signal handler's signature
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    sys.exit(start(lambda: main, sys.argv[1:], os.environ))
