"""On what terms each transaction was scored: with which bundle, and with ledger days up to which one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from risk.clock import DAY
from risk.events import RiskFlag, Transaction
from risk.kafka.sending import Message
from risk.outputs import decode_flag
from risk.store import FlagRow
from scorer.verify.comparison import Comparison
from scorer.verify.scoring import Scoring
from scorer.worker.arrivals import Chunk
from scorer.worker.reach import NEVER


class Terms(NamedTuple):
    bundle: str
    ledger_day: int


class Naming:
    """Goes along a partition, and keeps to what was named last where nothing is named."""

    def __init__(self, current: str, scoring: Scoring, flags: Comparison[Message]) -> None:
        self._terms = Terms(current, NEVER)
        self._scoring = scoring
        self._flags = flags

    def pieces(self, chunk: Chunk, rows: Mapping[int, FlagRow]) -> list[tuple[Chunk, Terms]]:
        """The chunk, cut where the terms change. Ledger days only ever come to what was there."""
        each: list[Terms] = []
        for record, event in zip(chunk.records, chunk.events, strict=True):
            named = self._named(record.offset, rows)
            if named is not None:
                bundle, day = named
                self._terms = Terms(bundle, max(self._terms.ledger_day, NEVER if day is None else day))
            elif type(event) is Transaction:
                self._terms = self._terms._replace(ledger_day=max(self._terms.ledger_day, self._needed(event)))
            each.append(self._terms)
        cuts = _changes(each)
        return list(zip(chunk.pieces(cuts), [each[place] for place in (0, *cuts)], strict=True))

    def _named(self, offset: int, rows: Mapping[int, FlagRow]) -> tuple[str, int | None] | None:
        """The store's word first, because the store leads; then that of the flag in the topic."""
        row = rows.get(offset)
        if row is not None:
            return row.bundle_version, row.ledger_day
        for message in self._flags.waiting(offset):
            flag = decode_flag(message.value)
            if isinstance(flag, RiskFlag):
                return flag.bundle_version, flag.ledger_day
        return None

    def _needed(self, transaction: Transaction) -> int:
        """What a transaction without any flag should have been scored with."""
        manifest = self._scoring.pipeline(self._terms.bundle).manifest
        return transaction.event_time // DAY - manifest.label_delay_days


def _changes(each: Sequence[Terms]) -> list[int]:
    return [place for place in range(1, len(each)) if each[place] != each[place - 1]]
