"""python -m ops.kafka: a real Apache Kafka in the foreground, until Ctrl-C."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ops.kafka.jars import PLACE
from ops.kafka.ports import free_ports
from ops.kafka.properties import Listeners
from ops.kafka.real import Kafka
from risk.errors import TrustLensError
from risk.settings import port

DESCRIPTION = "Run Apache Kafka on this machine (one node, loopback only), until Ctrl-C. It keeps its data."


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m ops.kafka", description=DESCRIPTION, allow_abbrev=False)
    options.add_argument("--port", type=port, default=9092, help="where it listens; 0 for a free one; default: 9092")
    options.add_argument("--data", type=Path, default=PLACE / "data", help="its folder; default: .kafka/data")
    options.add_argument("--heap", default="1g", help="memory of Java; default: 1g")
    return options


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    free, controller = free_ports(2)
    kafka = Kafka(options.data.resolve(), Listeners(options.port or free, controller, {}), heap=options.heap)
    try:
        kafka.start()
        print(f"Apache Kafka answers on {kafka.address}; data in {kafka.folder}; Ctrl-C ends it", flush=True)
        status = kafka.wait()
        print(f"error: Kafka ended by itself, with status {status}; the reason is in {kafka.log}", file=sys.stderr)
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
    sys.exit(main(sys.argv[1:]))
