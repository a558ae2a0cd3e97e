"""How far back anything can still ask: decided by the partition that is furthest behind, of all there are."""

from collections.abc import Iterable, Mapping

from risk.store import Position

NEVER = -(1 << 62)


def slowest(positions: Iterable[Position], transactions: str, ends: Mapping[int, int]) -> int:
    """The newest event time of the partition furthest behind. `ends`: where each partition's log ends.

    One of which nothing was ever scored may begin anywhere, if there are records that wait for it; one that is read to
    its end is like any other: what comes from now on is not older than what the others have.
    """
    held = {position.partition: position for position in positions if position.topic == transactions}
    known = [position.newest_event_time for position in held.values() if position.newest_event_time is not None]
    for partition, end in ends.items():
        position = held.get(partition)
        if position is None or (position.newest_event_time is None and position.next_offset < end):
            return NEVER
    return min(known, default=NEVER)
