"""What a challenger adds to a transaction's processor time: its whole way through the worker but for Kafka, with a
challenger of the same kind as the bundle in use and without one, in turns.

    python -m bench.shadow [--customers 800] [--repeat 7]
"""

from functools import partial

from bench.alone import run_alone
from bench.whole_way import Work, in_turns, measured
from console.start import EXIT_OK
from scorer.log.chunks import MOST_IN_A_CHUNK

SMALL_CHUNK = 100


def measure(work: Work, repeat: int) -> int:
    for rows in (MOST_IN_A_CHUNK, SMALL_CHUNK):
        cut = work._replace(chunk_rows=rows)
        ratio, without, beside = in_turns(cut, repeat, cut.seconds, partial(cut.seconds, with_challenger=True))
        print(
            f"chunks of {rows:,}: {len(work.records):,} transactions, {without:.1f} µs of CPU each, with a challenger "
            f"{beside:.1f}: {ratio.median:.2f} times as long ({ratio.least:.2f} to {ratio.most:.2f})"
        )
    return EXIT_OK


if __name__ == "__main__":
    run_alone(partial(measured, __doc__, measure))
