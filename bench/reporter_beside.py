"""What a reporter that is scraped every second takes from a worker at full speed: less than 5 % of its rate.

    python -m bench.reporter_beside [--minutes 10]

A history of `cards` goes round and round into a real Kafka on this machine, as fast as one worker takes it. Beside it
the reporter is scraped every second for so many minutes in all, and is halted now and then (SIGSTOP): a stretch with it
is compared with the two without it around that. Exits with 1 where the median is lower, or where a scrape failed.
"""

import argparse
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.stream.contestants import POSITIONS, worker
from bench.stream.measure import LOOKS_EVERY_SECONDS, rows_stored, until
from bench.stream.system import Run, bench
from ops.kafka.ports import free_ports
from ops.leashed import Leashed

SHARE_KEPT = 0.95
EVERY_SECONDS = 1.0
WITH_SECONDS, WITHOUT_SECONDS = 20.0, 8.0
WARM_UP_ROWS = 50_000
# Far enough back that the laps do not come up to the clock, behind which nothing is sent before its time.
SHIFT = "--shift=-9000d"


class Scrapes:
    def __init__(self, address: str) -> None:
        self.address = address
        self.done, self.failed = 0, 0

    def for_a_while(self) -> None:
        """Once a second."""
        end = time.monotonic() + WITH_SECONDS
        while (begun := time.monotonic()) < end:
            try:
                with urlopen(f"{self.address}/metrics", timeout=10) as answer:
                    answer.read()
                self.done += 1
            except (OSError, HTTPException):  # also an answer that is cut off, or does not end
                self.failed += 1
            time.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - begun)))


def feed(run: Run) -> Leashed:
    position = ["--position", f"{run.store}.json"]
    return run.start("producer", "replay", str(run.history.path), "--loop", SHIFT, "--max-in-flight", "100000",
                     *position, log=run.store.with_suffix(".feed.log"))  # fmt: skip


def reporter(run: Run) -> tuple[Leashed, str]:
    [port] = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    process = run.start("kpi_reporter", "serve", "--port", str(port), log=run.store.with_suffix(".reporter.log"))
    while not _answers(address):
        with suppress(subprocess.TimeoutExpired):
            raise SystemExit(
                f"the reporter ended with status {process.wait(LOOKS_EVERY_SECONDS)}: {process.last_words()}"
            )
    return process, address


def _answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/health"):
            return True
    except URLError:
        return False


def _without() -> None:
    time.sleep(WITHOUT_SECONDS)


def _rate(run: Run, stretch: Callable[[], None]) -> float:
    """Transactions a second, while this lasts."""
    begun, first = time.monotonic(), rows_stored(run.store, POSITIONS)
    stretch()
    return (rows_stored(run.store, POSITIONS) - first) / (time.monotonic() - begun)


def _measure(run: Run, minutes: float) -> tuple[list[float], Scrapes]:
    """The share that each stretch with the reporter kept."""
    processes = [feed(run), worker(run)]
    try:
        until(processes, run.store, WARM_UP_ROWS)
        process, address = reporter(run)
        processes.append(process)
        scrapes, shares = Scrapes(address), []
        process.signal(signal.SIGSTOP)
        before = _rate(run, _without)
        for _ in range(max(1, round(minutes * 60 / WITH_SECONDS))):
            process.signal(signal.SIGCONT)
            beside = _rate(run, scrapes.for_a_while)
            process.signal(signal.SIGSTOP)
            after = _rate(run, _without)
            shares.append(2 * beside / (before + after))
            print(f"alone {(before + after) / 2:>10,.0f}/s   beside a reporter {beside:>10,.0f}/s   {shares[-1]:.3f}   "
                  f"{rows_stored(run.store, POSITIONS):>12,} rows", flush=True)  # fmt: skip
            before = after
        return shares, scrapes
    finally:
        for one in reversed(processes):
            one.stop(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="of scraping (default 10)")
    parser.add_argument("--rows", type=int, default=300_000, help="of the history that goes round (default 300000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, bench(Path(name), options.rows) as made:
        shares, scrapes = _measure(made.fresh(), options.minutes)
    share = statistics.median(shares)
    print(f"kept: {share:.3f} ({min(shares):.3f} to {max(shares):.3f}; wanted {SHARE_KEPT}); "
          f"{scrapes.done} scrapes, {scrapes.failed} failed")  # fmt: skip
    if share < SHARE_KEPT or scrapes.failed:
        raise SystemExit("a target was missed")


if __name__ == "__main__":
    main()
