"""One thread for every matrix product: with more, sums are split by the number of cores, and so are their last bits."""

from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits


def one_thread() -> AbstractContextManager[object]:
    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits
