"""Reads the ledger's topic: what is there when a worker starts, and what comes from then on."""

import logging
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition

from risk.clock import DAY, to_date
from risk.errors import BrokerError, StoreError
from risk.kafka.batches import apart, taken_by_compaction
from risk.kafka.log import LogReader
from risk.ledger_log import DayReader
from scorer.ledger.closed_days import LedgerDays
from scorer.log.chunks import Confirm
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread

log = logging.getLogger(__name__)


class Follower:
    """The store first, then memory: whoever begins to listen finds in the store all that was said before."""

    def __init__(
        self,
        log_reader: LogReader,
        topic: str,
        days: LedgerDays,
        store: StoreThread,
        metrics: Metrics,
        confirm: Confirm,
        *,
        accept_gap: bool,
    ) -> None:
        """`log_reader` tells what compaction took. `confirm`: that what was read came from the topic that is known."""
        self._log = log_reader
        self._place = TopicPartition(topic, 0)
        self._days = days
        self._store = store
        self._metrics = metrics
        self._confirm = confirm
        self._accept_gap = accept_gap
        self._reader = DayReader()

    async def start(self) -> None:
        """Takes over what the store has, and reads on up to the end as it is now."""
        # The offset first: a day that another worker stores in between is read twice, which is harmless, not missed.
        stored_to = await self._store.call(lambda store: store.ledger_offset())
        for terms, begun, newest, offset in await self._store.call(lambda store: store.ledgers()):
            self._reader.know(terms, newest, offset)
            self._days.know(terms, begun, newest)
        begin, end = (await self._log.bounds([self._place]))[self._place]
        first = max(begin, stored_to)
        if begin > stored_to:
            self._must_be_accepted(
                f"the store knows it up to offset {stored_to}, and the log begins at {begin}: days that were closed "
                "are gone from it",
                "retention, which should be unlimited",
            )
        if first > end:
            raise StoreError(
                f"{self._place.topic}: the store knows it up to offset {first}, and it ends at {end}. It is another "
                "log, or one that lost its end. Restore it, or begin with a new store and new topics."
            )
        self._log.begin({self._place: first})
        found = 0
        async for records in self._log.until(self._place, end):
            found += await self._take_in(records)
        self._show()
        log.info("the ledger's topic brought %d days; the newest closed day is %s", found, self._newest())

    async def run(self) -> None:
        while True:
            try:
                records = await self._log.poll(self._place, seconds=1.0)
            except BrokerError:
                await self._confirm(*self._place)  # another topic of this name is the reason that helps
                raise
            await self._take_in(records)

    async def _take_in(self, records: Sequence[Any]) -> int:
        """How many days that made whole."""
        records, gone = apart(records)
        if gone:
            await self._confirm(*self._place)
            self._must_be_accepted(
                f"{taken_by_compaction(gone)}: days that were closed may be gone from it",
                "cleanup.policy, which should be delete",
            )
        days = [day for record in records if (day := self._reader.read(record.offset, record.value)) is not None]
        if days or gone:  # what was accepted once is not asked again
            resume_at = self._reader.resume_at
            await self._confirm(*self._place)
            await self._store.call(lambda store: store.add_ledger_days(days, resume_at))
            for day in days:
                self._days.add(day)
        self._show()
        return len(days)

    def _must_be_accepted(self, what: str, cause: str) -> None:
        what = f"{self._place.topic}: {what}, and would be closed again from other labels"
        if not self._accept_gap:
            raise StoreError(f"{what}. Restore the log, or go on by --accept-gap. Then look at the topic's {cause}.")
        log.warning("%s; goes on without them, as --accept-gap says", what)

    def _newest(self) -> str:
        newest = self._days.newest
        return "none" if newest is None else to_date(newest).isoformat()

    def _show(self) -> None:
        newest = self._days.newest
        if newest is not None:
            self._metrics.ledger_day.set((newest + 1) * DAY / 1000)
        self._metrics.ledger_unreadable.set(self._reader.unreadable)
