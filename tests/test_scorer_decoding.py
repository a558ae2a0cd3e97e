"""What a record's own time may be: whatever a producer writes there, the record is judged by it and ends nothing."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.clock import HOUR
from risk.events import RejectReason
from risk.kafka.decoding import transaction_reader
from risk.kafka.sending import Headers
from tests.test_kafka_batches import NOW, good

SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1
EVENT = good("1")


class Sent(NamedTuple):
    offset: int
    timestamp: int
    timestamp_type: int = 0
    key: bytes | None = EVENT.key
    value: bytes | None = EVENT.value
    headers: Headers = ()


@given(st.integers(SMALLEST, LARGEST) | st.integers(-2 * HOUR, 2 * HOUR).map(lambda ms: NOW - ms))
def test_whatever_a_records_time_it_is_ahead_by_exactly_that(sent: int) -> None:
    decoded = transaction_reader(HOUR)([Sent(7, sent)])
    assert len(decoded.block) == (0 if NOW - sent > HOUR else 1)
    assert [why.reason for _, why in decoded.unread] == [RejectReason.AHEAD_OF_CLOCK] * (NOW - sent > HOUR)


@pytest.mark.parametrize("sent", [SMALLEST, -(10**15), -1, 0])
def test_a_reject_says_when_it_was_sent_though_no_calendar_has_that(sent: int) -> None:
    [(_, why)] = transaction_reader(HOUR)([Sent(7, sent)]).unread
    said = {-1: "1969-12-31T23:59:59.999Z", 0: "1970-01-01T00:00:00Z"}.get(sent, f"{sent} ms since 1970")
    assert why.detail == f"event_time: got '2024-05-01T12:00:00Z', expected not after it was sent, {said}"
