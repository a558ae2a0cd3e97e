"""The language of rules: what parses comes back the same, and what does not is refused where it is wrong."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from risk.catalogue import FeatureSet
from risk.rules.language import NEIGHBOURS, WRITTEN, ExpressionError, Type, likely, names_of, near, parse, text_of
from tests.rules_cases import NAMES, conditions

SEVERAL = "amount > 5\n  and customer_count_1h > 3  # a reason\n  and nihgt"


@given(conditions())
def test_text_and_condition_are_each_other(when: str) -> None:
    condition = parse(when, NAMES)
    text = text_of(condition)
    assert parse(text, NAMES, is_canonical=True) == condition
    assert text_of(parse(text, NAMES, is_canonical=True)) == text


PIECES = st.sampled_from(
    ["amount", "country", "night", "(", ")", "[", "]", "{", " and ", " or ", " not ", " in ", " is ", "missing", "==",
     "<", "list", "attribute", '"', "'", "\\", "1", "e9", ".", ",", ":", ":=", "lambda ", "\n", "#", "f'", "-", "*",
     "%", "await ", "=", "&", "|", "!", "\t", "\x00", "\ud800", "é", "\u2028", "٣", "`", "$", "@"]
)  # fmt: skip


@given(st.text() | st.lists(PIECES, max_size=30).map("".join))
@example("(" * 1_900)
@example("-" * 1_900 + "1")
@example("not " * 499 + "night")
@example("(a," * 300 + ")" * 300)
@example("amount" + " + amount" * 200 + " > 1")
@example("9" * 1_900)
@example("f'{" * 400)
def test_arbitrary_text_is_a_condition_or_refused_in_words(text: str) -> None:
    refused = refusal(text)
    if refused is not None:
        assert re.match(r"got .*expected", str(refused), re.DOTALL)
        assert 0 <= refused.offset <= len(text)


def refusal(text: str) -> ExpressionError | None:
    try:
        parse(text, NAMES)
    except ExpressionError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("amuont > 5", "amuont", "got amuont, expected a feature, a field or an attribute; did you mean amount?"),
        ("hint > 5", "hint", "did you mean attribute_hint?"),
        ("wxyz > 5", "wxyz", "docs/rules.md lists them"),
        ('attribute("hnit") > 5', "attribute", "declares as a number or a text; did you mean attribute_hint?"),
        ("amount", "amount", "got amount, a number, expected a condition, such as amount > 100"),
        ("country", "country", 'got country, a text, expected a condition, such as country == "..."'),
        ("amount = 5", "=", "got =, expected =="),
        ("night && amount > 5", "&&", "got &&, expected and"),
        ("night || amount > 5", "||", "got ||, expected or"),
        ("! night", "!", "got !, expected not"),
        ("amount <> 5", "<>", "got <>, expected !="),
        ('country == "a = b" AND night', "AND", "got AND, expected the same word in small letters"),
        ("night and", "", "which cannot be read (invalid syntax), expected a condition"),
        ("(night", "(night", "which cannot be read ('(' was never closed)"),
        ("amount > 1) or (night", "amount", "got a bracket that closes none, expected one that was opened before it"),
        ("amount > 1 & night", "1 &", "got 1 & night, expected `and` between its parts"),
        ("amount > 1 | night", "1 |", "got 1 | night, expected `or` between its parts"),
        ("amount ** 2 > 1", "amount", "got amount ** 2, expected one of + - * / between its parts"),
        ('amount > "5"', '"5"', 'got "5", a text, expected a number as amount is; did you mean 5?'),
        ("merchant_category == 5411", "5411", 'expected a text as merchant_category is; did you mean "5411"?'),
        ("5411 == country", "5411", 'got 5411, a number, expected a text as country is; did you mean "5411"?'),
        ("amount > country", "country", "got country, a text, expected a number as amount is"),
        ('country > "DE"', "country", "expected == or != between texts"),
        ('country == ""', '""', "expected `is missing`: empty text is missing"),
        ("country + 1 > 2", "country", "got country, a text, expected a number to calculate with"),
        ('weekday == "Saterday"', '"Sat', "thursday, friday, saturday, sunday; did you mean saturday?"),
        ("5 > 3", "5 >", "got 5 > 3, expected a name in a comparison: this one never changes"),
        ("amount is None", "None", "got None behind `is`, expected `missing`"),
        ("amount == missing", "missing", "expected `is missing` or `is not missing`: nothing equals what is missing"),
        ("amount == None", "None", "got None, expected `is missing`"),
        ("amount > True", "True", "got True, expected 1 or 0; a feature that is 0 or 1 may stand alone"),
        ("night == true", "true", "got true, expected 1 or 0; a feature that is 0 or 1 may stand alone"),
        ("country == DE", "DE", 'expected a feature, a field or an attribute; docs/rules.md lists them, and a text '
         'stands in quotes: "DE"'),
        ("country == \u201cDE\u201d", "\u201c", "got \u201c, expected a plain quote, \" or '"),
        ("score > 50%", "%", "got %, expected a share, such as 0.5 for 50 %"),
        ("amount \u2265 5", "\u2265", "got \u2265, expected >="),
        ("amount \u2212 5 > 1", "\u2212", "got \u2212, expected -"),
        ("amount > 5\xa0and night", "\xa0", "got '\\xa0', expected a plain space"),
        ("amount > 0,5", "amount", "expected no comma: decimals have a point, as 0.5, and thousands nothing, as 1000"),
        ('country == "DE" "FR"', '"DE" "FR"', "expected one text in quotes; compare with each, and join with `or`"),
        ("score > 80", "80", "got 80, expected a number from 0 to 1 as score is; did you mean 0.8?"),
        ("not -1 < score", "-1", "got -1, expected a number from 0 to 1 as score is"),
        ("missing > 5", "missing", "expected `is missing`"),
        ("-missing > 5", "missing", "expected it behind `is`, such as amount is missing"),
        ("5 is missing", "5", "expected a name before `is missing`: this is never missing"),
        ("amount > 1e999", "1e999", "expected a number up to 1,000,000,000,000,000"),
        ("customer_id in vip", "vip", 'what is looked for stands in a list; did you mean list("vip")?'),
        ('customer_id in ("a", "b")', '("a"', 'got ("a", "b"), expected list("name")'),
        ("customer_id in list(vip)", "list(", 'got list(vip), expected list("name")'),
        ('amount in list("vip")', "amount", "expected the name of a text before `in`, such as customer_id"),
        ('list("vip")', "list", "expected a name and `in` before it"),
        ('1 < amount in list("vip")', "1 <", "expected one comparison where there is `in`; join several with `and`"),
        ("(amount > 5) + 1 > 1", "amount > 5", "got amount > 5, a condition, expected a number or a text here"),
        ("lambda: night", "lambda", "got lambda: night, expected a name, a number, a text in quotes"),
        ("__import__('os')", "__import__", "got __import__('os'), expected a name"),
        ("amount.real > 1", "amount.real", "got amount.real, expected a name"),
        ("night and event_time > 5", "event_time", "expected hour, weekday, night or weekend in an expression"),
        ('level == "high"', "level", "expected `score` and a number"),
        ("", "", "got nothing, expected a condition such as amount > 100"),
        ("amount >\x00 5", "\x00", "got the character '\\x00', expected text that can be read"),
        (SEVERAL, "nihgt", "got nihgt, expected a feature, a field or an attribute; did you mean night?"),
        ('country == "é" and nihgt', "nihgt", "did you mean night?"),
    ],
)  # fmt: skip
def test_a_slip_is_named_where_it_is(text: str, at: str, words: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text, NAMES)
    assert words in str(refused.value)
    assert refused.value.offset == (text.index(at) if at else len(text))


def test_what_is_long_or_deep_is_refused() -> None:
    with pytest.raises(ExpressionError, match="got 2,001 characters, expected at most 2,000; make two rules of it"):
        parse("night".ljust(WRITTEN.characters + 1), NAMES)
    deep = f"amount > {'(' * 60}amount{' + 1)' * 60}"
    with pytest.raises(ExpressionError, match="nested too deeply, expected at most 50 levels; make several rules"):
        parse(deep, NAMES)


def test_a_feature_that_needs_what_the_data_lacked_says_so() -> None:
    names = names_of({}, FeatureSet(frozenset({"customer_id"})), "lightgbm-1")
    with pytest.raises(
        ExpressionError, match="expected a feature that lightgbm-1 computes: this one needs merchant_id"
    ):
        parse("merchant_risk_7d > 0.1", names)
    assert parse('merchant_id == "M1"', names)  # a field of every transaction


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("not (5 < amount <= 10 or not night)", "(5 >= amount or amount > 10) and night"),
        ('not country=="DE"', 'country != "DE"'),
        ("night and (weekend and hour>3)", "night and weekend and hour > 3"),
        ('attribute( "hint" )>1', "attribute_hint > 1"),
        ("attribute(\"card-type\") == 'x'", 'attribute("card-type") == "x"'),
        ("not customer_id not in list('vip')", 'customer_id in list("vip")'),
        ("amount > +1_000.50", "amount > 1000.5"),
        ("amount - (hour - 1) > -(hour)", "amount - (hour - 1) > -hour"),
    ],
)
def test_there_is_one_text_for_what_says_the_same(text: str, canonical: str) -> None:
    assert text_of(parse(text, NAMES)) == canonical


def test_attributes_are_typed_by_the_bundle_or_by_declaration() -> None:
    names = names_of({"more": Type.TEXT}, FeatureSet(frozenset(), ("hint",), ("card",)))
    assert parse('attribute_hint > 1 and attribute_card == "x" and attribute_more == "y"', names)


@pytest.mark.parametrize(
    "slip", ["carrd_number_1500_of", "crad_number_1500_of", "ard_number_1500_of", "card_nubmer_1500_of"]
)
def test_the_likely_slip_is_found_among_thousands_of_names_by_looking_at_few(slip: str) -> None:
    known = [f"card_number_{number}_of" for number in range(3_000)]
    assert near(slip, known) == "; did you mean card_number_1500_of?"
    assert len(likely(slip, known)) <= 4 * NEIGHBOURS
