"""What was acknowledged so far."""

from collections.abc import Sequence

from producer.replay.sequence import Entry
from risk.events import Label, Transaction


class Tally:
    """`entries` is the place in the sequence, `before` what of it an earlier run had sent."""

    def __init__(self, before: int, event_time: int | None) -> None:
        self.entries = before
        self.transactions = self.labels = self.refused = 0
        self.event_time = event_time  # of the newest transaction

    def count(self, entries: Sequence[Entry]) -> int:
        """How many of them were transactions, refused rows among them."""
        labels = transactions = 0
        for _, event in entries:
            if type(event) is Transaction:
                transactions += 1
                self.event_time = event.event_time
            elif type(event) is Label:
                labels += 1
        self.entries += len(entries)
        self.transactions += transactions
        self.labels += labels
        self.refused += len(entries) - transactions - labels
        return len(entries) - labels
