"""python -m ops.embedded: a broker in memory, until Ctrl-C; its first line is the setting that programs need."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from confluent_kafka import Producer

from console.help import epilog
from console.options import Parser
from console.start import start
from ops.embedded.guard import FULL, watch

DESCRIPTION = f"""\
Run a broker in memory on a free port, until Ctrl-C. Topics make themselves, with 4 partitions each. It holds
{FULL >> 20} MB of each partition; when one is full it ends, and says so. For more: `make kafka`.
"""


def parser() -> argparse.ArgumentParser:
    return Parser(
        prog="python -m ops.embedded",
        description=DESCRIPTION,
        epilog=epilog(
            "python -m ops.embedded",
            notes="The first line that it prints is the setting that the other programs need.",
            done="ended by Ctrl-C, SIGTERM or a closed terminal",
            failed="a partition is full; the last line says so",
            when_ended=" before it began",
        ),
    )


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:  # noqa: ARG001 - as every program is called
    parser().parse_args(arguments)
    # The broker lives in this client, which is not used for anything else.
    broker = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    (node,) = broker.list_topics(timeout=10).brokers.values()
    reason = asyncio.run(_until_the_end(node.host, node.port))
    if reason is None:
        print("ended", flush=True)
        return 0
    print(f"error: {reason}; it ends here. Send less (--limit), or use a real Kafka (`make kafka`)", file=sys.stderr)
    sys.stderr.flush()
    # At once, and not after everything was put away: until then it would take messages and drop others for them.
    os._exit(1)


async def _until_the_end(host: str, port: int) -> str | None:
    """Why the broker cannot go on; None when somebody ends it."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    print(f"export TRUSTLENS_BROKERS={host}:{port}", flush=True)
    watching = asyncio.create_task(watch(host, port, _notice))
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait((watching, waiting), return_when=asyncio.FIRST_COMPLETED)
    return watching.result() if watching.done() else None


def _notice(text: str) -> None:
    print(f"notice: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(start(lambda: main, sys.argv[1:], os.environ))
