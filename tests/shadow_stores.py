"""Stores in which a challenger scored beside the bundle in use, with holes where it was given up."""

import random
from collections.abc import Iterator, Sequence
from math import exp

from risk.clock import DAY
from risk.events import Label
from risk.share import Share, text_of
from risk.store import FlagRow, Owner, ShadowPair, ShadowPiece, Store
from testing.stores import LABELS, NOTHING_SENT, TRANSACTIONS, flag
from tests.live_oracle import Side

LEVELS = ("low", "medium", "high")
THRESHOLDS = (0.1, 0.25)


class ShadowWorld:
    """Customers by partition, day after day. Of frauds the scores are lifted: so much by the bundle in use, and so much
    by the challenger. Frauds are reported after two days, and one in ten of the others is called genuine."""

    def __init__(
        self,
        store: Store,
        *,
        in_use: str,
        challenger: str,
        seed: int = 1,
        lifts: tuple[float, float] = (3.0, 3.0),
        partitions: int = 2,
        a_day: int = 150,
        fraud_share: float = 0.02,
        percent: float | None = None,
    ) -> None:
        """`percent`: of the customers, for whom the challenger decides itself."""
        self._share = None if percent is None else Share(in_use, challenger, percent)
        self._store, self.in_use, self._challenger = store, in_use, challenger
        self._dice = random.Random(seed)
        self._lifts, self._a_day, self._fraud_share = lifts, a_day, fraud_share
        self._partitions = range(partitions)

    def write_day(
        self, day: int, *, given_up: float = 0.0, is_labelled: bool = True, is_given_up: bool = False
    ) -> None:
        """`given_up`: the share of what the challenger does not score, in one stretch of each partition."""
        labels: list[Label] = []
        for partition in self._partitions:
            taken = self._store.take_over(TRANSACTIONS, partition, first_offset=0)
            first = taken.next_offset
            rows, scores = [], []
            for n in range(self._a_day):
                row, score, is_fraud = self._row(partition, first + 2 * n, day * DAY + n * (DAY // self._a_day))
                rows.append(row)
                if row.bundle_version == self.in_use:
                    scores.append((row.source_offset, score, _level(score)))
                if is_fraud or self._dice.random() < 0.1:
                    labels.append(
                        Label(row.transaction_id, row.customer_id, is_fraud, row.event_time + 2 * DAY, "desk")
                    )
            self._commit(taken.owner, first, rows, [] if is_given_up else scores, given_up)
        if is_labelled:
            self.write_labels(labels)

    def _row(self, partition: int, offset: int, event_time: int) -> tuple[FlagRow, float, bool]:
        dice = self._dice
        is_fraud, noise = dice.random() < self._fraud_share, dice.gauss(0, 1)
        score, other = (1 / (1 + exp(4.0 - noise - dice.gauss(0, 0.3) - lift * is_fraud)) for lift in self._lifts)
        row = flag(
            offset,
            event_time,
            partition=partition,
            transaction=f"{partition}-{offset}",
            customer=f"c{partition}-{dice.randrange(60)}",
            amount=None if dice.random() < 0.05 else dice.randrange(1, 50_000),
            currency="EUR" if dice.random() < 0.97 else "USD",
            score=score,
            level=LEVELS[_level(score)],
        )
        if self._share is None:
            return row._replace(bundle_version=self.in_use), other, is_fraud
        version = self._share.decides(row.customer_id)
        return row._replace(bundle_version=version, share=text_of(self._share)), other, is_fraud

    def _commit(
        self, owner: Owner, first: int, rows: Sequence[FlagRow], scores: list[tuple[int, float, int]], given_up: float
    ) -> None:
        behind = rows[-1].source_offset + 1
        self._store.commit_flags(
            owner,
            expected=first,
            next_offset=behind,
            newest_event_time=max(row.event_time for row in rows),
            outputs=NOTHING_SENT,
            rows=rows,
            challenger=self._challenger,
        )
        begin, end = len(rows) // 4, len(rows) // 4 + round(len(rows) * given_up)
        if not scores:
            return
        pieces = [ShadowPiece(first, behind, scores)]
        if end > begin:
            hole, back = rows[begin].source_offset, rows[end].source_offset
            before, after = (
                [score for score in scores if score[0] < hole],
                [score for score in scores if score[0] >= back],
            )
            pieces = [ShadowPiece(first, hole, before), ShadowPiece(back, behind, after)]
        self._store.commit_shadow(owner, self._challenger, pieces)

    def write_labels(self, labels: Sequence[Label]) -> None:
        taken = self._store.take_over(LABELS, 0, first_offset=0)
        self._store.commit_labels(
            taken.owner,
            expected=taken.next_offset,
            next_offset=taken.next_offset + len(labels),
            rejected_offset=0,
            labels=list(enumerate(labels, taken.next_offset)),
        )


def _level(score: float) -> int:
    return sum(score >= threshold for threshold in THRESHOLDS)


def all_pairs(store: Store, challenger: str) -> list[ShadowPair]:
    """In the order of event time, of equal times as in the log."""
    partitions = sorted(store.newest_bundles())
    found = [pair for partition in partitions for some in store.shadow_pairs(challenger, partition) for pair in some]
    return sorted(found, key=lambda pair: (pair.event_time, pair.partition, pair.offset))


def sides(pairs: Sequence[ShadowPair]) -> tuple[Side, Side]:
    """Of the bundle in use and of the challenger, each at its own threshold."""

    def rows(levels: Iterator[str]) -> Iterator[tuple[int, object, float, bool, bool]]:
        for pair, level in zip(pairs, levels, strict=True):
            amount = pair.amount / 100 if pair.amount is not None and pair.currency == "EUR" else float("nan")
            yield pair.event_time, pair.customer_id, amount, pair.is_fraud is True, level == "high"

    return Side(rows(pair.level for pair in pairs)), Side(rows(pair.challenger_level for pair in pairs))
