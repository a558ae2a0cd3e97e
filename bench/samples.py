"""What storing sampled features adds to a transaction's processor time: its whole way through the worker but for Kafka,
with samples and without, in turns.

    python -m bench.samples [--customers 800] [--repeat 7]

Exits with 1 where the median of the ratios is above 1.02.
"""

from functools import partial

from bench.alone import run_alone
from bench.whole_way import Work, in_turns, measured
from console.start import EXIT_FAILED, EXIT_OK

MOST = 1.02


def measure(work: Work, repeat: int) -> int:
    ratio, without, _ = in_turns(work, repeat, partial(work.seconds, with_samples=False), work.seconds)
    print(
        f"{len(work.records):,} transactions, {without:.1f} µs of CPU each: with samples {ratio.median:.3f} times as "
        f"long ({ratio.least:.3f} to {ratio.most:.3f})"
    )
    return EXIT_OK if ratio.median <= MOST else EXIT_FAILED


if __name__ == "__main__":
    run_alone(partial(measured, __doc__, measure))
