"""How long `train` takes: the whole command on a generated `cards` history, everything it writes included.

    python -m bench.train [--rows 1000000]

Wanted with 1,000,000 rows on 2 cores: LightGBM alone within 60 s, all three models within 5 minutes, under 6 GB.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bench.alone import run_alone
from bench.features import timed
from bench.stream.system import ROWS_OF_A_CUSTOMER, generated

RUNS = {"lightgbm": ["--model", "lightgbm"], "all three": []}
WANTED_SECONDS = {"lightgbm": 60, "all three": 300}
WANTED_GB = 6
SHOWN_STAGES = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history = folder / "cards.parquet"
        trainer = [sys.executable, "-m", "trainer"]
        print(f"rows {generated(history, max(1, options.rows // ROWS_OF_A_CUSTOMER)):,}")
        print(f"{'train':<14}{'seconds':>10}{'peak GB':>10}")
        for run, more in RUNS.items():
            models = folder / run
            command = [*trainer, "train", str(history), "--models", str(models), "--reports", str(folder / "reports")]
            seconds, memory = timed([*command, *more])
            print(f"{run:<14}{seconds:>10.1f}{memory:>10.2f}")
            failed |= seconds > WANTED_SECONDS[run] or memory > WANTED_GB
            stages = json.loads((models / (models / "current").read_text().strip() / "manifest.json").read_text())
            longest = sorted(stages["timings"].items(), key=lambda stage: -stage[1])[:SHOWN_STAGES]
            print("    " + ", ".join(f"{stage} {took:.1f} s" for stage, took in longest))
    return 1 if failed else 0


if __name__ == "__main__":
    run_alone(main)
