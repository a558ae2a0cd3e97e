"""Labels that a measurement or a scenario runs beside: they come, or it fails."""

import pytest
from aiokafka.errors import KafkaConnectionError

from bench.labels import compared
from bench.results import spread
from ops.kafka.ports import free_ports
from risk.codec import decode_label
from risk.events import Label
from storm.until import until
from testing.label_flood import LabelFlood
from testing.replays import everything

DATED = 1_700_000_000_000


def away() -> LabelFlood:
    """Where no broker listens."""
    (port,) = free_ports(1)
    return LabelFlood(f"127.0.0.1:{port}", "labels", 2, 1_000, DATED)


def test_labels_that_cannot_be_sent_fail_the_block() -> None:
    with pytest.raises(KafkaConnectionError), away():
        pass


def test_a_block_that_fails_for_want_of_labels_says_why() -> None:
    """And its own failure is told with it."""
    with pytest.raises(KafkaConnectionError) as failed, away():
        raise AssertionError("no label came")
    assert str(failed.value.__context__) == "no label came"


def test_an_interrupt_stays_one() -> None:
    with pytest.raises(KeyboardInterrupt), away():
        raise KeyboardInterrupt


def test_labels_that_end_before_the_block_fail_it(embedded_kafka: str) -> None:
    with (
        pytest.raises(TimeoutError, match="the labels ended after 0 s: expected the block to end before"),
        LabelFlood(embedded_kafka, "labels", 1, 1_000, DATED, most_seconds=0),
    ):
        pass


def test_what_was_sent_is_counted(embedded_kafka: str) -> None:
    with LabelFlood(embedded_kafka, "labels", 1, 1_000, DATED) as flood:
        until(lambda: flood.sent >= 100, 60, "a hundred labels are sent")
    assert flood.per_second > 0
    found = [decode_label(record.value) for record in everything(embedded_kafka, "labels")[0]]
    assert len(found) == flood.sent
    assert {one.labelled_at for one in found if isinstance(one, Label)} == {DATED}


def test_a_ratio_beside_too_few_labels_is_not_told() -> None:
    said, ratio = compared("near", 5_000, [10.0, 10.0], [12.0, 14.0], [4_990.0, 4_500.0])
    assert said == (
        "near: 10.0 s without labels, 13.0 s beside 4,745 labels a second (4,500 to 4,990): "
        "1.30 times as long (1.20 to 1.40)"
    )
    assert ratio == spread([1.2, 1.4])
    with pytest.raises(SystemExit, match=r"near: got 4,499 labels a second, expected 5,000; .*no ratio"):
        compared("near", 5_000, [10.0, 10.0], [12.0, 14.0], [4_990.0, 4_499.0])
