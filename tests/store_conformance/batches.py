"""Owners and commits: a batch is stored once or not at all, and only by who owns the partition."""

from collections.abc import Callable

import pytest

from risk.errors import StaleOwnerError, StoreError
from risk.events import Label
from risk.store import Outputs, Owner, Position, Refusal, Role, Store, StoredBundle, VersionStart
from risk.topics import Identity
from testing.stores import LABELS, NOTHING_SENT, TRANSACTIONS, flag, store_flags, store_labels
from tests.cases import NEW_YEAR
from tests.store_conformance import Promises


def commit(store: Store, owner: Owner, expected: int, next_offset: int) -> None:
    rows = [flag(offset) for offset in range(expected, next_offset)]
    store.commit_flags(
        owner,
        expected=expected,
        next_offset=next_offset,
        newest_event_time=NEW_YEAR,
        outputs=NOTHING_SENT,
        rows=rows,
    )


def decide_by(store: Store, owner: Owner, first: int, versions: str, *, at: int | None = None) -> None:
    """A transaction for each letter, which is the rule set that decided it; - is none."""
    rows = [
        flag(offset, NEW_YEAR + offset, partition=owner.partition)._replace(
            rules_version=None if version == "-" else version, decision=None if version == "-" else "none"
        )
        for offset, version in enumerate(versions, first)
    ]
    store.commit_flags(
        owner, expected=first, next_offset=first + len(rows), newest_event_time=NEW_YEAR, outputs=NOTHING_SENT,
        rows=rows, stored_at=at,
    )  # fmt: skip


def commit_by(
    store: Store, owner: Owner, first: int, versions: str, *, expected: int | None = None, at: int | None = None
) -> None:
    """A transaction for each letter, which is the version of the bundle that scored it."""
    rows = [
        flag(offset, NEW_YEAR + offset, partition=owner.partition)._replace(bundle_version=version)
        for offset, version in enumerate(versions, first)
    ]
    store.commit_flags(
        owner,
        expected=first if expected is None else expected,
        next_offset=first + len(rows) if rows else 3,
        newest_event_time=NEW_YEAR,
        outputs=NOTHING_SENT,
        rows=rows,
        stored_at=at,
    )


def offsets(store: Store) -> list[int]:
    return [row.source_offset for row in store.flags()]


def _flags(store: Store, owner: Owner) -> None:
    commit(store, owner, 3, 5)


def _labels(store: Store, owner: Owner) -> None:
    label = Label("t1", "ann", True, NEW_YEAR, "desk")
    store.commit_labels(owner, expected=3, next_offset=5, rejected_offset=0, labels=[(3, label)])


def _skip(store: Store, owner: Owner) -> None:
    store.skip_to(owner, expected=3, next_offset=5)


def _check(store: Store, owner: Owner) -> None:
    store.check(owner, 3)


def first_event(store: Store) -> int | None:
    position = store.position(TRANSACTIONS, 0)
    assert position is not None
    return position.first_event_time


# Which log, which bundles
OURS = Identity("cluster-1", {"transactions": "A", "labels": "B"}, 4, "")


