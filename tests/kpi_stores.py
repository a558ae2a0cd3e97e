"""Stores for tests of the reporter: a small world in which everything odd happens often."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.values import Kpis
from risk.clock import DAY, HOUR
from risk.events import Label
from risk.store import FlagRow, Store
from testing.stores import LABELS, NOTHING_SENT, TRANSACTIONS, flag
from tests.cases import NEW_YEAR
from tests.kpi_oracle import figures_by_sql

# (version, label delay, currency, cost of a review, share of a loss)
BUNDLES = (("one", 3, "EUR", 5.0, 0.8), ("two", 7, "EUR", 2.5, 1.0), ("yen", 7, "JPY", 300.0, 0.5))
LEVELS = ("low", "low", "low", "medium", "high")


def manifest(delay: int, currency: str, review_cost: float, loss_rate: float) -> str:
    said = {
        "label_delay_days": delay,
        "bucket_ms": HOUR,
        "features": [{"name": name} for name in ("amount", "customer_count_7d", "merchant_risk_7d")],
        "currency": currency,
        "thresholds": {"review_cost": review_cost, "loss_rate": loss_rate},
    }
    return msgspec.json.encode(said).decode()


def remember_bundles(store: Store, bundles: Sequence[tuple[str, int, str, float, float]] = BUNDLES) -> None:
    for version, *terms in bundles:
        store.remember_bundle(version, manifest(*terms))


class SmallWorld:
    """Flags and labels out of dice: out of order, with ids that come again, and labels before, late and revised."""

    def __init__(self, seed: int, *, partitions: int = 3, days: int = 60, has_rules: bool = False) -> None:
        """`has_rules`: sets come into force and go again, and decide whatever the level."""
        self._has_rules = has_rules
        self._dice = random.Random(seed)
        self._newest = NEW_YEAR
        self._step = days * DAY // 1_000
        self._offsets = [0] * partitions
        self._label_offset = 0
        self._known: list[FlagRow] = []

    def write_flags(self, store: Store, count: int, versions: Sequence[str]) -> None:
        """As the workers of all partitions would, in a batch of each."""
        rows: list[list[FlagRow]] = [[] for _ in self._offsets]
        for _ in range(count):
            partition = self._dice.randrange(len(rows))
            rows[partition].append(self._flag(partition, self._dice.choice(versions)))
        for partition, batch in enumerate(rows):
            if batch:
                self._commit(store, partition, batch)

    def write_labels(self, store: Store, count: int) -> None:
        taken = store.take_over(LABELS, 0, first_offset=0)
        labels = [(taken.next_offset + n, self._label()) for n in range(count)]
        store.commit_labels(
            taken.owner,
            expected=taken.next_offset,
            next_offset=taken.next_offset + count,
            rejected_offset=0,
            labels=labels,
        )

    def _commit(self, store: Store, partition: int, rows: Sequence[FlagRow]) -> None:
        taken = store.take_over(TRANSACTIONS, partition, first_offset=0)
        store.commit_flags(
            taken.owner,
            expected=taken.next_offset,
            next_offset=rows[-1].source_offset + 1,
            newest_event_time=max(row.event_time for row in rows),
            outputs=NOTHING_SENT,
            rows=rows,
        )
        self._known += rows

    def _flag(self, partition: int, version: str) -> FlagRow:
        dice = self._dice
        self._offsets[partition] += dice.choice((1, 1, 1, 2, 9))
        self._newest += dice.randrange(2 * self._step)
        return flag(
            self._offsets[partition] - 1,
            self._newest - dice.choice((0, 0, 0, dice.randrange(DAY), DAY)),
            partition=partition,
            transaction=f"t{dice.randrange(300)}",
            customer=f"c{dice.randrange(12)}",
            currency=dice.choice(("EUR", "EUR", "JPY")),
            amount=dice.choice((None, 0, dice.randrange(100_000))),
            score=dice.choice((0.0, 0.05, 0.95, 1.0, dice.random())),
            level=dice.choice(LEVELS),
        )._replace(
            merchant_category=dice.choice((None, None, None, *(f"kind {n}" for n in range(60)))),
            channel=dice.choice((None, "pos", "online")),
            bundle_version=version,
            decision=dice.choice((None, None, "none", "review", "alert")) if self._has_rules else None,
        )

    def _label(self) -> Label:
        dice = self._dice
        late = dice.choice((-2 * HOUR, HOUR, 2 * DAY, 9 * DAY, dice.randrange(20 * DAY)))
        if self._known and dice.random() < 0.9:
            about = dice.choice(self._known[-400:])
            customer, transaction, when = about.customer_id, about.transaction_id, about.event_time + late
        else:  # of a transaction that may still come
            customer, transaction = f"c{dice.randrange(12)}", f"t{dice.randrange(300)}"
            when = self._newest + late
        self._label_offset += 1
        # No two are the same version: what comes again is another test's business.
        return Label(transaction, customer, dice.random() < 0.5, when, f"desk {self._label_offset}")


def read(reader: KpiReader) -> Kpis:
    """The figures; the test fails with the reason where there are none."""
    now = reader.read()
    assert isinstance(now, Kpis), now.reason
    return now


def assert_as_by_sql(now: Kpis, path: Path) -> None:
    """Exactly; only sums of money may differ by what float64 rounds."""
    wanted, got = figures_by_sql(path), msgspec.json.decode(msgspec.json.encode(now))
    months = [tuple(one.values()) for one in got.pop("months")]
    assert [month for month, *_ in months] == sorted((month for month, *_ in months), reverse=True)
    assert sorted(months) == sorted(wanted.pop("months"))
    for mine, theirs in zip(got["quality"], wanted["quality"], strict=True):
        assert _without_empty(mine.pop("money")) == [pytest.approx(one) for one in _without_empty(theirs.pop("money"))]
    for name in ("newest_write", "drift", "calibration", "shadow"):  # test_kpis_drift.py, test_kpis_shadow.py
        del got[name]
    for name in wanted:
        assert got[name] == wanted[name], name
    assert got.keys() == wanted.keys()


def _without_empty(money: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in money if one["saved"] or one["lost"] or one["review"]]
