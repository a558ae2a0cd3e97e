"""How fast a backtest is, decode to decision: a LightGBM bundle over a generated `cards` history.

    python -m bench.backtest [--rows 1000000]

Prints rows per second of the whole command and the peak of its memory, for a history and for one four times as long:
the memory must not grow with the file. A target is missed if fewer than 30,000 rows a second pass.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from bench.features import timed

TARGET = 30_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    trainer = [sys.executable, "-m", "trainer"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = folder / "small.parquet"
        subprocess.run([*trainer, "generate", "cards", small, "--customers", "400"], check=True, capture_output=True)
        models = ["--model", "lightgbm", "--models", folder / "models", "--reports", folder / "reports"]
        subprocess.run([*trainer, "train", small, *models], check=True, capture_output=True)
        print(f"{'backtest, LightGBM':<28}{'rows/s':>12}{'peak GB':>10}")
        customers = str(max(1, options.rows // 960))  # two transactions a day, 480 days
        for days in (120, 480):
            history = folder / f"{days}.parquet"
            words = ["--customers", customers, "--days", str(days)]
            subprocess.run([*trainer, "generate", "cards", history, *words], check=True, capture_output=True)
            rows = int(pq.read_metadata(history).num_rows)
            seconds, peak = timed([*trainer, "backtest", str(history), "--bundle", str(folder / "models")])
            speed = rows / seconds
            verdict = "" if speed >= TARGET else f"  missed: the target is {TARGET:,}"
            print(f"{rows:>14,} rows{'':<9}{speed:>12,.0f}{peak:>10.2f}{verdict}")


if __name__ == "__main__":
    main()
