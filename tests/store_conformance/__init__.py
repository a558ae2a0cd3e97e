"""What every implementation of `risk.store.protocol` has to pass: one class for each group of promises. A test file of
an implementation inherits them and says how a new store is made.

    class TestPromisesOfBatches(Batches):
        new_store = staticmethod(sqlite_store)
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from risk.store import Store

_FILES = "batches", "reading_back", "ledger", "learning", "pruning", "reporting", "shadow"
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _FILES))


class Promises:
    new_store: Callable[[], AbstractContextManager[Store]]

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with self.new_store() as made:
            yield made
