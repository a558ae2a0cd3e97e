"""One number for a whole history of scores: equal digests, equal scores, to the last bit.

The digest is how many rows there are, and the sum modulo 2^256 of the SHA-256 of each row's canonical bytes. A sum does
not mind the order, and needs no memory: a backtest, a store and a topic can each compute it as they go.
"""

import struct
from collections.abc import Sequence
from hashlib import sha256

from risk.events import Level, Reason

MODULUS = 1 << 256
NO_LEDGER_DAY = -1


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">I", len(raw)) + raw


def _part(value: float | str | None) -> bytes:
    if value is None:
        return b"n"
    return b"t" + _text(value) if isinstance(value, str) else b"f" + struct.pack(">d", value)


def canonical(
    transaction_id: str,
    score: float,
    level: Level,
    reasons: Sequence[Reason],
    imputed: Sequence[str],
    ledger_day: int | None,
) -> bytes:
    """A row as bytes: lengths before texts, floats as IEEE 754 big-endian, so that nothing can be read two ways."""
    parts = [_text(transaction_id), struct.pack(">d", score), _text(level), struct.pack(">I", len(reasons))]
    for reason in reasons:
        parts += [
            _text(reason.feature),
            _part(reason.value),
            _part(reason.reference),
            struct.pack(">d", reason.contribution),
            _text(reason.sentence),
        ]
    parts.append(struct.pack(">I", len(imputed)))
    parts += [_text(name) for name in imputed]
    parts.append(struct.pack(">q", NO_LEDGER_DAY if ledger_day is None else ledger_day))
    return b"".join(parts)


class Digest:
    """Grows row by row, in any order."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, row: bytes) -> None:
        self.count += 1
        self._sum = (self._sum + int.from_bytes(sha256(row).digest(), "big")) % MODULUS

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and (self.count, self._sum) == (other.count, other._sum)

    def __hash__(self) -> int:
        return hash((self.count, self._sum))

    def __str__(self) -> str:
        return f"{self.count}:{self._sum:064x}"
