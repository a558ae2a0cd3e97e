"""Before a worker takes a partition: the compiled loops are loaded, so that the first transaction waits for none, and
Python is told to look for garbage less often."""

import gc

from risk.block import block_of
from risk.bundle import Bundle
from risk.clock import DAY, EARLIEST, HOUR
from risk.events import Transaction
from risk.ledger import SeenDays
from risk.pipeline import Pipeline

DAYS, CUSTOMERS = 24, 5


def rehearse(bundle: Bundle) -> None:
    """Scores a made-up history with a pipeline of its own, which nobody sees again."""
    manifest = bundle.manifest
    days = SeenDays(label_delay_days=manifest.label_delay_days, bucket_ms=manifest.bucket_ms)
    pipeline = Pipeline(bundle, days)
    block = block_of(
        [_made_up(day, customer, manifest.currency) for day in range(DAYS) for customer in range(CUSTOMERS)]
    )
    for first in range(0, len(block), CUSTOMERS):
        pipeline.score(block.cut(first, first + CUSTOMERS))
    pipeline.engine.restore(block, 1)
    pipeline.engine.forget_old_days()


def collect_less() -> None:
    """Rows come and go by the thousand and hold no cycles; looking for some after every 700 is lost time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def _made_up(day: int, customer: int, currency: str) -> Transaction:
    return Transaction(
        f"{day}-{customer}",
        EARLIEST + day * DAY + customer * HOUR,
        f"customer {customer}",
        currency,
        f"merchant {day % 3}",
        "category",
        1_000 + day,
        "channel",
        f"device {customer}",
        "country",
    )
