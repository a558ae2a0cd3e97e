"""The parts that figures are made of: unique customers, the index of keys, sets as arrays, groups beyond fifty."""

import random

import numpy as np
import pytest

from kpi_reporter.kpis import key_index
from kpi_reporter.kpis.customers import Customers
from kpi_reporter.kpis.key_index import KeyIndex
from kpi_reporter.kpis.names import MOST, Names, hashes, largest
from kpi_reporter.kpis.sorted_sets import distinct, distinct_with_places, is_in
from kpi_reporter.kpis.values import LARGEST, OTHER
from risk.clock import DAY


def counted(ids: list[bytes], *, exact_up_to: int, piece: int = 5_000) -> Customers:
    customers = Customers(exact_up_to)
    for first in range(0, len(ids), piece):
        some = ids[first : first + piece]
        customers.add(hashes(some), some)
    return customers


def test_customers_are_exact_up_to_the_limit() -> None:
    ids = [f"c{n % 20_000}".encode() for n in range(50_000)]
    customers = counted(ids, exact_up_to=20_000)
    assert (customers.count(), customers.is_estimated) == (20_000, False)


@pytest.mark.parametrize("name", ["C{:07d}", "{}", "user-{}@shop.example", "{:x}{:x}"])
@pytest.mark.parametrize("many", [60_000, 400_000])
def test_above_the_limit_the_estimate_is_within_the_error_that_the_help_text_says(name: str, many: int) -> None:
    """Names that differ in one digit, as they do. The same ids give the same figure in every process."""
    customers = counted([name.format(n, n).encode() for n in range(many)], exact_up_to=1_000)
    assert customers.is_estimated
    assert customers.count() == pytest.approx(many, rel=0.025)


def test_customers_who_come_again_change_no_estimate() -> None:
    ids = [f"c{n}".encode() for n in range(50_000)]
    customers = counted(ids, exact_up_to=1_000)
    before = customers.count()
    customers.add(hashes(ids), ids)
    assert customers.count() == before


@pytest.mark.parametrize("seed", range(5))
def test_the_index_finds_every_flag_of_a_key(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a dictionary: many small runs, gaps in the offsets, keys that come again, runs too far apart to merge."""
    monkeypatch.setattr(key_index, "LARGEST_RUN", 200)
    dice, index = random.Random(seed), KeyIndex()
    known: dict[int, set[tuple[int, int]]] = {}
    offsets = [0, 0]
    for _ in range(60):
        partition = dice.randrange(2)
        offsets[partition] += dice.choice((0, 0, 0, 1 << 23))
        places, keys = [], []
        for _ in range(dice.randrange(1, 40)):
            offsets[partition] += dice.choice((1, 1, 5))
            places.append(offsets[partition])
            keys.append(dice.randrange(300) * 0x9E3779B97F4A7C15 % 2**64)
            known.setdefault(keys[-1], set()).add((partition, places[-1]))
        index.add(partition, np.array(places), np.zeros(len(places), np.int64), np.array(keys, np.uint64))
    asked = [*dice.sample(sorted(known), 40), 12345 << 40]
    found = {
        (partition, place)
        for partition, places in index.find(np.sort(np.array(asked, np.uint64)))
        for place in places.tolist()
    }
    wanted: set[tuple[int, int]] = set().union(*(known.get(key, set()) for key in asked))
    assert found == wanted


def test_the_index_lets_go_of_old_days_only() -> None:
    index = KeyIndex()
    for partition, day in ((0, 3), (1, 5)):
        index.add(partition, np.array([7]), np.array([day * DAY]), np.array([1 << 60], np.uint64))
    index.forget_before(5)
    assert [partition for partition, _ in index.find(np.array([1 << 60], np.uint64))] == [1]


def test_sorted_sets_are_sets() -> None:
    dice = np.random.default_rng(4)
    numbers = dice.integers(0, 500, 2_000).astype(np.uint64)
    found, places = distinct_with_places(numbers)
    assert distinct(numbers).tolist() == found.tolist() == sorted(set(numbers.tolist()))
    assert numbers[places].tolist() == found.tolist()
    wanted = np.arange(520, dtype=np.uint64)
    assert is_in(found, wanted).tolist() == [number in set(numbers.tolist()) for number in wanted.tolist()]
    assert distinct(numbers[:0]).tolist() == is_in(found[:0], wanted[:0]).tolist() == []


def test_beyond_the_largest_fifty_all_are_other() -> None:
    """Of equal ones the first in the alphabet stay, so that a figure never depends on what was read first."""
    counts = {f"kind {n:03d}": 1 for n in range(80)} | {"large": 9, OTHER: 2}
    shown = largest(counts)
    assert list(shown) == ["large", *(f"kind {n:03d}" for n in range(LARGEST - 1)), OTHER]
    assert shown[OTHER] == 80 - (LARGEST - 1) + 2
    assert sum(shown.values()) == sum(counts.values())


def test_names_beyond_any_reason_share_one_number() -> None:
    names = Names()
    numbers = names.numbers([str(n).encode() for n in range(MOST + 50)])
    assert len(names) == MOST
    assert set(numbers[MOST:].tolist()) == {MOST}
    assert (names.text(0), names.text(MOST)) == ("0", OTHER)
