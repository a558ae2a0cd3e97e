"""On what terms each transaction was scored: with which bundle, and with ledger days up to which one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from risk.block_codec import NO_TIME, Decoded
from risk.clock import DAY
from risk.kafka.sending import Message
from risk.outputs import day_named, decode_flag
from risk.store import FlagRow
from scorer.ledger.closed_days import NEVER
from scorer.log.already_sent import is_of
from scorer.log.decoding import Chunk, Place
from scorer.verify.comparison import Comparison
from scorer.verify.scoring import Scoring


class Terms(NamedTuple):
    bundle: str
    ledger_day: int


class Naming:
    """Goes along a partition, and keeps to what was named last where nothing is named."""

    def __init__(self, current: str, scoring: Scoring, flags: Comparison[Message]) -> None:
        self._terms = Terms(current, NEVER)
        self._scoring = scoring
        self._flags = flags

    def pieces(self, chunk: Chunk[Decoded], rows: Mapping[int, FlagRow]) -> list[tuple[Chunk[Decoded], Terms]]:
        """The chunk, cut where the terms change. Ledger days only ever come to what was there."""
        each: list[Terms] = []
        for record, time in zip(chunk.records, chunk.content.times.tolist(), strict=True):
            named = self._named(chunk.place, record.offset, rows)
            if named is not None:
                bundle, day = named
                self._terms = Terms(bundle, max(self._terms.ledger_day, NEVER if day is None else day))
            elif time != NO_TIME:
                self._terms = self._terms._replace(ledger_day=max(self._terms.ledger_day, self._needed(time)))
            each.append(self._terms)
        cuts = _changes(each)
        return list(zip(chunk.pieces(cuts), [each[place] for place in (0, *cuts)], strict=True))

    def _named(self, place: Place, offset: int, rows: Mapping[int, FlagRow]) -> tuple[str, int | None] | None:
        """The store's word first, because the store leads; then that of the flag in the topic."""
        row = rows.get(offset)
        if row is not None:
            return row.bundle_version, row.ledger_day
        flags = [decode_flag(message.value) for message in self._flags.waiting(offset)]
        named = [flag for flag in flags if is_of(flag, place)]
        # Somebody else's flag may lie beside ours, and name a bundle that nobody has.
        named.sort(key=lambda flag: not self._scoring.has(flag.bundle_version))
        return (named[0].bundle_version, day_named(named[0].ledger_day)) if named else None

    def _needed(self, event_time: int) -> int:
        """What a transaction without any flag should have been scored with."""
        manifest = self._scoring.pipeline(self._terms.bundle).manifest
        return event_time // DAY - manifest.label_delay_days


def _changes(each: Sequence[Terms]) -> list[int]:
    return [place for place in range(1, len(each)) if each[place] != each[place - 1]]
