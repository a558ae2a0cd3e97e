"""rules.toml and its lists: every mistake with its line, column and likely slip; versions say what a set says."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.catalogue import ALL_FIELDS, FeatureSet
from risk.clock import DAY, date_ms
from risk.events import Action, Mode
from risk.rules import rule_set
from risk.rules.language import Type
from risk.rules.lists import moment
from risk.rules.rule_set import ListEntry, Rule, RuleSet
from risk.rules.rules_file import RulesError, read_rules_file
from risk.rules.toml_places import line_and_column, places_in

FEATURES = FeatureSet(ALL_FIELDS, ("hint",), ("card",))
RULES = """\
# what the team agreed on
[attributes]
far = "number"

[rules.big-at-night]
when = 'amount > 500 and night'
action = "review"
sentence = "a large payment at night"
owner = "ana"
from = 2024-12-01
until = 2025-01-01T08:30:00+01:00
mode = "shadow"

[rules.watched]
when = \"\"\"
  customer_id in list("watched")
  or attribute_far > 3 and attribute_card == "x"\"\"\"
action = "alert"
sentence = "the customer is watched"
owner = "ben"
"""
WATCHED = """\
entity,value,from,until,why
customer_id,C2,2024-12-01,,"chargebacks, three"
customer_id,C1,,2024-12-05T12:00:00Z,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lists").mkdir()
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "lists/watched.csv").write_text(WATCHED)
    return tmp_path


def read(folder: Path) -> RuleSet:
    return read_rules_file(folder / "rules.toml", FEATURES, "lightgbm-1").rule_set


def problems(folder: Path) -> list[str]:
    with pytest.raises(RulesError) as refused:
        read(folder)
    return [problem.replace(f"{folder}/", "") for problem in refused.value.problems]


def test_a_file_is_read_as_it_is_meant(folder: Path) -> None:
    noon = date_ms("2024-12-05") + DAY // 2
    assert read(folder) == RuleSet(
        (
            Rule(
                name="big-at-night", when="amount > 500 and night", action=Action.REVIEW, mode=Mode.SHADOW,
                sentence="a large payment at night", owner="ana", since=date_ms("2024-12-01"),
                until=date_ms("2025-01-01") + int(7.5 * DAY / 24),
            ),
            Rule(
                name="watched",
                when='customer_id in list("watched") or (attribute_far > 3 and attribute_card == "x")',
                action=Action.ALERT, mode=Mode.ON, sentence="the customer is watched", owner="ben",
            ),
        ),
        {"card": Type.TEXT, "far": Type.NUMBER},
        {
            "watched": (
                ListEntry("customer_id", "C1", None, noon, ""),
                ListEntry("customer_id", "C2", date_ms("2024-12-01"), None, "chargebacks, three"),
            )
        },
    )  # fmt: skip


def test_a_version_is_of_what_a_set_says(folder: Path) -> None:
    before = read(folder)
    tables = RULES.split("\n\n")
    moved = "\n\n".join([*tables[2:], *tables[:2]]).replace("amount > 500 and night", "(amount>500)  and night")
    (folder / "rules.toml").write_text(moved.replace("\n", "\r\n"))
    first, *rest = WATCHED.splitlines()
    (folder / "lists/watched.csv").write_text("\n".join([first, *reversed(rest), rest[0]]) + "\n")
    (folder / "lists/another.csv").write_text("entity,value\ncustomer_id,C1\n")
    assert read(folder) == before
    assert read(folder).version == before.version
    (folder / "lists/watched.csv").write_text(WATCHED.replace("2024-12-01", "2024-12-02"))
    assert read(folder).version != before.version
    (folder / "lists/watched.csv").write_text(WATCHED)
    (folder / "rules.toml").write_text(RULES.replace('"ana"', '"eve"'))
    assert read(folder).version != before.version


