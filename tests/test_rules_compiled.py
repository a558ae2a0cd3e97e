"""Compiled rules fire where a slow oracle says, whatever is missing; and what people read is what was compared."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.block import block_of
from risk.catalogue import FeatureSet
from risk.clock import DAY
from risk.engine import FeatureBlock
from risk.errors import RuleError
from risk.events import Action, FiredRule, Mode, Seen, Transaction
from risk.rules.compiled import ALERT, NONE, REVIEW, CompiledRules, RuleResults, strictest_first
from risk.rules.rule_set import ListEntry, Rule, RuleSet
from tests.rules_cases import FEATURE_SET, NOON, Case, cases, conditions, rule, rule_set
from tests.rules_oracle import fires

NOTHING: dict[str, float] = {}


def results(rules: RuleSet, case: Case) -> RuleResults:
    compiled = CompiledRules(rules, FEATURE_SET)
    return compiled.evaluate(case.features, case.block, case.rows, case.scores)


def one_row(values: dict[str, float] = NOTHING, score: float = 0.5, **fields: object) -> Case:
    sale = Transaction("T1", fields.pop("event_time", NOON), fields.pop("customer_id", "C1"), "EUR", **fields)  # type: ignore[arg-type]
    names = [feature.name for feature in FEATURE_SET.numbers]
    features = FeatureBlock(
        np.array([[values.get(name, np.nan) for name in names]]),
        {name: place for place, name in enumerate(names)},
        {"attribute_card-type": [None]},
        np.zeros(1, np.uint8),
        np.zeros(1, np.int64),
    )
    return Case(block_of([sale]), features, np.array([0]), np.array([score]), {})


def fired(when: str, case: Case) -> bool:
    return bool(results(rule_set(rule(when), lists=case.lists), case).fired[0])


@given(st.lists(conditions(), min_size=1, max_size=4), cases())
def test_rules_fire_where_the_oracle_says(whens: list[str], case: Case) -> None:
    rules = [rule(when, f"r{place}") for place, when in enumerate(whens)]
    found = results(rule_set(*rules, lists=case.lists), case)
    for row, names in zip(case.oracle_rows(), found.fired, strict=True):
        expected = [one.name for one, when in zip(rules, whens, strict=True) if fires(when, row)]
        assert [one.rule for one in names] == expected
        for each in names:
            (when,) = (one.when for one in rules if one.name == each.rule)
            assert fires(when, row)  # in the form that the version is of


@given(conditions(), cases())
def test_what_was_seen_holds_as_it_says(when: str, case: Case) -> None:
    for row, names in zip(case.oracle_rows(), results(rule_set(rule(when), lists=case.lists), case).fired, strict=True):
        for seen in (seen for one in names for seen in one.comparisons):
            assert fires(seen.comparison, row) is seen.holds


@given(conditions(), cases())
def test_a_row_alone_is_results_as_among_others(when: str, case: Case) -> None:
    rules = rule_set(rule(when), lists=case.lists)
    alone = [
        tuple(results(rules, case._replace(rows=case.rows[[place]], scores=case.scores[[place]])).fired[0])
        for place in range(len(case.rows))
    ]
    assert list(map(tuple, results(rules, case).fired)) == alone


@pytest.mark.parametrize(
    ("when", "values"),
    [
        ("amount > 5", {}),
        ("not amount > 5", {}),
        ("amount != 5", {}),
        ("not amount == 5", {}),
        ("night", {}),
        ("not night", {}),
        ("not (5 < amount < 10)", {}),
        ("amount / customer_count_1h > 0", {"amount": 5.0, "customer_count_1h": 0.0}),
        ("not amount / customer_count_1h > 0", {"amount": 5.0, "customer_count_1h": 0.0}),
        ("customer_count_1h / customer_count_1h == 1", {"customer_count_1h": 0.0}),
        ("amount * amount * amount > 0", {"amount": 1e200}),
        ('not merchant_id == "M1"', {}),
        ('merchant_id not in list("watched")', {}),
        ('not merchant_id in list("watched")', {}),
        ("merchant_id != country", {}),
    ],
)
def test_what_is_missing_makes_no_rule_fire(when: str, values: dict[str, float]) -> None:
    case = one_row(values)._replace(lists={"watched": []})
    assert not fired(when, case)


@pytest.mark.parametrize("what", ["amount", "merchant_id", "amount / customer_count_1h", "attribute_far"])
def test_a_rule_may_ask_for_what_is_missing(what: str) -> None:
    assert fired(f"{what} is missing", one_row())
    assert not fired(f"{what} is not missing", one_row())
    assert fired(f"not {what} is not missing", one_row())


def test_the_amount_is_in_the_currency_s_major_units() -> None:
    """As the engine says it: an amount of 12.34 EUR is 12.34, and one in another currency is missing."""
    assert fired("amount == 12.34", one_row({"amount": 1234 / 100}))


def test_numbers_are_compared_as_float64() -> None:
    """0.1 as float32 is larger than 0.1: a rule would fire on a value that reads as the limit."""
    tenth = float(np.float32(0.1))
    assert not fired("amount > 0.1", one_row({"amount": 0.1}))
    assert fired("amount > 0.1", one_row({"amount": tenth}))
    assert fired("score >= 0.1", one_row(score=0.1))


@pytest.mark.parametrize(
    ("since", "until", "moment", "is_inside"),
    [
        (None, None, NOON, True),
        (NOON, None, NOON - 1, False),
        (NOON, None, NOON, True),
        (None, NOON, NOON - 1, True),
        (None, NOON, NOON, False),
        (NOON, NOON + 1, NOON, True),
        (NOON, NOON, NOON, False),
    ],
)
def test_lists_and_rules_hold_from_a_time_and_until_another(
    since: int | None, until: int | None, moment: int, is_inside: bool
) -> None:
    case = one_row({"amount": 5.0}, event_time=moment)
    entry = ListEntry("customer_id", "C1", since, until, "chargebacks")
    assert fired('customer_id in list("watched")', case._replace(lists={"watched": [entry]})) is is_inside
    limited = rule_set(rule("amount > 1", since=since, until=until))
    assert bool(results(limited, case).fired[0]) is is_inside


def test_a_list_says_why_by_the_entry_that_applies() -> None:
    """Of entries that overlap, the one that began first."""
    entries = [
        ListEntry("customer_id", "C1", NOON - DAY, NOON, "before"),
        ListEntry("customer_id", "C1", NOON - 10, NOON + 5, "now"),
        ListEntry("customer_id", "C1", NOON + 3, None, "later"),
        ListEntry("merchant_id", "C1", None, None, "another's"),
    ]
    found = {}
    for moment in (NOON - 5, NOON, NOON + 4, NOON + 5):
        case = one_row(event_time=moment)
        rules = rule_set(rule('customer_id in list("watched")'), lists={"watched": entries})
        ((one,),) = results(rules, case).fired
        found[moment - NOON] = one.comparisons[0].other
    assert found == {-5: "before", 0: "now", 4: "now", 5: "later"}


def test_values_stand_beside_their_comparisons() -> None:
    case = one_row({"amount": 812.5, "customer_mean_30d": 120.0, "night": 1.0}, country="DE")
    when = 'amount > 3 * customer_mean_30d and night and not (country == "US" or merchant_id is not missing)'
    rules = rule_set(rule(when, action=Action.ALERT, mode=Mode.SHADOW, sentence="three times the usual, at night"))
    assert list(map(tuple, results(rules, case).fired)) == [
        (
            FiredRule(
                "one",
                Action.ALERT,
                Mode.SHADOW,
                "three times the usual, at night",
                (
                    Seen("amount > 3 * customer_mean_30d", True, 812.5, 360.0),
                    Seen("night", True, 1.0, None),
                    Seen('country != "US"', True, "DE", None),
                    Seen("merchant_id is missing", True, None, None),
                ),
            ),
        )
    ]


def always(name: str, action: Action, mode: Mode = Mode.ON) -> Rule:
    return rule("amount > 0", name, action=action, mode=mode)


@pytest.mark.parametrize(
    ("rules", "strictest", "is_allowed"),
    [
        ((), NONE, False),
        ((always("a", Action.REVIEW),), REVIEW, False),
        ((always("a", Action.ALERT), always("b", Action.REVIEW)), ALERT, False),
        ((always("a", Action.ALERT), always("b", Action.ALLOW)), ALERT, True),
        ((always("a", Action.ALERT, Mode.SHADOW), always("b", Action.REVIEW)), REVIEW, False),
        ((always("a", Action.ALLOW, Mode.SHADOW),), NONE, False),
    ],
)
def test_the_strictest_rule_that_is_on_counts(rules: tuple[Rule, ...], strictest: int, is_allowed: bool) -> None:
    found = results(rule_set(*rules), one_row({"amount": 1.0}))
    assert (found.strictest.tolist(), found.is_allowed.tolist()) == ([strictest], [is_allowed])
    assert [one.rule for one in found.fired[0]] == [one.name for one in rules]


def test_a_block_of_which_nothing_is_scored_has_no_rule_fire() -> None:
    case = one_row({"amount": 5.0})._replace(rows=np.array([], np.int64), scores=np.array([]), lists={"watched": []})
    when = 'amount > 1 or customer_id in list("watched") or merchant_id != country or weekday == "monday"'
    found = results(rule_set(rule(when), lists=case.lists), case)
    assert (found.strictest.tolist(), found.is_allowed.tolist(), found.fired) == ([], [], [])


def test_a_feature_that_the_bundle_does_not_compute_is_refused() -> None:
    rules = rule_set(rule("merchant_risk_7d > 0.1"))
    with pytest.raises(
        RuleError, match=r"rule one of rules-.*: got merchant_risk_7d, expected a feature that lightgbm-1"
    ):
        CompiledRules(rules, FeatureSet(frozenset({"customer_id"})), "lightgbm-1")


def test_fields_and_attributes_need_no_bundle() -> None:
    assert CompiledRules(rule_set(rule('device_id == "D1" or attribute_far > 1')), FeatureSet(frozenset()))


def test_a_thousand_rules_that_fire_on_a_thousand_rows_fit_into_memory() -> None:
    """What they compared would take 300 bytes each, were all of it there at once."""
    case = one_row({"amount": 5.0})
    rows = np.zeros(1000, np.int64)
    case = case._replace(rows=rows, scores=np.full(len(rows), 0.5))
    rules = CompiledRules(rule_set(*(always(f"r{number:03}", Action.REVIEW) for number in range(1000))), FEATURE_SET)
    tracemalloc.start()
    found = rules.evaluate(case.features, case.block, case.rows, case.scores)
    size, most = 0, 0
    for fired in found.fired:
        size += len(fired)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 1_000_000
    assert most < 40_000_000
    assert [one.rule for one in found.fired[999]] == [f"r{number:03}" for number in range(1000)]


def test_those_that_decide_come_first_where_that_is_asked_for() -> None:
    shadow, review, alert, allow = (
        always("a", Action.ALERT, Mode.SHADOW), always("b", Action.REVIEW), always("c", Action.ALERT),
        always("d", Action.ALLOW),
    )  # fmt: skip
    (fired,) = results(rule_set(shadow, review, alert, allow), one_row({"amount": 1.0})).fired
    for each in (fired, tuple(fired)):
        assert [one.rule for one in strictest_first(each)] == ["d", "c", "b", "a"]
