"""What a reporter that is scraped every second takes from a worker at full speed: less than 5 % of its rate.

    python -m bench.reporter_beside [--rows 300000] [--repeat 5]

The worker reads a full topic of `cards` transactions from a real Kafka on this machine, once alone and once beside the
reporter, in turns; the median of the ratios counts. Exits with 1 where it is lower, or where a scrape failed.
"""

import argparse
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.stream.contestants import worker
from bench.stream.measure import speed
from bench.stream.system import Bench, Run, bench
from ops.kafka.ports import free_ports

SHARE_KEPT = 0.95
EVERY_SECONDS = 1.0


class Scrapes:
    def __init__(self) -> None:
        self.done, self.failed = 0, 0

    def scrape(self, address: str, end: threading.Event) -> None:
        """Once a second, until the end."""
        while not end.wait(EVERY_SECONDS):
            try:
                with urlopen(f"{address}/metrics", timeout=10) as answer:
                    answer.read()
                self.done += 1
            except (OSError, HTTPException):  # also an answer that is cut off, or does not end
                self.failed += 1


@contextmanager
def reporting(run: Run, scrapes: Scrapes) -> Iterator[None]:
    [port] = free_ports(1)
    process, end = run.start("kpi_reporter", "serve", "--port", str(port)), threading.Event()
    address = f"http://127.0.0.1:{port}"
    while not _answers(address):
        pass
    scraping = threading.Thread(target=scrapes.scrape, args=(address, end))
    scraping.start()
    try:
        yield
    finally:
        end.set()
        scraping.join()
        process.stop(30)


def _answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/health"):
            return True
    except URLError:
        return False


def rate(bench: Bench, scrapes: Scrapes | None) -> float:
    """Transactions a second of a worker; beside a reporter where scrapes are to be counted."""
    run = bench.fresh()
    run.replay(run.history.rows)
    if scrapes is not None:
        with reporting(run, scrapes):
            return _rate(run)
    return _rate(run)


def _rate(run: Run) -> float:
    process = worker(run)
    try:
        return speed([process], run, run.history.rows).rows_per_second
    finally:
        process.stop(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    scrapes, ratios = Scrapes(), []
    with tempfile.TemporaryDirectory() as name, bench(Path(name), options.rows) as made:
        for _ in range(options.repeat):
            alone, beside = rate(made, None), rate(made, scrapes)
            ratios.append(beside / alone)
            print(f"alone {alone:>10,.0f}/s   beside a reporter {beside:>10,.0f}/s   {ratios[-1]:.3f}", flush=True)
    share = statistics.median(ratios)
    print(f"kept: {share:.3f} (wanted {SHARE_KEPT}); {scrapes.done} scrapes, {scrapes.failed} failed")
    if share < SHARE_KEPT or scrapes.failed or not scrapes.done:
        raise SystemExit("a target was missed")


if __name__ == "__main__":
    main()
