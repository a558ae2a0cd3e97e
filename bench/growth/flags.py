"""What it costs that many flags lie in the store: an insert, the file, and the reporter's first figures."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from bench import reporter
from bench.store import BATCH, MEASURED_BATCHES, Writer
from bench.stream.compare import Say
from risk.store import open_store


def flags(sizes: tuple[int, ...], say: Say) -> list[dict[str, Any]]:
    """One store that grows from size to size."""
    found, written = [], 0
    with TemporaryDirectory() as folder, open_store(Path(folder) / "risk.db") as store:
        store.remember_bundle(reporter.VERSION, msgspec.json.encode(reporter.MANIFEST).decode())
        writer, path = Writer(store), Path(folder) / "risk.db"
        for size in sizes:
            writer.write((size - written) // BATCH - MEASURED_BATCHES)
            seconds = writer.write(MEASURED_BATCHES)
            written = size
            figures, megabytes = _first_figures(path)
            one = {
                "flags": size,
                "insert_us": seconds / (MEASURED_BATCHES * BATCH) * 1e6,
                "bytes": path.stat().st_size,
                "first_figures_seconds": figures,
                "reporter_megabytes": megabytes,
            }
            found.append(one)
            say(f"{size:>10,} flags: {one['insert_us']:.1f} µs an insert, {one['bytes'] / 1e6:,.0f} MB, the reporter's "
                f"first figures after {figures:.1f} s")  # fmt: skip
    return found


def _first_figures(path: Path) -> tuple[float, float]:
    with reporter.serving(path) as (process, address, began):
        return reporter.first_figures(address, began), reporter.most_memory_mb(process)
