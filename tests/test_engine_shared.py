"""Several scorers on one engine: each gets the bits that it gets with an engine of its own."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.block import Block, block_of
from risk.bundle import Bundle, Learned, LearnedCategory, LearnedNumber, read_bundle
from risk.catalogue import ALL_FIELDS, EngineTerms, FeatureSet
from risk.clock import DAY, HOUR
from risk.decision import Scored, decide
from risk.engine import Engine
from risk.errors import EngineError
from risk.ledger import SeenDays
from risk.scorer import Scorer
from testing.bundles import TERMS, write_bundle
from tests.cases import Case, Knobs, generate

# Of two sets, each has what the other lacks, and an attribute that is a number to the one and a text to the other.
FEATURE_SETS = {
    "ledger": FeatureSet(frozenset({"customer_id", "merchant_id"}), ("credit_score",), ()),
    "no ledger": FeatureSet(ALL_FIELDS - {"merchant_id"}, (), ("credit_score", "segment")),
    "bare": FeatureSet(frozenset()),
    "other ledger": FeatureSet(frozenset({"merchant_id", "channel"}), (), ("segment",)),
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return {name: made(folder / name, feature_set) for name, feature_set in FEATURE_SETS.items()}


def made(folder: Path, feature_set: FeatureSet) -> Bundle:
    """Every feature weighs something, so that every bit of it is in the score and among the reasons."""
    learned: list[Learned] = [LearnedNumber(f.name, 1.0, -1e12, 1e12, 0.0) for f in feature_set.numbers]
    learned += [LearnedCategory(f.name, ("web", "retail", "US"), "web") for f in feature_set.categories]
    units = [feature.unit for feature in (*feature_set.numbers, *feature_set.categories)]
    scales = np.array([1e-6 if unit in ("currency", "seconds", "as given") else 0.02 for unit in units])
    weights = np.random.default_rng(7).normal(size=len(learned)) * scales
    write_bundle(folder, feature_set, tuple(learned), weights.tolist(), high=0.5)
    return read_bundle(folder)


def source(case: Case) -> SeenDays:
    days = SeenDays(case.rules.ledger_terms)
    days.learn(case.labels)
    return days


def alone(bundle: Bundle, case: Case, cuts: set[int]) -> list[Scored]:
    engine, scorer = Engine(bundle.manifest.feature_set, TERMS, source(case)), Scorer(bundle)
    return [decide(scorer, engine.features(block)) for block in blocks(case, cuts)]


def blocks(case: Case, cuts: set[int]) -> list[Block]:
    edges = [0, *sorted(cut for cut in cuts if cut < len(case.arrivals)), len(case.arrivals)]
    transactions = [arrival.transaction for arrival in case.arrivals]
    return [block_of(transactions[first:last]) for first, last in pairwise(edges)]


def shared(bundles: list[Bundle], case: Case, cuts: set[int]) -> list[list[Scored]]:
    engine = Engine(bundles[0].manifest.feature_set, TERMS, source(case))
    for bundle in bundles[1:]:
        engine.serve(bundle.manifest.feature_set, bundle.manifest.terms)
    scorers = [Scorer(bundle) for bundle in bundles]
    found: list[list[Scored]] = [[] for _ in bundles]
    for block in blocks(case, cuts):
        features = engine.features(block)
        for scorer, each in zip(scorers, found, strict=True):
            each.append(decide(scorer, features))
    return found


@given(
    seed=st.integers(0, 1000),
    names=st.permutations(sorted(FEATURE_SETS)).flatmap(lambda order: st.sampled_from([order[:2], order])),
    cuts=st.sets(st.integers(1, 80), max_size=3),
)
def test_scorers_that_share_an_engine_score_as_each_does_with_its_own(
    bundles: dict[str, Bundle], seed: int, names: list[str], cuts: set[int]
) -> None:
    """Scores, levels, reasons, imputed values and ledger days: whichever comes first, and if one has no ledger."""
    case = generate(seed, Knobs(rows=80, step_ms=8 * HOUR, labelled=0.9, huge=0.0))
    chosen = [bundles[name] for name in names]
    expected = [alone(bundle, case, cuts) for bundle in chosen]
    assert repr(shared(chosen, case, cuts)) == repr(expected)


def test_the_bundles_of_these_tests_decide_by_all_that_can_differ(bundles: dict[str, Bundle]) -> None:
    """Without this the property above would pass on scorers that say nothing."""
    case = generate(3, Knobs(rows=600, labelled=0.9, huge=0.0))
    for name, bundle in bundles.items():
        [scored] = alone(bundle, case, set())
        assert any(scored.reasons)
        assert (set(scored.ledger_days) != {None}) == FEATURE_SETS[name].has_ledger
        assert len(set(scored.scores)) > (100 if name == "bare" else 400)


def test_a_scorer_that_comes_later_finds_the_past(bundles: dict[str, Bundle]) -> None:
    """Histories are the same whatever is computed from them, so a bundle that needs more can join; without a ledger."""
    case = generate(11, Knobs(rows=300))
    first, second = blocks(case, {200})
    bare, rich = bundles["bare"], bundles["no ledger"]
    engine = Engine(bare.manifest.feature_set, TERMS)
    decide(Scorer(bare), engine.features(first))
    engine.serve(rich.manifest.feature_set, rich.manifest.terms)
    features = engine.features(second)
    assert repr(decide(Scorer(rich), features)) == repr(alone(rich, case, {200})[1])
    assert repr(decide(Scorer(bare), features)) == repr(alone(bare, case, {200})[1])


def test_a_ledger_cannot_come_later() -> None:
    """Its source of days never saw what the histories have."""
    case = generate(11, Knobs(rows=30))
    engine = Engine(FEATURE_SETS["bare"], TERMS, source(case))
    engine.serve(FEATURE_SETS["ledger"], TERMS)  # nothing has joined the past yet
    engine = Engine(FEATURE_SETS["bare"], TERMS, source(case))
    engine.features(blocks(case, set())[0])
    with pytest.raises(EngineError, match="merchants: got features of the merchant ledger for an engine that has"):
        engine.serve(FEATURE_SETS["ledger"], TERMS)
    with pytest.raises(EngineError, match="days: got none with merchants"):
        Engine(FEATURE_SETS["bare"], TERMS).serve(FEATURE_SETS["ledger"], TERMS)
    assert not engine.feature_set.has_ledger


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (EngineTerms("USD"), "currency: got 'USD', expected 'EUR'"),
        (EngineTerms("EUR", 10), "label_delay_days: got 10, expected 7"),
        (EngineTerms("EUR", 7, DAY), "bucket_ms: got 86400000, expected 3600000"),
        (EngineTerms("EUR", 7, HOUR, 0), "max_lateness_ms: got 0, expected 86400000"),
    ],
)
def test_other_terms_are_refused_with_both_values_and_what_to_do(terms: EngineTerms, words: str) -> None:
    engine = Engine(FEATURE_SETS["bare"], TERMS)
    with pytest.raises(EngineError, match=f"{re.escape(words)}.* Give .* an engine of its own, or train it again"):
        engine.serve(FEATURE_SETS["no ledger"], terms)
    assert engine.feature_set == FEATURE_SETS["bare"]
