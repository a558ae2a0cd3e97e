"""Which bundle and which rule set decide, or decided, and what share of the customers a challenger has."""

from typing import NamedTuple

from risk.share import Share


class Versions(NamedTuple):
    bundle: str  # in use
    rules: str | None = None  # None: no rule set was in force
    share: Share | None = None  # None: the bundle in use decided all

    def __str__(self) -> str:
        said = self.bundle if self.rules is None else f"{self.bundle} with {self.rules}"
        share = self.share
        return said if share is None else f"{said}, and {share.challenger} for {share.percent:g} % of the customers"

    @property
    def bundles(self) -> tuple[str, ...]:
        """That decide: the one in use first."""
        return (self.bundle,) if self.share is None else (self.bundle, self.share.challenger)
