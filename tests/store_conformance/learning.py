"""What is learned from, with what was found out about it; and retrainings, of which one goes on at a time."""

import pytest

from risk.clock import DAY, HOUR
from risk.errors import StaleOwnerError, StoreError
from risk.events import Label
from risk.store import LabelVersion, Retraining, RetrainingEnd, Store
from testing.stores import NEW_YEAR, flag, store_flags, store_labels
from tests.store_conformance import Promises


def found(
    transaction: str, hours: float, *, is_fraud: bool = True, customer: str = "ann", source: str = "desk"
) -> Label:
    return Label(transaction, customer, is_fraud, NEW_YEAR + int(hours * HOUR), source)


def labels_of(store: Store) -> dict[str, str]:
    """f3 for a fraud that was found out after three hours."""
    return {
        row.transaction_id: " ".join(
            f"{'f' if label.is_fraud else 'g'}{(label.labelled_at - NEW_YEAR) / HOUR:g}" for label in row.labels
        )
        for row in store.labelled_flags(0, 0, NEW_YEAR + 900 * DAY)
    }


class Learning(Promises):
    def test_a_transaction_comes_back_with_all_its_fields(self, store: Store) -> None:
        row = flag(7, amount=None, attributes='{"age":30.0,"city":"Ulm"}')
        store_flags(store, [row])
        store_labels(store, [found("t7", 3)])
        [back] = store.labelled_flags(0, NEW_YEAR, NEW_YEAR + 1)
        assert back[:-1] == row[:13]
        assert back.labels == (LabelVersion(NEW_YEAR + 3 * HOUR, is_fraud=True),)

    def test_labels_come_in_the_order_in_which_they_came_into_force(self, store: Store) -> None:
        """By time; of one time, by partition and place; what comes again counts where it came last."""
        store_flags(store, [flag(0), flag(1), flag(2)])
        store_labels(store, [found("t0", 9), found("t0", 3, is_fraud=False), found("t1", 5)], partition=1)
        store_labels(store, [found("t1", 5, is_fraud=False, source="bank")], partition=0)
        assert labels_of(store) == {"t0": "g3 f9", "t1": "g5 f5", "t2": ""}
        store_labels(store, [found("t1", 5, is_fraud=False, source="bank")], partition=2)
        assert labels_of(store)["t1"] == "f5 g5"

    def test_a_label_is_of_its_customers_transaction_and_not_from_before_its_day(self, store: Store) -> None:
        store_flags(store, [flag(0, NEW_YEAR + DAY + HOUR), flag(1, NEW_YEAR + DAY + HOUR)])
        early = [found("t0", 23), found("t1", 24), found("t0", 30, customer="bob")]
        store_labels(store, early)
        assert labels_of(store) == {"t0": "", "t1": "f24"}

    @pytest.mark.parametrize("count", [0, 1, 3_999, 4_000, 4_001])
    def test_however_many_there_are_each_comes_once_in_the_order_of_the_log(self, store: Store, count: int) -> None:
        if count:
            store_flags(store, [flag(3 * n, NEW_YEAR - n) for n in range(count)])
        assert [row.source_offset for row in store.labelled_flags(0, 0, NEW_YEAR + 1)] == [3 * n for n in range(count)]

    def test_only_what_happened_between_the_two_moments_comes_back(self, store: Store) -> None:
        store_flags(store, [flag(n, NEW_YEAR + n) for n in range(5)])
        store_flags(store, [flag(9, partition=1)], partition=1)
        assert [row.source_offset for row in store.labelled_flags(0, NEW_YEAR + 1, NEW_YEAR + 3)] == [1, 2]

    # Retrainings

    def test_one_retraining_goes_on_at_a_time(self, store: Store) -> None:
        assert store.begin_retraining("a:1", "here 1", 5, lambda _: pytest.fail("there is no other")) == 1
        store.keep_retraining(1, 7, "fit")
        with pytest.raises(StoreError, match="retraining 1 is under way: a:1 does it, and is at 'fit', expected none"):
            store.begin_retraining("b:2", "here 2", 8, lambda _: False)
        store.end_retraining(1, 9, RetrainingEnd("shadow", "v-1", "it is better", '{"a": 1}'))
        assert store.begin_retraining("b:2", "here 2", 10, lambda _: False, 3_600_000) == 2
        assert store.retrainings() == [
            Retraining(1, "a:1", "here 1", 5, 7, "fit", 9, "shadow", "v-1", "it is better", '{"a": 1}', None),
            Retraining(2, "b:2", "here 2", 10, 10, "begin", None, None, None, None, None, 3_600_000),
        ]

    def test_one_that_is_gone_is_ended_as_killed_by_the_next(self, store: Store) -> None:
        store.begin_retraining("a:1", "here 1", 5, lambda _: False)
        store.keep_retraining(1, 7, "fit")
        asked: list[Retraining] = []

        def is_gone(other: Retraining) -> bool:
            asked.append(other)
            return True

        assert store.begin_retraining("b:2", "here 2", 8, is_gone) == 2
        killed, _ = store.retrainings()
        assert [one.process for one in asked] == ["here 1"]
        assert (killed.ended_at, killed.outcome, killed.alive_at) == (8, "killed", 7)
        assert killed.why == "a:1 was killed, or its machine went down, at 'fit'; nothing half-done is in force"

    def test_of_what_has_ended_nothing_changes(self, store: Store) -> None:
        store.begin_retraining("a:1", "here 1", 5, lambda _: False)
        end = RetrainingEnd("left", None, "why", None)
        store.end_retraining(1, 6, end)
        with pytest.raises(StaleOwnerError, match="retraining 1: it has ended by what the store says"):
            store.keep_retraining(1, 7, "fit")
        with pytest.raises(StaleOwnerError, match="retraining 1: it has ended by what the store says"):
            store.end_retraining(1, 7, end)
        [run] = store.retrainings()
        assert (run.alive_at, run.ended_at) == (5, 6)
