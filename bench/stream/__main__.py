"""How fast the worker is, beside a bare loop of the client that does the same work; and how soon an alert is out.

    python -m bench.stream [--rows 300000] [--repeat 5] [--rate 2000]

Both read a full topic of `cards` transactions from a real Kafka on this machine, score them with the same LightGBM
bundle, and write flags and alerts to topics and to SQLite. They take turns; the ratio is of runs side by side. Exits
with 1 if a target is missed.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.stream.measure import Delay, Speed, delay, speed, until
from bench.stream.system import Bench, Run, bench
from ops.kafka.ports import free_ports
from ops.leashed import Leashed

ROWS_PER_SECOND, SHARE_OF_BARE, P99_MS = 25_000, 0.8, 50
STEPS = ("decode", "score", "send", "store")


def ours(run: Run, *options: str) -> Leashed:
    return run.start("scorer", "worker", "--bundle", str(run.history.models / "current"), "--metrics-port", *options)


def bare(run: Run) -> Leashed:
    return run.start("bench.stream.bare", "--bundle", str(run.history.models))


def from_a_full_topic(bench: Bench, start: Callable[[Run], Leashed]) -> tuple[Speed, Run]:
    run = bench.fresh()
    run.producer("replay", str(run.history.path), "--max-in-flight", "0", "--position", str(run.store) + ".json")
    process = start(run)
    try:
        return speed(process, run), run
    finally:
        process.stop(30)


def paced(bench: Bench, rate: int, rows: int) -> Delay:
    """The worker is there before the first transaction."""
    run = bench.fresh()
    process = ours(run, "0")
    try:
        first = 4 * rate
        where = ["--position", str(run.store) + ".json"]
        run.producer("replay", str(run.history.path), "--rate", str(rate), "--limit", str(first + rows), *where)
        until(process, run.store, first + rows)
        return asyncio.run(delay(run, skip=first // 4))
    finally:
        process.stop(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rate", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, bench(Path(name), options.rows) as made:
        port = str(free_ports(1)[0])
        found: dict[str, list[Speed]] = {"worker": [], "bare loop": []}
        print(f"{'':<12}{'transactions/s':>16}{'CPU µs each':>14}{'peak MB':>10}")
        for _ in range(options.repeat):
            for contestant, start in (("worker", lambda run: ours(run, port)), ("bare loop", bare)):
                result, _ = from_a_full_topic(made, start)
                found[contestant].append(result)
                print(
                    f"{contestant:<12}{result.rows_per_second:>16,.0f}{result.cpu_microseconds:>14.1f}{result.peak_megabytes:>10.0f}"
                )
        ratios = [a.rows_per_second / b.rows_per_second for a, b in zip(*found.values(), strict=True)]
        rate = statistics.median(one.rows_per_second for one in found["worker"])
        share = statistics.median(ratios)
        print(f"worker, median {rate:,.0f}/s (wanted {ROWS_PER_SECOND:,}); of the bare loop {share:.2f} "
              f"({min(ratios):.2f} to {max(ratios):.2f}; wanted {SHARE_OF_BARE})")  # fmt: skip
        late = paced(made, options.rate, options.rate * 20)
        print(f"event to alert at {options.rate:,}/s: median {late.median:.0f} ms, p99 {late.p99:.0f} ms of "
              f"{late.alerts} alerts (wanted {P99_MS})")  # fmt: skip
    if rate < ROWS_PER_SECOND or share < SHARE_OF_BARE or late.p99 > P99_MS:
        raise SystemExit("a target was missed")


if __name__ == "__main__":
    main()
