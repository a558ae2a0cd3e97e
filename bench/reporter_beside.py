"""python -m bench.reporter_beside: what a reporter that is scraped takes from a worker at full speed."""

import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from bench.alone import run_alone
from bench.stream.contestants import POSITIONS, check_installed, worker
from bench.stream.measure import rows_stored, until
from bench.stream.system import Run, bench
from console.help import epilog
from console.options import Parser, option_of
from console.start import EXIT_FAILED, EXIT_OK
from ops.leashed import Leashed
from ops.reporter import address_of
from risk.settings import count

DESCRIPTION = """\
Measure what a reporter that is scraped every second takes from a worker at full speed: at most 5 % of its rate. A
history of `cards` goes round and round into a real Kafka on this machine, as fast as one worker takes it; beside it the
reporter is scraped, and is halted now and then (SIGSTOP): a stretch with it is compared with the two without it around
that.
"""

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
    """It, and where it answers."""
    process = run.start("kpi_reporter", "serve", "--port", "0", log=run.store.with_suffix(".reporter.log"))
    return process, address_of(process)


def _without() -> None:
    time.sleep(WITHOUT_SECONDS)


def _rate(run: Run, stretch: Callable[[], None]) -> float:
    """Transactions a second, while this lasts."""
    begun, first = time.monotonic(), rows_stored(run.store, POSITIONS)
    stretch()
    return (rows_stored(run.store, POSITIONS) - first) / (time.monotonic() - begun)


def _measure(run: Run, minutes: int) -> tuple[list[float], Scrapes]:
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


def parser() -> Parser:
    made = Parser(
        prog="python -m bench.reporter_beside",
        description=DESCRIPTION,
        epilog=epilog(
            "python -m bench.reporter_beside",
            "python -m bench.reporter_beside --minutes 1",
            done="it takes no more than that",
            failed="it takes more, a scrape failed, or something could not be measured; the last line says which",
        ),
    )
    add = made.add_argument
    add("--minutes", type=option_of(count), default=10, metavar="N", help="of scraping (default: 10)")
    add("--rows", type=option_of(count), default=300_000, metavar="N", help="that go round (default: 300000)")
    return made


def main() -> int:
    options = parser().parse_args()
    check_installed((), is_kafka_needed=True)
    with tempfile.TemporaryDirectory() as name, bench(Path(name), options.rows) as made:
        shares, scrapes = _measure(made.fresh(), options.minutes)
    share = statistics.median(shares)
    print(f"kept: {share:.3f} ({min(shares):.3f} to {max(shares):.3f}; wanted {SHARE_KEPT}); "
          f"{scrapes.done} scrapes, {scrapes.failed} failed")  # fmt: skip
    return EXIT_FAILED if share < SHARE_KEPT or scrapes.failed else EXIT_OK


if __name__ == "__main__":
    run_alone(main)