def test_the_version_of_a_set_stays(folder: Path) -> None:
    """Flags and kept sets name it: another version for the same rules would be a broken promise."""
    assert read(folder).version == "rules-ee7b48efbee2ffa1"


BAD = [
    ("'amount > 500 and night'", "'amuont > 500'", "line 6, column 9: rule big-at-night: got amuont, expected a "
     "feature, a field or an attribute; did you mean amount?"),
    ("'amount > 500 and night'", '"country == \\"DE\\" and nigth"', "line 6, column 31: rule big-at-night: got nigth"),
    ("'amount > 500 and night'", "5", "line 6, column 8: rule big-at-night: got 5, expected a condition as text"),
    ("attribute_card ==", "attribute_crad ==", "line 17, column 28: rule watched: got attribute_crad"),
    ('list("watched")', 'list("wacthed")', 'line 16, column 18: rule watched: got list("wacthed"), expected a plain '
     "file lists/wacthed.csv; did you mean watched?"),
    ('customer_id in list("watched")', 'device_id in list("watched")', "line 16, column 3: rule watched: got "
     "device_id, expected customer_id: list watched holds no device_id"),
    ('list("watched")', 'list("../watched")', "expected a plain file lists/../watched.csv"),
    ('"review"', '"reveiw"', "line 7, column 11: rule big-at-night: got 'reveiw', expected one of alert, review, "
     "allow; did you mean review?"),
    ('"shadow"', "true", "line 12, column 8: rule big-at-night: got true, expected one of on, shadow"),
    ('action = "alert"\n', "", "line 14, column 1: rule watched: got no `action`, expected one"),
    ("owner = \"ana\"", "ower = \"ana\"", "line 9, column 1: rule big-at-night: got 'ower', expected one of when, "
     "action, sentence, owner, from, until, mode; did you mean owner?"),
    ('"ana"', '""', "line 9, column 10: rule big-at-night: got '', expected a text"),
    ('"a large payment at night"', '"""a\nb"""', "line 8, column 15: rule big-at-night: got 'a\\nb', expected a text "
     "of one line"),
    ("from = 2024-12-01", "from = 2024-12-01T10:00:00", "line 10, column 8: rule big-at-night: got 2024-12-01 10:00:00"
     ", expected a day such as 2024-12-01, or a time with its zone"),
    ("from = 2024-12-01", "from = 2025-02-01", "line 11, column 9: rule big-at-night: got 2025-01-01T07:30:00Z, "
     "expected a time after 2025-02-01T00:00:00Z"),
    ("from = 2024-12-01", "from = 1024-12-01", "expected a time from 1990 until 2200"),
    ('far = "number"', 'far = "nubmer"', "line 3, column 8: got 'nubmer', expected one of number, text; did you mean "
     "number?"),
    ('far = "number"', 'far = "number"\nhint = "text"', "line 4, column 9: got hint as a text, expected a number as "
     "lightgbm-1 has it"),
    ("[attributes]", "[atributes]", "line 2, column 1: got atributes, expected [rules.NAME] or [attributes]; did you "
     "mean attributes?"),
    ("[rules.watched]", '[rules."a b"]', "line 14, column 1: rule a b: got the name 'a b', expected up to 64 letters"),
    ("[rules.watched]", "[rules.watched", "cannot be read as TOML"),
    ("when = 'amount", f"when{'.x' * 90} = 1 # 'amount", "rule big-at-night: got a table, expected a condition"),
    ("mode = \"shadow\"", "mode = [1]", "line 12, column 8: rule big-at-night: got a list, expected one of on"),
]  # fmt: skip


@pytest.mark.parametrize(("there", "instead", "words"), BAD, ids=lambda text: text[:30])
def test_a_mistake_has_its_place(folder: Path, there: str, instead: str, words: str) -> None:
    assert there in RULES
    (folder / "rules.toml").write_text(RULES.replace(there, instead))
    found = problems(folder)
    assert any(words in problem for problem in found), found
    assert all(problem.startswith("rules.toml") for problem in found)


