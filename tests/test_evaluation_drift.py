"""What drift is: nothing where nothing changed, something where something did, and never 0 where it is not known."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.drift import (
    FEWEST_ROWS,
    LOOK,
    Reference,
    drift_of,
    edges_of,
    limit_of,
    number_parts,
    quantiles,
    references_of,
    score_reference,
)
from risk.bundle import Drift, Histogram, LearnedCategory, LearnedNumber
from risk.codes import Array

ROWS = 20_000
SEEDS = st.integers(0, 2**32 - 1)


def dice(seed: int) -> Any:
    return np.random.default_rng(seed)


def references(*drift: Drift, vocabulary: tuple[str, ...] = ()) -> tuple[Reference, ...]:
    features = [
        LearnedCategory(each.name, vocabulary, None) if each.shares else LearnedNumber(each.name, 0, 0, 0, 0)
        for each in drift
    ]
    return references_of(features, drift)


def reference(values: Array) -> Reference:
    """Of a number that was so in the fit period."""
    known = values[~np.isnan(values)]
    edges, parts = number_parts(np.sort(known).astype(np.float32), len(values))
    drift = Drift("amount", 1 - len(known) / len(values), (), {}, edges, parts, len(values))
    [found] = references(drift)
    return found


def of_words(shares: dict[str, float], missing: float = 0.0) -> Reference:
    [found] = references(Drift("country", missing, (), shares, rows=ROWS), vocabulary=tuple(shares))
    return found


def psi(before: Array, after: Array) -> float:
    found = reference(before)
    said = drift_of(found, found.counts(after.astype(np.float32))).psi
    assert said is not None
    return said


def drawn(seed: int, rows: int = ROWS, kind: str = "smooth") -> Array:
    values = dice(seed).lognormal(3, 1, rows)
    return {"smooth": values, "counts": np.floor(values / 40), "rare": (values > 200).astype(float)}[kind]


@given(SEEDS, st.sampled_from(["smooth", "counts", "rare"]), st.integers(FEWEST_ROWS, ROWS))
def test_what_did_not_change_has_no_drift(seed: int, kind: str, rows: int) -> None:
    """However few of it are seen, and whether it has many values or two."""
    found = reference(drawn(seed, ROWS, kind))
    said = drift_of(found, found.counts(drawn(seed + 1, rows, kind).astype(np.float32)))
    assert said.psi is not None
    assert said.ks is not None
    assert said.psi < 40 / rows  # the noise that is left: some standard deviations of chi-square
    assert said.ks < 3 / math.sqrt(rows)


@given(SEEDS)
def test_on_average_nothing_is_left_of_chance(seed: int) -> None:
    """Without what is taken off, it would be nine over the rows."""
    found = reference(drawn(seed))
    left = [drift_of(found, found.counts(drawn(seed + k, 1_000).astype(np.float32))).psi or 0 for k in range(1, 40)]
    assert np.mean(left) < 4.5 / 1_000


@given(SEEDS, st.sampled_from(["smooth", "counts", "rare"]))
def test_a_shift_is_found(seed: int, kind: str) -> None:
    before = drawn(seed, ROWS, kind)
    after = {"smooth": before * 2, "counts": before + 1, "rare": np.where(np.arange(ROWS) % 5 == 0, 1.0, before)}[kind]
    assert psi(before, after) > LOOK


def test_half_of_what_there_was_is_the_textbooks_index() -> None:
    """Tenths of 10 % each; afterwards the lower five have 4 % each and the upper 16 %."""
    before = np.repeat(np.arange(10.0), 10_000)
    after = np.repeat(np.arange(10.0), [4_000] * 5 + [16_000] * 5)
    expected = 5 * (0.04 - 0.1) * math.log(0.4) + 5 * (0.16 - 0.1) * math.log(1.6)
    assert psi(before, after) == pytest.approx(expected - 9 * 2 / 100_000, abs=2e-4)
    found = reference(before)
    assert drift_of(found, found.counts(after)).ks == pytest.approx(0.3)


@pytest.mark.parametrize("usual", [0.0, 1.0, 7.5])
@pytest.mark.parametrize("share", [0.005, 0.05])
def test_what_is_nearly_always_the_same_has_parts_of_its_own(usual: float, share: float) -> None:
    """All tenths are one value then, and a change in the few others would not be seen."""
    rare = np.arange(ROWS) < share * ROWS
    before = np.where(rare, usual - 1, usual)
    assert psi(before, before) == 0
    assert psi(before, np.where(np.arange(ROWS) < 0.3 * ROWS, usual - 1, usual)) > LOOK
    assert psi(before, np.where(rare, usual - 1, np.where(np.arange(ROWS) % 4 == 0, usual + 1, usual))) > LOOK


@given(SEEDS, st.sampled_from(["smooth", "counts", "rare"]))
def test_another_scale_changes_nothing(seed: int, kind: str) -> None:
    """Only the order of values counts."""
    before, after = drawn(seed, 5_000, kind), drawn(seed + 1, 5_000, kind) * 1.5
    ranks = {value: place for place, value in enumerate(np.unique(np.float32(np.concatenate([before, after]))))}

    def in_ranks(values: Array) -> Array:
        return np.array([ranks[value] for value in np.float32(values)], float)

    plain, ranked = reference(before), reference(in_ranks(before))
    one, other = plain.counts(after.astype(np.float32)), ranked.counts(in_ranks(after))
    assert drift_of(plain, one) == drift_of(ranked, other)


def test_edges_are_of_the_values_kind() -> None:
    """What models get is float32: an edge between two of them would put equal values into different parts."""
    edges = edges_of(np.full(100, 0.1, np.float32))
    assert edges.dtype == np.float32
    assert edges.tolist() == [np.float32(0.1), np.nextafter(np.float32(0.1), np.float32(1))]


def test_the_parts_of_a_reference_are_as_many_rows_as_are_counted() -> None:
    """Read off sorted values, they are what going through all rows gives."""
    values = np.where(np.arange(ROWS) % 7 == 0, np.nan, np.round(drawn(3)))
    found = reference(values)
    assert (found.shares[:-1] * len(values)).round().tolist() == found.counts(values.astype(np.float32))[:-1].tolist()


@pytest.mark.parametrize("count", [1, 2, 3, 10, 999, 1_000, 1_001])
def test_quantiles_of_sorted_values_are_those_of_numpy(count: int) -> None:
    ascending = np.sort(np.random.default_rng(count).integers(0, count, count).astype(float))
    shares = np.concatenate([np.linspace(0, 1, 11), np.linspace(0, 1, 137), [0.001, 0.999]])
    expected = np.quantile(ascending, shares, method="inverted_cdf")
    assert quantiles(ascending, shares).tolist() == expected.tolist()
    assert quantiles(ascending, 0.5) == np.quantile(ascending, 0.5, method="inverted_cdf")


def test_a_dead_field_is_found_by_what_is_missing() -> None:
    before = np.where(np.arange(ROWS) % 50 == 0, np.nan, drawn(1))
    found = reference(before)
    assert found.shares[-1] == pytest.approx(0.02)
    said = drift_of(found, found.counts(np.full(2_000, np.nan, np.float32)))
    assert said.missing == 1
    assert said.ks is None  # of no value
    assert said.psi is not None
    assert said.psi > 1


def test_a_new_country_is_found_as_unseen() -> None:
    found = of_words({"DE": 0.7, "FR": 0.299}, missing=0.001)
    same = np.repeat([0, 2, 3], [2, 1_400, 598])
    assert drift_of(found, found.counts(same)).unseen == 0
    said = drift_of(found, found.counts(np.where(np.arange(2_000) % 20 == 0, 1, same)))
    assert said.unseen == pytest.approx(0.05)
    assert said.psi is not None
    assert said.psi > LOOK
    assert said.ks is None  # words have no order


def test_rare_words_are_one_part() -> None:
    """Of a hundred words with a few rows each, the index would mostly be noise."""
    found = of_words({"usual": 0.9, **{f"rare {place}": 0.001 for place in range(90)}}, missing=0.01)
    other = np.repeat([0, 2, 3, 4], [20, 1_800, 90, 90])  # all rare ones are two words now
    assert drift_of(found, found.counts(other)).psi == 0


@pytest.mark.parametrize(("rows", "is_said"), [(FEWEST_ROWS - 1, False), (FEWEST_ROWS, True)])
def test_of_few_rows_nothing_is_said(rows: int, is_said: bool) -> None:
    """And that is None, not 0."""
    found = reference(drawn(1))
    said = drift_of(found, found.counts(drawn(2, rows)))
    assert said.rows == rows
    assert [each is not None for each in (said.psi, said.ks, said.missing)] == [is_said] * 3
    few = reference(drawn(1, rows))
    assert (drift_of(few, few.counts(drawn(2))).psi is not None) == is_said


def test_an_older_bundle_has_no_references_of_features() -> None:
    """It has deciles, but not the shares of what lies between equal ones; its scores have a histogram."""
    assert references(Drift("amount", 0.0, (1.0,) * 11, {})) == ()
    assert references() == ()
    scores = score_reference(Histogram((0.25, 0.5), (6_000, 3_000, 1_000)))
    said = drift_of(scores, scores.counts(np.repeat([0.1, 0.3, 0.9], [600, 300, 100])))
    assert (said.psi, said.ks, said.missing) == (0, pytest.approx(0), 0)


def test_an_older_bundles_version_stays_what_it_was() -> None:
    """It is a digest of the manifest, so that what it does not know must not appear in it."""
    older = {"name": "amount", "missing": 0.0, "deciles": (), "shares": {}}
    assert msgspec.to_builtins(msgspec.convert(older, Drift)) == older


def test_a_feature_that_no_row_could_see_whole_has_no_figure() -> None:
    """A history of twenty days has no row that looks back thirty."""
    one, other = references(Drift("amount", 0.0, (), {}, (1.0,), (0.5, 0.5), ROWS), Drift("sum", 0.0, (), {}))
    assert drift_of(one, one.counts(np.repeat([0.0, 2.0], 1_000))).psi == 0
    assert drift_of(other, other.counts(np.repeat([0.0, 2.0], 1_000))).psi is None


@pytest.mark.parametrize(
    ("name", "limit"),
    [("amount", 0.03), ("country", 0.03), ("attribute_age", 0.03), ("customer_sum_7d", LOOK),
     ("merchant_count_1d", LOOK), ("score", LOOK), ("merchant_risk_7d", None), ("merchant_fraud_30d", None)],
)  # fmt: skip
def test_what_counts_as_changed_depends_on_what_varies_anyway(name: str, limit: float | None) -> None:
    assert limit_of(name) == limit
