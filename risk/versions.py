"""Which bundle and which rule set decide, or decided."""

from typing import NamedTuple


class Versions(NamedTuple):
    bundle: str
    rules: str | None = None  # None: no rule set was in force

    def __str__(self) -> str:
        return self.bundle if self.rules is None else f"{self.bundle} with {self.rules}"
