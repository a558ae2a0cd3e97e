"""What challengers scored: once, only where the bundle in use had scored, and by whoever owns the partition."""

import pytest

from risk.clock import DAY
from risk.errors import StaleOwnerError, StoreError
from risk.events import Label
from risk.share import Share, text_of
from risk.store import (
    NO_CHALLENGER,
    Owner,
    Role,
    ShadowPair,
    ShadowPiece,
    ShadowSpan,
    ShareStart,
    Store,
    StoredBundle,
)
from testing.stores import NOTHING_SENT, TRANSACTIONS, flag, store_flags, store_labels
from tests.cases import NEW_YEAR
from tests.store_conformance import Promises


def stored(store: Store, *offsets: int, partition: int = 0) -> Owner:
    return store_flags(store, [flag(at, NEW_YEAR + at, partition=partition) for at in offsets], partition=partition)


def piece(first: int, behind: int, *without: int) -> ShadowPiece:
    """Everything in it scored, but for the offsets that hold no transaction."""
    return ShadowPiece(first, behind, [(at, at / 1_000, at % 3) for at in range(first, behind) if at not in without])


def spans(store: Store, version: str = "v2") -> list[tuple[int, ...]]:
    return list(map(tuple, store.shadow_spans(version)))


def paired(store: Store, version: str = "v2", partition: int = 0, first: int = 0) -> list[ShadowPair]:
    return [pair for pairs in store.shadow_pairs(version, partition, first) for pair in pairs]


