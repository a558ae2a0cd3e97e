"""Numbers for texts, and the arrays that hold them. Codes mean something in one process only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Codes(dict[str | None, int]):
    """Numbers texts in the order in which they come; None is 0. Never stored, never ordered, never sent."""

    def __init__(self) -> None:
        super().__init__({None: 0})

    def __missing__(self, text: str | None) -> int:
        code = self[text] = len(self)
        return code

    @contextmanager
    def only_for_now(self) -> Iterator[None]:
        """Codes that are given meanwhile are taken back in the end."""
        count = len(self)
        try:
            yield
        finally:
            while len(self) > count:
                self.popitem()  # the newest