def test_all_problems_are_named_at_once(folder: Path) -> None:
    (folder / "rules.toml").write_text(RULES.replace("amount", "amuont").replace("attribute_far", "far"))
    assert len(problems(folder)) == 2
    with pytest.raises(RulesError, match="and 1 more: `trainer rules check` lists all"):
        read(folder)


@pytest.mark.parametrize(
    ("there", "instead", "words"),
    [
        ("customer_id,C2", "custmer_id,C2", "lists/watched.csv, line 2: entity: got 'custmer_id', expected one of"),
        ("customer_id,C2", "amount,C2", "line 2: entity: got 'amount', expected one of"),
        ("customer_id,C2", "weekday,C2", "line 2: entity: got 'weekday', expected one of"),
        ("customer_id,C1", "customer_id,", "line 3: value: got '', expected a text of 1 to 1,000 characters"),
        ("2024-12-01", "1.12.2024", "line 2: from: got '1.12.2024', expected a day such as 2024-12-01"),
        ("2024-12-05T12:00:00Z", "2024-12-05T12:00:00", "line 3: until: got '2024-12-05T12:00:00', expected a day"),
        (
            ",2024-12-05T",
            "2024-12-05T12:00:00Z,2024-12-05T",
            "line 3: until: got 2024-12-05T12:00:00Z, expected a time",
        ),
        (
            "entity,value,from,until,why",
            "ENTITY,value,from,until,why",
            "got the column 'ENTITY', expected entity, value, from, until, why; did you mean entity?",
        ),
        (
            "entity,value,from",
            "entity;value;from",
            "got the column 'entity;value;from', expected entity, value, from, until, why with a comma between",
        ),
        (",why", ",wyh", "line 1: got the column 'wyh', expected entity, value, from, until, why; did you mean why?"),
        ("entity,", "", "line 1: got the columns value, from, until, why, expected entity"),
        ("C2,2024", "C2,x,2024", "line 2: got 6 cells, expected 5 as the first line has"),
        ('three"', "three", "cannot be read (unexpected end of data), expected CSV"),
    ],
)
def test_a_mistake_in_a_list_has_its_line(folder: Path, there: str, instead: str, words: str) -> None:
    assert there in WATCHED
    (folder / "lists/watched.csv").write_text(WATCHED.replace(there, instead))
    found = problems(folder)
    assert any(words in problem for problem in found), found


def test_many_mistakes_in_a_list_end_its_reading(folder: Path) -> None:
    """Each is looked at for the likely slip: a million of them would take minutes."""
    (folder / "lists/watched.csv").write_text("entity,value\n" + "nobody,1\n" * 30)
    found = problems(folder)
    assert len(found) == 11
    assert found[-2].startswith("lists/watched.csv, line 11: entity: got 'nobody'")
    assert found[-1] == "lists/watched.csv: got 10 wrong lines; what comes after them was not read"


def test_a_rule_is_not_blamed_for_its_list(folder: Path) -> None:
    (folder / "lists/watched.csv").write_text("entity,value\ncountry,DE\ncustmer_id,C1\n")
    (found,) = problems(folder)
    assert "lists/watched.csv, line 3: entity: got 'custmer_id'" in found


def test_numbers_of_rules_and_entries_are_limited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_set, "MOST_RULES", 1)
    monkeypatch.setattr(rule_set, "MOST_ENTRIES", 1)
    found = problems(folder)
    assert "got 2 rules, expected at most 1" in found[0]
    assert "lists/watched.csv, line 3: got more than 1 entries, expected at most so many in all lists" in found[1]


