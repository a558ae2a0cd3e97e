"""The door to files: CSV, Parquet and NDJSON become transactions and labels, in event-time order, chunk by chunk."""

from risk.dataset.bad_message import message_of
from risk.dataset.opened import BadRows, Dataset, open_dataset
from risk.dataset.rows import Rows
from risk.dataset.source import BadRow

__all__ = ["BadRow", "BadRows", "Dataset", "Rows", "message_of", "open_dataset"]
