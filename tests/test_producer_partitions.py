"""Which partition a key goes to."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from risk.kafka.partitions import partition_of

# What Java's own test of its hash expects.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "hashed"), JAVA.items())
def test_a_key_goes_where_javas_clients_put_it(key: bytes, hashed: int) -> None:
    assert partition_of(key, 7) == (hashed & 0x7FFFFFFF) % 7


@given(key=st.binary(max_size=40), count=st.integers(1, 60))
def test_a_key_goes_where_aiokafka_would_put_it(key: bytes, count: int) -> None:
    assert partition_of(key, count) == DefaultPartitioner()(key, list(range(count)), [])