def test_a_file_that_is_no_rules_is_refused(folder: Path) -> None:
    (folder / "rules.toml").write_text("")
    assert problems(folder) == ["rules.toml: got no rule, expected tables such as [rules.big]"]
    (folder / "rules.toml").write_bytes(b"\xff")
    assert "expected TOML; save it as UTF-8" in problems(folder)[0]
    (folder / "rules.toml").unlink()
    assert problems(folder) == ["rules.toml: No such file or directory, expected a file of rules"]


def test_another_encoding_is_named_with_its_line(folder: Path) -> None:
    """As Windows programs save it."""
    (folder / "lists/watched.csv").write_bytes(WATCHED.replace("three", "süß").encode("cp1252"))
    assert problems(folder) == ["lists/watched.csv, line 2: got the byte 0xfc, expected CSV; save it as UTF-8"]
    (folder / "rules.toml").write_bytes(RULES.replace("ben", "zoë").encode("cp1252"))
    assert problems(folder) == ["rules.toml, line 20: got the byte 0xeb, expected TOML; save it as UTF-8"]


def test_a_list_is_a_plain_file(folder: Path) -> None:
    """A pipe would wait for somebody to write."""
    (folder / "lists/watched.csv").unlink()
    os.mkfifo(folder / "lists/watched.csv")
    assert problems(folder)[0].endswith('got list("watched"), expected a plain file lists/watched.csv')


def test_an_empty_list_holds_nobody_yet(folder: Path) -> None:
    (folder / "lists/watched.csv").write_text("entity,value\n")
    assert read(folder).lists == {"watched": ()}


@pytest.mark.parametrize(
    ("text", "ms"),
    [("2024-12-01", date_ms("2024-12-01")), ("2024-12-01T01:00:00+01:00", date_ms("2024-12-01"))],
)
def test_times_are_days_of_utc_or_have_a_zone(text: str, ms: int) -> None:
    assert moment(text) == ms


def toml_forms(text: str) -> list[str]:
    """A text in the ways that TOML has for it."""
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    forms = [f'"{escaped}"', f'"""\n{escaped}"""', f'"""\\\n   {escaped}"""' if text[:1].strip() else f'"{escaped}"']
    if "'" not in text and all(c.isprintable() or c in "\t\n" for c in text):
        forms.append(f"'''\n{text}'''")
        forms += [f"'{text}'"] if "\n" not in text else []
    return forms


_texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"))


@given(st.lists(_texts, min_size=1, max_size=4), st.randoms())
def test_every_character_of_a_toml_text_is_found(texts: list[str], random: object) -> None:
    """Whatever stands before it."""
    lines = ["# a comment = 'x'", "top = [1, 'a]', { b = \"}\" }]", "when.odd = 2024-12-01T00:00:00Z # [no.header]"]
    for place, text in enumerate(texts):
        lines += [f'[rules . "r{place}"]', f"when = {random.choice(toml_forms(text))}", "end = ''''quoted''''"]  # type: ignore[attr-defined]
    source = "\n".join(lines)
    tables = tomllib.loads(source)["rules"]
    places = places_in(source)
    for place, text in enumerate(texts):
        assert tables[f"r{place}"]["when"] == text
        offsets = places.values["rules", f"r{place}", "when"].offsets
        assert len(offsets) == len(text) + 1
        for character, offset in zip(text, offsets, strict=False):
            assert source[offset] in (character, "\\")
        assert line_and_column(source, places.keys["rules", f"r{place}"])[1] == 1
        assert len(places.values["rules", f"r{place}", "end"].offsets) == len("'quoted'") + 1


@pytest.mark.parametrize(
    "text", ["a." * 40_000 + "b = 1", "[" + "a." * 40_000 + "b]", " . ".join(["'x'"] * 40_000) + " = 1"]
)
def test_a_key_of_thousands_of_parts_is_refused_before_it_is_read(folder: Path, text: str) -> None:
    """Python's reader took 47 s for it."""
    (folder / "rules.toml").write_text(text)
    with pytest.raises(RulesError, match="a key has more than 100 parts with dots between them"):
        read(folder)
