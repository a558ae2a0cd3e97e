"""The worker beside others that do the same work, without the rest of the benchmark: one table, on the terminal.

    python -m bench.stream [--rows 300000] [--repeat 5] [--only ours --only "bare loop"]

All read a full topic of `cards` transactions from a real Kafka on this machine, score them with the same LightGBM
bundle, and write flags and alerts to topics and to SQLite. They take turns; a ratio is of runs side by side. Exits with
1 if a target is missed.
"""

import argparse
from functools import partial

from bench.results import ratios, spread
from bench.stream.compare import stream
from bench.stream.contestants import CONTESTANTS, WORKER
from bench.targets import AT_LEAST

P99_MS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", action="append", choices=[one.name for one in CONTESTANTS])
    options = parser.parse_args()
    chosen = [one for one in CONTESTANTS if one is WORKER or one.name in (options.only or [one.name])]
    found = stream(options.rows, options.repeat, chosen, partial(print, flush=True))["contestants"]
    late = spread(found[WORKER.name]["p99_ms"]).median
    missed = late > P99_MS
    print(f"event to alert, p99: {late:.0f} ms (wanted {P99_MS})")
    for name, wanted in AT_LEAST.items():
        if name in found:
            ratio = ratios(found[WORKER.name]["rows_per_second"], found[name]["rows_per_second"])
            missed |= ratio.median < wanted
            print(f"ours / {name}: {ratio.median:.2f} ({ratio.least:.2f} to {ratio.most:.2f}; wanted {wanted:g})")
    if missed:
        raise SystemExit("a target was missed")


if __name__ == "__main__":
    main()
