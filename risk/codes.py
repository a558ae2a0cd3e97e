"""Numbers for texts, and the arrays that hold them. Codes mean something in one process only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Codes(dict[str | None, int]):
    """Numbers texts as they come; None is 0. Never stored, never ordered, never sent."""

    def __init__(self) -> None:
        super().__init__({None: 0})
        self._spare: list[int] = []

    def __missing__(self, text: str | None) -> int:
        code = self[text] = self._spare.pop() if self._spare else len(self)
        return code

    @property
    def bound(self) -> int:
        """All codes are below it."""
        return len(self) + len(self._spare)

    def keep(self, used: Array) -> None:
        """Texts whose codes are not used any more are forgotten; others will have their codes."""
        for text in [text for text, code in self.items() if code and not used[code]]:
            self._spare.append(self.pop(text))

    @contextmanager
    def only_for_now(self) -> Iterator[None]:
        """Codes that are given meanwhile are taken back in the end."""
        count, bound = len(self), self.bound
        try:
            yield
        finally:
            while len(self) > count:
                _, code = self.popitem()  # the newest
                if code < bound:
                    self._spare.append(code)
