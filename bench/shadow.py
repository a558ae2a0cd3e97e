"""What a challenger adds to a transaction's processor time: its whole way through the worker but for Kafka, with a
challenger of the same kind as the bundle in use and without one, in turns. In the shadow it scores all of them a second
time; with a share it decides for so many of the customers, and the bundle in use for the others.

    python -m bench.shadow [--customers 800] [--repeat 7]
"""

from functools import partial

from bench.alone import run_alone
from bench.whole_way import Work, in_turns, measured
from console.start import EXIT_OK
from scorer.log.chunks import MOST_IN_A_CHUNK

SMALL_CHUNK = 100
SHARES = 10.0, 50.0


def measure(work: Work, repeat: int) -> int:
    print(f"{len(work.records):,} transactions, µs of CPU each; ratios: median (least to most)")
    print(f"{'chunks of':>9}  {'challenger':<14}{'without':>9}{'with':>9}  times as long")
    for rows in (MOST_IN_A_CHUNK, SMALL_CHUNK):
        seconds = work._replace(chunk_rows=rows).seconds
        ways = {"in the shadow": partial(seconds, with_challenger=True)}
        ways |= {f"share {percent:g} %": partial(seconds, share_percent=percent) for percent in SHARES}
        for name, beside in ways.items():
            ratio, alone, with_it = in_turns(work, repeat, seconds, beside)
            times = f"{ratio.median:.2f} ({ratio.least:.2f} to {ratio.most:.2f})"
            print(f"{rows:>9,}  {name:<14}{alone:>9.1f}{with_it:>9.1f}  {times}")
    return EXIT_OK


if __name__ == "__main__":
    run_alone(partial(measured, __doc__, measure))
