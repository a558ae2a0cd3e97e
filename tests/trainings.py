"""What tests tell a training whose report they do not look at, and a history that is quickly learned from."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from console.start import EXIT_OK
from trainer.__main__ import main

# Few draws behind an interval, and no plots.
QUICK = ("--resamples", "20", "--no-plots")


def small_history(path: Path, customers: int = 120) -> None:
    """The customers of a generated world to whom a fraud happened: all of its frauds in a third of its rows, for there
    must be some in each period."""
    assert main(["generate", "cards", str(path), "--customers", str(customers), "--days", "110"], {}) == EXIT_OK
    table = pq.read_table(path)
    robbed = table.filter(pc.equal(table["is_fraud"], 1))["customer_id"].unique()
    pq.write_table(table.filter(pc.is_in(table["customer_id"], value_set=pa.array(robbed))), path)
