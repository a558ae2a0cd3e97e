"""Which partition a key goes to: as Java's clients have it, so that whoever else sends puts a customer where we do."""

from functools import lru_cache

from aiokafka.partitioner import murmur2

KEPT_KEYS = 1 << 20


def partition_of(key: bytes, partitions: int) -> int:
    return _hashed(key) % partitions


@lru_cache(KEPT_KEYS)
def _hashed(key: bytes) -> int:
    # Without the sign bit, which Java's division would keep.
    return int(murmur2(key)) & 0x7FFFFFFF
