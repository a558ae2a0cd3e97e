"""What the reporter reads: only what is new, nothing twice, and the label in force beside a flag."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from risk.clock import DAY
from risk.errors import StaleOwnerError
from risk.events import Label
from risk.store import NO_CHALLENGER, FlagRow, Role, ShadowPiece, Store, StoreToReport
from testing.stores import NEW_YEAR, NOTHING_SENT, TRANSACTIONS, flag, store_flags, store_labels

Both = tuple[Store, StoreToReport]
STEPS = 20


def columns(store: StoreToReport, partition: int, first: int = 0) -> list[tuple[object, ...]]:
    """All that comes from there on, as rows."""
    rows: list[tuple[object, ...]] = []
    while (found := store.flag_columns(partition, first, score_steps=STEPS, missing="none")) is not None:
        assert len({len(column) for column in found}) == 1
        rows += zip(*(column if isinstance(column, list) else column.tolist() for column in found), strict=True)
        first = int(found.offsets[-1]) + 1
    return rows


def expected(row: FlagRow) -> tuple[object, ...]:
    return (
        row.source_offset,
        row.event_time,
        -1 if row.amount is None else row.amount,
        ("low", "medium", "high").index(row.level),
        ("none", "review", "alert").index(row.decided),
        row.share is not None,
        int(row.score * STEPS),
        row.customer_id.encode(),
        row.transaction_id.encode(),
        row.currency.encode(),
        (row.merchant_category or "none").encode(),
        (row.channel or "none").encode(),
        row.bundle_version.encode(),
    )


def said(offset: int, is_fraud: bool, when: int, customer: str = "ann", source: str = "desk") -> Label:
    return Label(f"t{offset}", customer, is_fraud, when, source)


class Reporting:
    new_stores: Callable[[], AbstractContextManager[Both]]

    @pytest.fixture
    def both(self) -> Iterator[Both]:
        with self.new_stores() as made:
            yield made

    def test_it_has_no_way_to_write(self, both: Both) -> None:
        store, report = both
        shared = {"close", "positions", "ledger_bounds", "bundles", "newest_bundles"}
        shared |= {"challengers", "starts", "share_starts", "shadow_spans", "retrainings"}
        assert {name for name in dir(report) if not name.startswith("_")} & set(dir(store)) == shared

    def test_an_empty_store_has_nothing_to_report(self, both: Both) -> None:
        _, report = both
        assert (report.flagged_partitions(), report.labelled_partitions()) == ([], [])
        assert (report.flag_times(), report.newest_bundles(), report.bundles()) == ((None, None), {}, [])
        assert report.flag_columns(0, 0, score_steps=STEPS, missing="none") is None
        assert report.flag(0, 0) is None

    def test_columns_hold_every_flag_once_in_the_order_of_the_log(self, both: Both) -> None:
        """However many are read at once, and with offsets missing in between."""
        store, report = both
        levels = "low", "medium", "high"
        rows = [
            flag(
                7 + 5 * n + (100_000 if n > 4_000 else 0),
                NEW_YEAR + n,
                customer=f"ü{n % 9}",
                amount=None if n % 5 == 0 else n,
                currency="EUR" if n < 6_000 else "USD",
                score=n % 1_001 / 1_000,
                level=levels[n % 3],
            )._replace(
                channel=None if n % 7 == 0 else "pos",
                merchant_category=f"k{n % 4}",
                decision=(None, "none", "review", "alert")[n % 11 % 4],
            )
            for n in range(8_000)
        ]
        store_flags(store, rows)
        store_flags(store, [flag(3, partition=12)], partition=12)
        assert report.flagged_partitions() == [0, 12]
        assert columns(report, 0) == list(map(expected, rows))
        first = rows[5_000].source_offset
        assert columns(report, 0, first) == list(map(expected, rows[5_000:]))
        assert columns(report, 0, rows[-1].source_offset + 1) == []

    def test_what_is_committed_meanwhile_comes_with_the_next_question(self, both: Both) -> None:
        store, report = both
        store_flags(store, [flag(0)])
        assert len(columns(report, 0)) == 1
        store_flags(store, [flag(1, NEW_YEAR + 5)])
        assert columns(report, 0, 1) == [expected(flag(1, NEW_YEAR + 5))]
        assert report.flag_times() == (NEW_YEAR, NEW_YEAR + 5)
        assert report.flag(0, 1) == flag(1, NEW_YEAR + 5)

    def test_a_flag_is_judged_by_the_newest_label_since_the_start_of_its_day(self, both: Both) -> None:
        store, report = both
        moment = NEW_YEAR + DAY // 2
        store_flags(store, [flag(n, moment, level="high" if n == 3 else "low") for n in range(6)])
        store_labels(
            store,
            [
                said(0, True, moment),
                said(0, False, moment + 1),
                said(1, False, moment),
                said(1, True, moment, source="bank"),  # the one that came last
                said(2, True, NEW_YEAR - 1),  # of an earlier transaction with this id
                said(3, True, NEW_YEAR),
                said(4, True, moment, customer="bob"),
            ],
        )
        found = {judged.offset: judged for judged in report.judged_flags(0, [5, 4, 3, 2, 1, 0, 77])}
        assert {offset: judged.is_fraud for offset, judged in found.items()} == {
            0: 0, 1: 1, 2: None, 3: 1, 4: None, 5: None,
        }  # fmt: skip
        assert found[0].labelled_at == moment + 1
        assert found[3] == (3, moment, b"ann", b"EUR", 1250, b"v1", 2, 1, NEW_YEAR)
        assert report.judged_flags(1, [0]) == []

    def test_a_flag_is_what_was_decided_and_without_rules_what_its_level_says(self, both: Both) -> None:
        store, report = both
        pairs = [(level, decision) for level in ("low", "high") for decision in (None, "none", "review", "alert")]
        rows = [flag(n, level=level)._replace(decision=decision) for n, (level, decision) in enumerate(pairs)]
        store_flags(store, rows)
        found = [judged.decision for judged in report.judged_flags(0, list(range(len(rows))))]
        assert found == [0, 0, 1, 2, 2, 0, 1, 2]

    def test_labels_are_counted_and_named_between_two_offsets(self, both: Both) -> None:
        store, report = both
        store_labels(store, [said(n, n % 3 == 0, NEW_YEAR + n) for n in range(10)])
        store_labels(store, [said(77, True, NEW_YEAR)], partition=2)
        assert report.labelled_partitions() == [0, 2]
        assert (report.last_label(0), report.last_label(2)) == (9, 0)
        assert sorted(report.label_counts(0, 2, 8)) == [(0, 4, NEW_YEAR + 8), (1, 2, NEW_YEAR + 6)]
        assert sorted(report.label_counts(0, -1, 9)) == [(0, 6, NEW_YEAR + 8), (1, 4, NEW_YEAR + 9)]
        for only_frauds, offsets in ((False, [3, 4, 5, 6, 7, 8]), (True, [3, 6])):
            found = [key for keys in report.label_keys(0, 2, 8, only_frauds=only_frauds) for key in keys]
            assert sorted(found) == [(b"ann", f"t{n}".encode(), int(n % 3 == 0)) for n in offsets]

    def test_bundles_that_are_known_are_left_out(self, both: Both) -> None:
        store, report = both
        for version in ("v1", "v2", "v3"):
            store.remember_bundle(version, "{}")
        assert [bundle.version for bundle in report.bundles({"v2", "v9"})] == ["v1", "v3"]

    def test_of_each_partition_the_newest_flag_names_the_bundle_in_use(self, both: Both) -> None:
        store, report = both
        store_flags(store, [flag(0), flag(1)._replace(bundle_version="v2")])
        store_flags(store, [flag(0, partition=3)], partition=3)
        store_labels(store, [said(0, True, NEW_YEAR)], partition=5)
        assert report.newest_bundles() == {0: "v2", 3: "v1"}

    def test_a_store_that_is_written_stays_the_same_store(self, both: Both) -> None:
        store, report = both
        before = report.place, report.last_written()
        store_flags(store, [flag(0)])
        assert report.place == before[0]
        assert report.last_written() >= before[1]

    def test_what_challengers_made_of_transactions_is_reported_as_the_store_has_it(self, both: Both) -> None:
        store, report = both
        owner = store_flags(store, [flag(0)])
        store.remember_challenger("v2", "{}")
        store.commit_shadow(owner, "v2", [ShadowPiece(0, 1, [(0, 0.5, 1)])])
        for version in ("v2", NO_CHALLENGER):
            store.commit_flags(
                owner, expected=1 if version else 2, next_offset=2 if version else 3, newest_event_time=NEW_YEAR,
                outputs=NOTHING_SENT, rows=[flag(1 if version else 2)], challenger=version,
            )  # fmt: skip
        assert len(report.starts(Role.CHALLENGER)) == 2
        assert report.starts(Role.CHALLENGER) == store.starts(Role.CHALLENGER)
        assert report.challengers() == store.challengers()
        assert len(report.shadow_spans("v2")) == 1
        assert report.shadow_spans("v2") == store.shadow_spans("v2")

    def test_what_both_scored_comes_in_columns_in_the_order_of_the_log(self, both: Both) -> None:
        """From an offset on, a partition and a challenger at a time, however many are read at once."""
        store, report = both
        rows = [
            flag(7 + 5 * n, NEW_YEAR + n, level=("low", "medium", "high")[n % 3])._replace(bundle_version=f"ü{n % 2}")
            for n in range(8_000)
        ]
        owner = store_flags(store, rows)
        for version in ("v2", "v3"):
            store.remember_challenger(version, "{}")
        scores = [(row.source_offset, 0.5, (n // 3) % 3) for n, row in enumerate(rows)]
        store.commit_shadow(owner, "v2", [ShadowPiece(0, 17, scores[:2]), ShadowPiece(32, 20_002, scores[5:4_000])])
        store.commit_shadow(owner, "v3", [ShadowPiece(20_002, 40_003, scores[4_000:])])
        for version in ("v2", "v3", "v9"):
            wanted = [pair for pairs in store.shadow_pairs(version, 0) for pair in pairs]
            for first in (0, 32, 33, 40_002, 40_003):
                names, at = ("low", "medium", "high"), first
                got: list[tuple[object, ...]] = []
                while (found := report.shadow_columns(version, 0, at)) is not None:
                    assert len({len(column) for column in found}) == 1
                    got += zip(
                        *(column if isinstance(column, list) else column.tolist() for column in found), strict=True
                    )
                    at = int(found.offsets[-1]) + 1
                assert got == [
                    (
                        pair.offset,
                        pair.event_time,
                        names.index(pair.level),
                        names.index(pair.challenger_level),
                        pair.bundle_version.encode(),
                    )
                    for pair in wanted
                    if pair.offset >= first
                ]
        assert report.shadow_columns("v2", 1, 0) is None

    def test_sampled_features_come_back_beside_what_their_flags_say(self, both: Both) -> None:
        """From an offset on, a partition at a time; a flag without a sample has none."""
        store, report = both
        rows = [flag(offset, NEW_YEAR + offset, score=offset / 10) for offset in range(5)]
        store_flags(store, rows, samples=[(0, 1, b"one"), (0, 4, b"\x00\xff")])
        store_flags(store, [flag(1, partition=1)], partition=1, samples=[(1, 1, b"")])
        found = report.samples(0, 0)
        assert found is not None
        assert found.offsets.tolist() == [1, 4]
        assert found.event_times.tolist() == [NEW_YEAR + 1, NEW_YEAR + 4]
        assert found.scores.tolist() == [0.1, 0.4]
        assert found.bundle_versions == [b"v1", b"v1"]
        assert found.features == [b"one", b"\x00\xff"]
        again = report.samples(0, 2)
        assert again is not None
        assert again.offsets.tolist() == [4]
        assert report.samples(0, 5) is None

    def test_what_is_refused_leaves_no_sampled_features(self, both: Both) -> None:
        """They are stored with the rows or not at all."""
        store, report = both
        stale = store_flags(store, [flag(0)])
        store.take_over(TRANSACTIONS, 0, first_offset=0)
        with pytest.raises(StaleOwnerError):
            store.commit_flags(
                stale, expected=1, next_offset=2, newest_event_time=NEW_YEAR, outputs=NOTHING_SENT,
                rows=[flag(1)], samples=[(0, 1, b"one")],
            )  # fmt: skip
        assert report.samples(0, 0) is None

    def test_sampled_features_go_with_their_flags(self, both: Both) -> None:
        store, report = both
        rows = [flag(offset, NEW_YEAR + offset * DAY) for offset in range(10)]
        store_flags(store, rows, samples=[(0, offset, b"one") for offset in range(0, 10, 3)])
        assert store.remove({0: NEW_YEAR + 6 * DAY}, 0, {}).flags == 6
        found = report.samples(0, 0)
        assert found is not None
        assert found.offsets.tolist() == [6, 9]