class Shadow(Promises):
    """A challenger's scores beside those of the bundle in use."""

    @pytest.fixture
    def owner(self, store: Store) -> Owner:
        """Of twenty transactions, and `v2` may score them."""
        store.remember_challenger("v2", "{}")
        return stored(store, *range(20))

    def test_both_scores_come_back_with_the_transaction(self, store: Store, owner: Owner) -> None:
        score = 0.1 + 0.2
        store.commit_shadow(owner, "v2", [ShadowPiece(3, 5, [(3, score, 0), (4, 1.0, 2)])])
        expected = ShadowPair(
            0, 3, NEW_YEAR + 3, "ann", "t3", "EUR", 1250, "mill", "v1", 0.25, "low", score, "low", None, None
        )  # fmt: skip
        assert paired(store)[0] == expected
        assert (paired(store)[1].challenger_score, paired(store)[1].challenger_level) == (1.0, "high")

    def test_a_pair_has_the_label_in_force_and_when_it_was_found_out(self, store: Store, owner: Owner) -> None:
        store.commit_shadow(owner, "v2", [piece(0, 3)])
        store_labels(
            store,
            [
                Label("t0", "ann", True, NEW_YEAR + DAY, "desk"),
                Label("t0", "ann", False, NEW_YEAR + 2 * DAY, "desk"),
                Label("t1", "ann", False, NEW_YEAR + DAY, "desk"),
                Label("t1", "ann", True, NEW_YEAR + DAY, "bank"),  # the one that came last
                Label("t2", "ann", True, NEW_YEAR - 1, "desk"),  # of an earlier transaction with this id
            ],
        )
        assert [(pair.is_fraud, pair.labelled_at) for pair in paired(store)] == [
            (False, NEW_YEAR + 2 * DAY),
            (True, NEW_YEAR + DAY),
            (None, None),
        ]

    def test_pairs_come_in_the_order_of_the_log_however_many(self, store: Store) -> None:
        store.remember_challenger("v2", "{}")
        store.remember_challenger("v3", "{}")
        owner, other = stored(store, *range(12_000)), stored(store, *range(3), partition=1)
        store.commit_shadow(owner, "v2", [piece(0, 11_000)])
        store.commit_shadow(owner, "v3", [piece(11_000, 12_000)])
        store.commit_shadow(other, "v2", [piece(0, 3)])
        assert [pair.offset for pair in paired(store)] == list(range(11_000))
        assert [pair.offset for pair in paired(store, first=10_998)] == [10_998, 10_999]
        assert [pair.offset for pair in paired(store, "v3")] == list(range(11_000, 12_000))
        assert [(pair.partition, pair.offset) for pair in paired(store, partition=1)] == [(1, 0), (1, 1), (1, 2)]
        assert paired(store, "v9") == []

    def test_a_span_grows_while_nothing_is_left_out(self, store: Store, owner: Owner) -> None:
        store.commit_shadow(owner, "v2", [piece(2, 5), piece(5, 6)])
        store.commit_shadow(owner, "v2", [piece(6, 9, 7)])
        assert store.shadow_spans("v2") == [ShadowSpan(0, 2, 9, 6)]

    def test_what_was_left_out_lies_between_two_spans(self, store: Store, owner: Owner) -> None:
        store.commit_shadow(owner, "v2", [piece(0, 5)])
        store.commit_shadow(owner, "v2", [piece(6, 9)])
        assert spans(store) == [(0, 0, 5, 5), (0, 6, 9, 3)]

    def test_offsets_that_hold_no_transaction_part_no_spans(self, store: Store) -> None:
        store.remember_challenger("v2", "{}")
        owner = stored(store, 0, 1, 2, 7, 8)
        store.commit_shadow(owner, "v2", [piece(0, 3)])
        store.commit_shadow(owner, "v2", [piece(7, 9)])
        assert spans(store) == [(0, 0, 9, 5)]

    def test_a_piece_without_a_transaction_extends_its_span(self, store: Store, owner: Owner) -> None:
        store.commit_shadow(owner, "v2", [piece(0, 5), ShadowPiece(5, 8, [])])
        assert spans(store) == [(0, 0, 8, 5)]

    def test_each_challenger_has_spans_of_its_own(self, store: Store, owner: Owner) -> None:
        store.remember_challenger("v3", "{}")
        store.commit_shadow(owner, "v2", [piece(0, 5)])
        store.commit_shadow(owner, "v3", [piece(5, 7)])
        store.commit_shadow(owner, "v2", [piece(7, 9)])
        assert spans(store) == [(0, 0, 5, 5), (0, 7, 9, 2)]
        assert spans(store, "v3") == [(0, 5, 7, 2)]
        assert spans(store, "v9") == []

    def test_who_lost_the_partition_writes_nothing(self, store: Store, owner: Owner) -> None:
        store.take_over(TRANSACTIONS, 0, first_offset=0)
        with pytest.raises(StaleOwnerError, match="the store has epoch 2, offset 20, expected epoch 1, any offset"):
            store.commit_shadow(owner, "v2", [piece(0, 5)])
        assert (spans(store), paired(store)) == ([], [])

    def test_nothing_is_scored_in_the_shadow_before_it_is_stored(self, store: Store, owner: Owner) -> None:
        with pytest.raises(StoreError, match=r"got a piece from 18 to 21, expected one between 0, .* and 20"):
            store.commit_shadow(owner, "v2", [piece(18, 21)])
        assert (spans(store), paired(store)) == ([], [])

    def test_nothing_is_scored_in_the_shadow_twice(self, store: Store, owner: Owner) -> None:
        store.commit_shadow(owner, "v2", [piece(0, 5)])
        with pytest.raises(StoreError, match="got a piece from 4 to 6, expected one between 5"):
            store.commit_shadow(owner, "v2", [piece(4, 6)])
        store.remember_challenger("v3", "{}")
        with pytest.raises(StoreError):
            store.commit_shadow(owner, "v3", [piece(4, 6)])
        assert (spans(store), spans(store, "v3"), len(paired(store))) == ([(0, 0, 5, 5)], [], 5)

    def test_all_pieces_are_stored_or_none(self, store: Store, owner: Owner) -> None:
        with pytest.raises(StoreError, match="expected one between 5"):
            store.commit_shadow(owner, "v2", [piece(0, 5), piece(3, 8)])
        assert (spans(store), paired(store)) == ([], [])

    def test_a_challenger_that_was_not_remembered_scores_nothing(self, store: Store, owner: Owner) -> None:
        with pytest.raises(StoreError, match="challenger: got v7, expected one that was remembered"):
            store.commit_shadow(owner, "v7", [piece(0, 5)])

    def test_challengers_are_no_bundles_that_scored(self, store: Store) -> None:
        store.remember_challenger("v3", '{"seed":1}')
        store.remember_challenger("v2", "{}")
        store.remember_challenger("v3", '{"seed":1}')
        assert store.challengers() == [StoredBundle("v2", "{}"), StoredBundle("v3", '{"seed":1}')]
        assert store.bundles() == []
        with pytest.raises(StoreError, match="bundle v3: got a manifest of 10 characters, expected the one of 10"):
            store.remember_challenger("v3", '{"seed":2}')

    def test_from_where_on_a_challenger_is_to_score_is_stored_with_the_batch(self, store: Store) -> None:
        owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
        expected = 0
        for challenger in (NO_CHALLENGER, "v2", "v2", None, "v2", NO_CHALLENGER, NO_CHALLENGER, None, "v2"):
            store.commit_flags(
                owner, expected=expected, next_offset=expected + 2, newest_event_time=NEW_YEAR, outputs=NOTHING_SENT,
                rows=[flag(expected + 1, NEW_YEAR + expected)], challenger=challenger, stored_at=7,
            )  # fmt: skip
            expected += 2
        assert store.starts(Role.CHALLENGER) == [
            (0, 3, "v2", NEW_YEAR + 2, 7),
            (0, 11, None, NEW_YEAR + 10, 7),
            (0, 17, "v2", NEW_YEAR + 16, 7),
        ]

    def test_a_batch_without_a_transaction_starts_no_challenger(self, store: Store) -> None:
        owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
        store.commit_flags(
            owner, expected=0, next_offset=2, newest_event_time=None, outputs=NOTHING_SENT, rows=[], challenger="v2"
        )
        assert store.starts(Role.CHALLENGER) == []

    def test_scores_in_the_shadow_go_with_their_flags(self, store: Store) -> None:
        store.remember_challenger("v2", "{}")
        owner = store_flags(store, [flag(at, NEW_YEAR + at * DAY) for at in range(10)])
        store.commit_shadow(owner, "v2", [piece(0, 3)])
        store.commit_shadow(owner, "v2", [piece(4, 10)])
        assert store.remove({0: NEW_YEAR + 6 * DAY}, 0, {}).flags == 6
        assert [pair.offset for pair in paired(store)] == [6, 7, 8, 9]
        assert spans(store) == [(0, 4, 10, 6)]

    def test_where_a_share_starts_and_ends_is_stored_with_the_first_transaction(self, store: Store) -> None:
        """Nothing while none ever had one. What is in use is told by the share, whichever of the two decided."""
        owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner

        def decide(first: int, *decided: tuple[str, Share | None], at: int) -> None:
            rows = [
                flag(offset, NEW_YEAR + offset)._replace(bundle_version=version, share=share and text_of(share))
                for offset, (version, share) in enumerate(decided, first)
            ]
            store.commit_flags(
                owner, expected=first, next_offset=first + len(rows), newest_event_time=NEW_YEAR,
                outputs=NOTHING_SENT, rows=rows, stored_at=at,
            )  # fmt: skip

        small, large, other = Share("a", "b", 10.0), Share("a", "b", 12.5), Share("c", "b", 12.5)
        decide(0, ("a", None), at=70)
        assert store.share_starts() == []
        decide(1, ("b", small), ("a", small), ("b", small), at=71)
        assert store.newest_bundles() == {0: "a"}
        decide(4, ("b", small), ("a", large), at=72)
        decide(6, ("b", other), ("c", other), at=73)
        decide(8, ("c", None), ("b", small), at=74)
        assert store.share_starts() == [
            ShareStart(0, 1, "b", 10.0, NEW_YEAR + 1, 71),
            ShareStart(0, 5, "b", 12.5, NEW_YEAR + 5, 72),
            ShareStart(0, 8, None, None, NEW_YEAR + 8, 74),
            ShareStart(0, 9, "b", 10.0, NEW_YEAR + 9, 74),
        ]
        assert [(start.first_offset, start.version) for start in store.starts(Role.BUNDLE)] == [
            (0, "a"), (6, "c"), (9, "a"),
        ]  # fmt: skip
        [of_small] = store.shared_flags(small, 0)
        assert [(row.offset, row.bundle_version) for row in of_small] == [
            (1, "b"),
            (2, "a"),
            (3, "b"),
            (4, "b"),
            (9, "b"),
        ]
        assert [[row.offset for row in rows] for rows in store.shared_flags(small, 0, 4)] == [[4, 9]]
        assert [[row.offset for row in rows] for rows in store.shared_flags(large, 0)] == [[5]]
        assert list(store.shared_flags(small, 1)) == []
        counted = [store.count_flags(0, NEW_YEAR, NEW_YEAR + DAY, given_to=version) for version in (None, "b", "a")]
        assert counted == [10, 5, 2]  # what is in use decides for the others, and so do two bundles of one share

    def test_what_was_decided_under_a_share_comes_with_the_decision_and_the_label_in_force(self, store: Store) -> None:
        """However many are read at once."""
        share = Share("a", "b", 10.0)
        rows = [
            flag(offset, NEW_YEAR + offset, level=("low", "high")[offset % 2])._replace(
                bundle_version="ab"[offset % 3 == 0],
                share=text_of(share),
                decision=(None, "none", "review")[offset % 3],
            )
            for offset in range(6_000)
        ]
        store_flags(store, rows)
        said = [Label(f"t{offset}", "ann", offset % 2 == 0, NEW_YEAR + DAY, "desk") for offset in range(4)]
        store_labels(store, said)
        found = [row for some in store.shared_flags(share, 0) for row in some]
        assert [(row.offset, row.event_time, row.bundle_version, row.decision) for row in found] == [
            (row.source_offset, row.event_time, row.bundle_version, row.decided) for row in rows
        ]
        assert {row.decision for row in found} == {"none", "review", "alert"}
        assert [row.is_fraud for row in found[:5]] == [True, False, True, False, None]
        assert (found[0].customer_id, found[0].currency, found[0].amount) == (
            rows[0].customer_id, rows[0].currency, rows[0].amount,
        )  # fmt: skip
