"""What a batch refuses: records that follow others which never came."""

import pytest

from risk.block_codec import Decoded
from risk.errors import StoreError
from risk.events import Rejected, RejectReason
from scorer.worker.arrivals import Chunk, Place
from scorer.worker.batch import _unseen
from tests.test_scorer_intake import Given, decoded

EVENT = Rejected(RejectReason.NOT_JSON, "why")


def chunk(follows: int, *offsets: int) -> Chunk[Decoded]:
    records = [Given(offset, EVENT) for offset in offsets]
    return Chunk(Place("transactions", 0), records, decoded(records), 1, follows)


def test_what_the_store_has_is_skipped() -> None:
    found = _unseen(chunk(5, 5, 6, 7), 7)
    assert found is not None
    assert [record.offset for record in found.records] == [7]
    assert _unseen(chunk(5, 5, 6), 7) is None


def test_a_gap_in_the_log_is_none_in_the_work() -> None:
    """Offsets without records lie behind what the chunk follows."""
    found = _unseen(chunk(5, 9, 10), 5)
    assert found is not None
    assert [record.offset for record in found.records] == [9, 10]


def test_records_that_follow_others_which_never_came_are_refused() -> None:
    with pytest.raises(StoreError, match="follow offset 9, expected 5 next"):
        _unseen(chunk(9, 9, 10), 5)
