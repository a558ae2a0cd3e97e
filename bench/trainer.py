"""The trainer's commands on a million rows of `cards`, each a process of its own: rows a second, and memory.

python -m bench --only trainer
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.features import timed
from bench.stream.compare import Say
from bench.stream.system import ROWS_OF_A_CUSTOMER

MOST_REPEATS = 3  # of commands that take half a minute each


def trainer(rows: int, repeat: int, say: Say) -> dict[str, Any]:
    """Rows a second and gigabytes of each command."""
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history = folder / "cards.parquet"
        command = [sys.executable, "-m", "trainer"]
        commands = {
            "generate": ["generate", "cards", history, "--customers", max(400, rows // ROWS_OF_A_CUSTOMER), "--force"],
            "features": ["features", history, "--out", folder / "features.parquet", "--force"],
            "train": ["train", history, "--model", "lightgbm", "--reports", folder / "reports"],
            "backtest": ["backtest", history, "--bundle", folder / "models0"],
        }
        for what, words in commands.items():
            found[what] = {"rows_per_second": [], "peak_gb": []}
            for turn in range(min(repeat, MOST_REPEATS)):
                # A bundle of the same name is refused: each training has a folder of its own.
                apart = [*words, "--models", folder / f"models{turn}"] if what == "train" else words
                seconds, peak = timed([*command, *map(str, apart)])
                held = int(pq.read_metadata(history).num_rows)
                found[what]["rows_per_second"].append(held / seconds)
                found[what]["peak_gb"].append(peak)
                say(f"{what:<10}{held:>12,} rows{held / seconds:>12,.0f} rows/s{peak:>8.2f} GB")
        return {"rows": held, "commands": found}