class Batches(Promises):
    """Who may write, and that it is all or nothing."""

    def test_a_new_partition_begins_at_the_first_offset_that_the_log_has(self, store: Store) -> None:
        assert store.take_over(TRANSACTIONS, 2, first_offset=40) == (Owner(TRANSACTIONS, 2, 1), 40, None, 0, 0, 0, None)

    def test_who_takes_over_goes_on_where_the_last_one_was(self, store: Store) -> None:
        first = store.take_over(TRANSACTIONS, 0, first_offset=5)
        store.commit_flags(
            first.owner,
            expected=5,
            next_offset=9,
            newest_event_time=NEW_YEAR + 7,
            outputs=Outputs(11, 12, 13),
            rows=[flag(5), flag(8)],
        )
        assert store.take_over(TRANSACTIONS, 0, first_offset=0) == (
            Owner(TRANSACTIONS, 0, 2), 9, NEW_YEAR + 7, 11, 12, 13, NEW_YEAR,
        )  # fmt: skip

    def test_rows_come_back_as_they_were_stored(self, store: Store) -> None:
        row = flag(3, score=0.1 + 0.2, attributes='{"credit_score":650.0}', amount=None, merchant="Bäckerei 'Süß'")
        store_flags(store, [row])
        assert list(store.flags()) == [row]

    @pytest.mark.parametrize("write", [_flags, _labels, _skip, _check])
    def test_a_stale_owner_writes_nothing(self, store: Store, write: Callable[[Store, Owner], None]) -> None:
        stale = store.take_over(TRANSACTIONS, 0, first_offset=3).owner
        store.take_over(TRANSACTIONS, 0, first_offset=3)
        before = store.positions()
        with pytest.raises(
            StaleOwnerError, match="partition 0: the store has epoch 2, offset 3, expected epoch 1, offset 3"
        ):
            write(store, stale)
        assert (store.positions(), offsets(store)) == (before, [])

    @pytest.mark.parametrize("write", [_flags, _labels, _skip, _check])
    def test_an_owner_who_is_elsewhere_than_the_store_writes_nothing(
        self, store: Store, write: Callable[[Store, Owner], None]
    ) -> None:
        owner = store.take_over(TRANSACTIONS, 0, first_offset=4).owner
        with pytest.raises(StaleOwnerError, match="epoch 1, offset 4, expected epoch 1, offset 3"):
            write(store, owner)
        assert offsets(store) == []

    @pytest.mark.parametrize("write", [_flags, _labels, _skip, _check])
    def test_a_partition_that_nobody_took_over_is_not_written(
        self, store: Store, write: Callable[[Store, Owner], None]
    ) -> None:
        with pytest.raises(StaleOwnerError, match="no such partition"):
            write(store, Owner(TRANSACTIONS, 0, 1))
        assert store.positions() == []

    def test_a_batch_cannot_be_stored_twice(self, store: Store) -> None:
        owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
        commit(store, owner, 0, 3)
        with pytest.raises(StaleOwnerError):
            commit(store, owner, 0, 3)
        assert offsets(store) == [0, 1, 2]

    def test_a_row_that_is_there_already_leaves_nothing_of_its_batch(self, store: Store) -> None:
        owner = store_flags(store, [flag(0), flag(7)])
        with pytest.raises(StoreError):
            store.commit_flags(
                owner, expected=8, next_offset=9, newest_event_time=None, outputs=NOTHING_SENT, rows=[flag(5), flag(7)]
            )
        assert offsets(store) == [0, 7]
        store.check(owner, 8)

    @pytest.mark.parametrize("place", [0, 99, 100, 150, 190])
    def test_wherever_in_a_large_batch_a_row_is_there_already_nothing_of_it_stays(
        self, store: Store, place: int
    ) -> None:
        owner = store_flags(store, [flag(0)])
        rows = [flag(1 + n) for n in range(191)]
        rows[place] = flag(0)
        before = store.positions()
        with pytest.raises(StoreError):
            store.commit_flags(
                owner, expected=1, next_offset=500, newest_event_time=NEW_YEAR, outputs=NOTHING_SENT, rows=rows
            )
        assert (offsets(store), store.positions()) == ([0], before)

    @pytest.mark.parametrize("count", [1, 9, 10, 99, 100, 101, 200])
    def test_a_batch_of_any_size_is_stored_whole(self, store: Store, count: int) -> None:
        rows = [flag(n, NEW_YEAR + n, amount=None if n % 3 else n) for n in range(count)]
        store_flags(store, rows)
        assert list(store.flags()) == rows

    def test_labels_and_transactions_are_partitions_of_their_own(self, store: Store) -> None:
        store_flags(store, [flag(0)])
        store_labels(store, [Label("t1", "ann", True, NEW_YEAR, "desk")])
        assert [(p.topic, p.next_offset) for p in store.positions()] == [(LABELS, 1), (TRANSACTIONS, 1)]

    def test_a_position_is_all_that_is_known_of_a_partition(self, store: Store) -> None:
        store_flags(store, [flag(4, NEW_YEAR + 1)], partition=0)
        expected = Position(TRANSACTIONS, 0, 1, 5, NEW_YEAR + 1, None, None, None, 0, 0, 0, None, NEW_YEAR + 1)
        assert store.position(TRANSACTIONS, 0) == expected
        assert store.position(TRANSACTIONS, 1) is None

    def test_a_partition_begins_with_the_first_row_that_was_ever_stored(self, store: Store) -> None:
        """In the order of the log. Rows that come later, or are pruned, change nothing."""
        owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
        for expected, newest, rows in (
            (0, None, []),
            (1, NEW_YEAR + 9, [flag(1, NEW_YEAR + 5), flag(2, NEW_YEAR + 9), flag(3, NEW_YEAR + 1)]),
            (4, NEW_YEAR + 9, [flag(4, NEW_YEAR)]),
        ):
            next_offset = rows[-1].source_offset + 1 if rows else 1
            store.commit_flags(
                owner,
                expected=expected,
                next_offset=next_offset,
                newest_event_time=newest,
                outputs=NOTHING_SENT,
                rows=rows,
            )
            assert first_event(store) == (NEW_YEAR + 5 if rows else None)
        store.skip_to(owner, expected=5, next_offset=9)
        assert store.take_over(TRANSACTIONS, 0, first_offset=0).first_event_time == NEW_YEAR + 5

    def test_the_newest_label_is_the_latest_of_all_partitions(self, store: Store) -> None:
        assert store.newest_label() is None
        for partition, moments in enumerate(([5, 3], [], [9, 1])):
            owner = store.take_over("labels", partition, first_offset=0).owner
            labels = [(offset, Label("t1", "ann", True, NEW_YEAR + m, "desk")) for offset, m in enumerate(moments)]
            store.commit_labels(owner, expected=0, next_offset=2, rejected_offset=0, labels=labels)
        assert store.newest_label() == NEW_YEAR + 9

    def test_a_waiting_head_is_published_with_what_it_holds_for(self, store: Store) -> None:
        owner = store.take_over(TRANSACTIONS, 0, first_offset=6).owner
        other = store.take_over(TRANSACTIONS, 1, first_offset=2).owner
        store.publish_heads([(owner, 6, NEW_YEAR), (other, 2, None)])
        assert [p[5:8] for p in store.positions()] == [(NEW_YEAR, 1, 6), (None, 1, 2)]

    def test_a_head_of_a_partition_that_moved_on_is_not_published(self, store: Store) -> None:
        stale = store.take_over(TRANSACTIONS, 0, first_offset=6).owner
        owner = store.take_over(TRANSACTIONS, 0, first_offset=6).owner
        store.publish_heads([(stale, 6, NEW_YEAR), (owner, 5, NEW_YEAR)])
        assert [p[5:8] for p in store.positions()] == [(None, None, None)]

    @pytest.mark.parametrize("move", ["commit", "skip", "take over"])
    def test_a_partition_that_moves_waits_no_longer(self, store: Store, move: str) -> None:
        owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
        store.publish_heads([(owner, 0, NEW_YEAR)])
        if move == "commit":
            commit(store, owner, 0, 1)
        elif move == "skip":
            store.skip_to(owner, expected=0, next_offset=1)
        else:
            store.take_over(TRANSACTIONS, 0, first_offset=0)
        assert [p[5:8] for p in store.positions()] == [(None, None, None)]

    def test_skipping_keeps_what_is_known_of_times_and_outputs(self, store: Store) -> None:
        owner = store_flags(store, [flag(0)])
        before = store.positions()[0]
        store.skip_to(owner, expected=1, next_offset=9)
        assert store.positions() == [before._replace(next_offset=9)]

    def test_the_first_log_is_remembered(self, store: Store) -> None:
        assert store.identity() is None
        store.remember_identity(OURS)
        store.remember_identity(OURS)
        assert store.identity() == OURS

    @pytest.mark.parametrize(
        ("other", "words"),
        [
            (OURS._replace(cluster_id="cluster-2"), "cluster id: got 'cluster-2', expected 'cluster-1'"),
            (OURS._replace(partitions=8), "number of partitions: got 8, expected 4"),
            (OURS._replace(prefix="test-"), "topic prefix: got 'test-', expected ''"),
            (OURS._replace(topic_ids={"labels": "C"}), "labels: topic id: got 'C', expected 'B'"),
        ],
    )
    def test_another_log_is_refused_and_both_values_are_named(self, store: Store, other: Identity, words: str) -> None:
        store.remember_identity(OURS)
        with pytest.raises(StoreError, match=words):
            store.remember_identity(other)
        assert store.identity() == OURS

    def test_what_a_broker_does_not_tell_is_no_contradiction_and_is_learned_later(self, store: Store) -> None:
        store.remember_identity(Identity(None, {"transactions": "A"}, 4, ""))
        store.remember_identity(OURS)
        store.remember_identity(Identity(None, {}, 4, ""))
        assert store.identity() == OURS

    def test_a_bundle_is_remembered_once_and_never_changes(self, store: Store) -> None:
        store.remember_bundle("v2", '{"a":1}')
        store.remember_bundle("v1", "{}")
        store.remember_bundle("v2", '{"a":1}')
        with pytest.raises(StoreError, match="bundle v2: got a manifest of 2 characters, expected the one of 7"):
            store.remember_bundle("v2", "{}")
        assert store.bundles() == [StoredBundle("v1", "{}"), StoredBundle("v2", '{"a":1}')]

    def test_the_same_model_of_another_training_is_the_same_bundle(self, store: Store) -> None:
        """What a version says is what decides the scores; how long the training took is not part of it."""
        store.remember_bundle("v1", '{"a":1,"timings":{"fit":2.5},"training":{"columns":{}},"seal":"one"}')
        store.remember_bundle("v1", '{"a":1,"timings":{"fit":9.9},"training":{"columns":{"x":"y"}},"seal":"two"}')
        assert "2.5" in store.bundles()[0].manifest

    def test_where_a_bundle_starts_is_stored_with_its_first_transaction(self, store: Store) -> None:
        """In the order of the log: a bundle may score, go, and come back. Each partition has its own."""
        owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
        commit_by(store, owner, 0, "", at=70)
        commit_by(store, owner, 3, "aa", at=71)
        commit_by(store, owner, 5, "a", at=72)
        commit_by(store, owner, 6, "b", at=73)
        store.skip_to(owner, expected=7, next_offset=9)
        commit_by(store, owner, 9, "a")
        other = store.take_over(TRANSACTIONS, 1, first_offset=0).owner
        commit_by(store, other, 4, "b", expected=0, at=74)
        assert store.starts(Role.BUNDLE) == [
            VersionStart(0, 3, "a", NEW_YEAR + 3, 71),
            VersionStart(0, 6, "b", NEW_YEAR + 6, 73),
            VersionStart(0, 9, "a", NEW_YEAR + 9, None),
            VersionStart(1, 4, "b", NEW_YEAR + 4, 74),
        ]

    def test_a_bundle_starts_within_a_batch_where_a_row_names_another(self, store: Store) -> None:
        owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
        commit_by(store, owner, 0, "aabab", at=70)
        assert [(start.first_offset, start.version) for start in store.starts(Role.BUNDLE)] == [
            (0, "a"), (2, "b"), (3, "a"), (4, "b"),
        ]  # fmt: skip

    def test_a_batch_that_is_not_stored_starts_no_bundle(self, store: Store) -> None:
        stale = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
        store.take_over(TRANSACTIONS, 0, first_offset=0)
        with pytest.raises(StaleOwnerError):
            commit_by(store, stale, 0, "a")
        assert store.starts(Role.BUNDLE) == []

    def test_where_rules_start_and_end_is_stored_with_the_first_transaction(self, store: Store) -> None:
        """Nothing while none ever decided; then each set and each end of one, also within a batch."""
        owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
        decide_by(store, owner, 0, "--", at=70)
        assert store.starts(Role.RULES) == []
        decide_by(store, owner, 2, "xx", at=71)
        decide_by(store, owner, 4, "x", at=72)
        decide_by(store, owner, 5, "-yy", at=73)
        other = store.take_over(TRANSACTIONS, 1, first_offset=0).owner
        decide_by(store, other, 0, "y")
        assert store.starts(Role.RULES) == [
            VersionStart(0, 2, "x", NEW_YEAR + 2, 71),
            VersionStart(0, 5, None, NEW_YEAR + 5, 73),
            VersionStart(0, 6, "y", NEW_YEAR + 6, 73),
            VersionStart(1, 0, "y", NEW_YEAR, None),
        ]
        assert [start.version for start in store.starts(Role.BUNDLE)] == ["v1", "v1"]

    def test_what_rules_came_to_is_read_as_it_was_stored(self, store: Store) -> None:
        row = flag(0)._replace(decision="review", rules_version="rules-1", rules='[{"rule":"big"}]')
        store_flags(store, [row, flag(1)])
        assert list(store.flags()) == [row, flag(1)]

    def test_a_batch_that_is_not_stored_starts_no_rules(self, store: Store) -> None:
        stale = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
        store.take_over(TRANSACTIONS, 0, first_offset=0)
        with pytest.raises(StaleOwnerError):
            decide_by(store, stale, 0, "x")
        assert store.starts(Role.RULES) == []

    @pytest.mark.parametrize("role", Role)
    def test_what_a_worker_refuses_is_known_until_it_refuses_nothing_or_has_no_partition(
        self, store: Store, role: Role
    ) -> None:
        first, second = (Refusal(owner, "b", "it is torn", 70) for owner in ("box:1", "box:2"))
        for refused in (first, second):
            store.refuse(role, refused)
        assert store.refusals(role) == []
        for partition, owner in enumerate(("box:1", "box:2")):
            store.take_over(TRANSACTIONS, partition, first_offset=0, owner=owner)
        store.refuse(role, first)
        store.refuse(role, second)
        assert store.refusals(role) == [first, second]
        store.refuse(role, again := first._replace(reason="it is gone"))
        store.refuse_nothing(role, "box:2")
        assert store.refusals(role) == [again]
        store.take_over(TRANSACTIONS, 0, first_offset=0, owner="box:2")
        assert store.refusals(role) == []

    def test_what_a_worker_refuses_is_told_apart_by_what_it_was_to_be(self, store: Store) -> None:
        store.take_over(TRANSACTIONS, 0, first_offset=0, owner="box:1")
        refused = {role: Refusal("box:1", f"a {role}", "it is torn", 70) for role in Role}
        for role in Role:
            store.refuse(role, refused[role])
        store.refuse_nothing(Role.RULES, "box:1")
        assert [store.refusals(role) for role in Role] == [[refused[Role.BUNDLE]], [], [refused[Role.CHALLENGER]]]
