"""One number for a whole history of scores: equal digests, equal scores, to the last bit.

The digest is how many rows there are, and the sum modulo 2^256 of the SHA-256 of each row's canonical bytes. A sum does
not mind the order, and needs no memory: a backtest, a store and a topic can each compute it as they go. Where a rule
set is in force, a row has its version, the decision and the rules that fired as well; where none is, nothing of them.
"""

import struct
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from risk.events import Decision, FiredRule, Level, Reason

if TYPE_CHECKING:  # who compares digests loads no model
    from risk.decision import Decided

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


def canonical_rows(
    transaction_ids: Iterable[str],
    scores: Iterable[float],
    levels: Iterable[Level],
    reasons: Iterable[Sequence[Reason]],
    imputed: Iterable[Sequence[str]],
    ledger_days: Iterable[int | None],
) -> list[bytes]:
    """`canonical` of each row, for less work: most rows have no reason, lack nothing, and end like many others."""
    rows: list[bytes] = []
    ends: dict[tuple[Level, int | None], bytes] = {}
    for row in zip(transaction_ids, scores, levels, reasons, imputed, ledger_days, strict=True):
        identity, score, level, why, names, day = row
        if why or names:
            rows.append(canonical(*row))
            continue
        end = ends.get((level, day))
        if end is None:
            # Behind an empty id, its length, and a score of eight bytes.
            end = ends[level, day] = canonical("", 0.0, level, (), (), day)[12:]
        raw = identity.encode()
        rows.append(_begin_of(len(raw)).pack(len(raw), raw, score) + end)
    return rows


def with_decisions(rows: list[bytes], decided: "Decided | None") -> list[bytes]:
    """These rows as they are while a rule set is in force: with what it came to behind."""
    if decided is None:
        return rows
    bare = {
        (version, decision): b"" if version is None else _text(version) + canonical_decision(decision, ())
        for version in set(decided.rules_versions)
        for decision in Decision
    }
    each = zip(rows, decided.rules_versions, decided.decisions, decided.fired, strict=True)
    return [
        row + (_text(version) + canonical_decision(decision, fired) if fired and version else bare[version, decision])
        for row, version, decision, fired in each
    ]


def canonical_decision(decision: Decision, fired: Collection[FiredRule]) -> bytes:
    parts = [_text(decision), struct.pack(">I", len(fired))]
    for one in fired:
        parts += [_text(one.rule), _text(one.action), _text(one.mode), _text(one.sentence)]
        parts.append(struct.pack(">I", len(one.comparisons)))
        for seen in one.comparisons:
            parts += [_text(seen.comparison), struct.pack(">?", seen.holds), _part(seen.value), _part(seen.other)]
    return b"".join(parts)


@cache  # at most as many as an id has characters
def _begin_of(length: int) -> struct.Struct:
    """An id of so many bytes, behind its length, and a score."""
    return struct.Struct(f">I{length}sd")


class Digest:
    """Grows row by row, in any order."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, *rows: bytes) -> None:
        if not rows:
            return
        hashes = b"".join([sha256(row).digest() for row in rows])
        # Each is eight numbers of 32 bits, and no memory holds so many rows that their sums leave 64.
        parts = np.frombuffer(hashes, ">u4").reshape(-1, 8).sum(axis=0, dtype=np.uint64)
        for place, part in enumerate(reversed(parts.tolist())):
            self._sum += part << 32 * place
        self._sum %= MODULUS
        self.count += len(rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and (self.count, self._sum) == (other.count, other._sum)

    def __hash__(self) -> int:
        return hash((self.count, self._sum))

    def __str__(self) -> str:
        return f"{self.count}:{self._sum:064x}"
