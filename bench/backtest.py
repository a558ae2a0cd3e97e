"""How fast a backtest is, decode to decision: a LightGBM bundle over a generated `cards` history.

    python -m bench.backtest [--rows 1000000]

Prints rows per second of the whole command and the peak of its memory, for a history and for one four times as long:
the memory must not grow with the file. A target is missed if fewer than 30,000 rows a second pass.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from bench.alone import run_alone
from bench.features import timed
from bench.stream.system import DAYS, LEAST_CUSTOMERS, ROWS_OF_A_CUSTOMER, generated, trained

TARGET = 30_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    trainer = [sys.executable, "-m", "trainer"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = folder / "small.parquet"
        generated(small, LEAST_CUSTOMERS)
        trained(small, folder / "models")
        print(f"{'backtest, LightGBM':<28}{'rows/s':>12}{'peak GB':>10}")
        customers = max(1, options.rows // (4 * ROWS_OF_A_CUSTOMER))
        for days in (DAYS, 4 * DAYS):
            history = folder / f"{days}.parquet"
            rows = generated(history, customers, days)
            seconds, peak = timed([*trainer, "backtest", str(history), "--bundle", str(folder / "models")])
            speed = rows / seconds
            verdict = "" if speed >= TARGET else f"  missed: the target is {TARGET:,}"
            print(f"{rows:>14,} rows{'':<9}{speed:>12,.0f}{peak:>10.2f}{verdict}")


if __name__ == "__main__":
    run_alone(main)
