"""The store's rows of one partition, read alongside."""

from collections.abc import Mapping

import msgspec

from risk.store import FlagRow, Store
from scorer.verify.comparison import Comparison
from scorer.verify.findings import Findings
from scorer.verify.outputs import Window

_encoder = msgspec.json.Encoder()


class StoredRows:
    def __init__(self, store: Store, name: str, partition: int, window: Window, findings: Findings) -> None:
        self.comparison: Comparison[bytes] = Comparison(name, window.begin, _explained)
        self._rows = store.flags(partition)
        self._next: FlagRow | None = next(self._rows, None)
        while self._next is not None and self._next.source_offset < window.begin:
            findings.gone += 1
            self._next = next(self._rows, None)

    def read_to(self, source_offset: int) -> dict[int, FlagRow]:
        """The rows that were not read yet, up to this offset. They are handed to the comparison, too."""
        found: dict[int, FlagRow] = {}
        while self._next is not None and self._next.source_offset <= source_offset:
            found[self._next.source_offset] = self._next
            self.comparison.found(self._next.source_offset, as_bytes(self._next))
            self._next = next(self._rows, None)
        return found


def as_bytes(row: FlagRow) -> bytes:
    """Equal only where every field has the same type and the same bits."""
    return _encoder.encode(row)


def _explained(raw: bytes) -> Mapping[str, object]:
    return dict(zip(FlagRow._fields, msgspec.json.decode(raw), strict=True))
