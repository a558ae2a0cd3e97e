"""rules check, promote and list: what is wrong is named before anything is kept, and what is kept proves itself."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from msgspec.structs import replace

from console.start import EXIT_FAILED, EXIT_OK
from risk.catalogue import FeatureSet
from risk.errors import RuleError
from risk.events import Action, Mode
from risk.rules.rule_set import ListEntry, Rule, RuleSet, rules_in_force, rules_of_version
from testing.bundles import write_bundle
from testing.rule_sets import keep
from tests.backtests import FIELDS, LEARNED
from trainer.__main__ import main

RULES = """\
[rules.large]
when = 'amount > 900'
action = "review"
sentence = "a large payment"
owner = "ana"

[rules.watched]
when = 'customer_id in list("watched")'
action = "alert"
sentence = "the customer is watched"
owner = "ben"
from = 2024-12-01
mode = "shadow"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "a", FIELDS, LEARNED, [0.003, 0.4, 1.0, 5.0, 0.5], bias=-4.0, medium=0.05, high=0.2)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/watched.csv").write_text("entity,value,from,until,why\ncustomer_id,C1,,,\n")
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path


def rules(home: Path, command: str, *words: str) -> int:
    bundle = [] if command == "list" else ["--bundle", str(home / "a")]
    return main(["rules", command, *words, *bundle], {"TRUSTLENS_RULES": str(home / "rules")})


def promoted(home: Path) -> str:
    assert rules(home, "promote", str(home / "rules.toml")) == EXIT_OK
    return (home / "rules/current").read_text().strip()


def test_check_says_what_is_in_a_file_and_keeps_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rules(home, "check", str(home / "rules.toml")) == EXIT_OK
    said = capsys.readouterr().out
    assert 'watched  alert   shadow  2024-12-01         ben    customer_id in list("watched")' in said
    assert "2 rules, 1 list with 1 entry; as a set, rules-" in said
    assert not (home / "rules").exists()


def test_check_names_every_problem(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "rules.toml").write_text(RULES.replace("amount", "amuont").replace('"alert"', '"alarm"'))
    assert rules(home, "check", str(home / "rules.toml")) == EXIT_FAILED
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("line 2, column 9: rule large: got amuont, expected a feature, a field or an attribute; did "
                          "you mean amount?")  # fmt: skip
    assert "line 9, column 11: rule watched: got 'alarm', expected one of alert, review, allow" in second


def test_a_file_is_kept_whole_and_put_in_force(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = promoted(home)
    assert f"{version} is in force now; before: none" in capsys.readouterr().out
    kept = home / "rules" / version
    assert (kept / "rules.toml").read_text() == RULES
    assert sorted(path.name for path in kept.iterdir()) == ["lists", "rules.json", "rules.toml"]
    found = rules_in_force(home / "rules")
    assert found is not None
    assert found.version == version
    assert [rule.name for rule in found.rules] == ["large", "watched"]
    # What is kept can be worked on again.
    assert rules(home, "check", str(kept / "rules.toml")) == EXIT_OK
    assert f"as a set, {version}" in capsys.readouterr().out


def test_an_earlier_version_comes_back_and_rules_go(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = promoted(home)
    (home / "rules.toml").write_text(RULES.replace("900", "800"))
    second = promoted(home)
    assert first != second
    assert rules(home, "promote", first) == EXIT_OK
    assert f"{first} is in force now; before: {second}" in capsys.readouterr().out
    assert rules(home, "list") == EXIT_OK
    said = capsys.readouterr().out
    assert f"*  {first}      2          1             1  large, watched" in said
    assert f"* in force: {first}" in said
    assert rules(home, "promote", "none") == EXIT_OK
    assert f"no rules are in force now; before: {first}" in capsys.readouterr().out
    assert rules_in_force(home / "rules") is None
    assert rules(home, "list") == EXIT_OK
    assert "no rules are in force" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["another name", "its set is gone"])
def test_what_is_in_force_and_damaged_does_not_stand_in_the_way(
    home: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    version, current = promoted(home), home / "rules/current"
    if damage == "another name":
        current.write_text("rules-0000000000000000\n")
    else:
        rmtree(home / "rules" / version)
    capsys.readouterr()
    assert promoted(home) == version
    said = capsys.readouterr()
    assert f"{version} is in force now; before: what cannot be read" in said.out
    assert f"warning: {current}: got 'rules-" in said.err
    current.write_text("rules-0000000000000000\n")
    assert rules(home, "promote", "none") == EXIT_OK
    assert current.read_text() == "none\n"


def test_that_none_are_in_force_is_said_before_any_was(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is missing may be one that is away."""
    assert rules_in_force(home / "rules") is None
    assert rules(home, "promote", "none") == EXIT_OK
    assert capsys.readouterr().out == "no rules are in force now\n"
    assert (home / "rules/current").read_text() == "none\n"
    assert rules_in_force(home / "rules") is None


def cannot_be_looked_into(folder: Path) -> None:
    """As without the permission, which a test that runs as root has."""
    folder.write_text("a file in its place")


def leads_nowhere(folder: Path) -> None:
    folder.symlink_to(folder.parent / "away")


def lies_where_nothing_is(folder: Path) -> None:
    folder.parent.rmdir()


def has_a_current_that_leads_nowhere(folder: Path) -> None:
    folder.mkdir()
    (folder / "current").symlink_to("away")


@pytest.mark.parametrize(
    "damage", [cannot_be_looked_into, leads_nowhere, lies_where_nothing_is, has_a_current_that_leads_nowhere]
)
def test_a_folder_that_is_away_is_not_taken_for_one_without_rules(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "disk/rules"
    folder.parent.mkdir()
    assert rules_in_force(folder) is None
    damage(folder)
    with pytest.raises(RuleError, match=r"rules/current: .*, expected a file that names a rule set, or none"):
        rules_in_force(folder)


def test_the_same_rules_are_kept_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = promoted(home)
    (home / "rules.toml").write_text("# a remark\n" + RULES)
    assert promoted(home) == version
    assert f"{version} is saved already, as it was written first" in capsys.readouterr().err
    assert (home / "rules" / version / "rules.toml").read_text() == RULES


def test_what_is_not_there_is_not_promoted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = promoted(home)
    assert rules(home, "promote", "rules-0000000000000000") == EXIT_FAILED
    assert f"expected a file that ends in .toml, or one of {version}" in capsys.readouterr().err
    assert (home / "rules/current").read_text().strip() == version


def test_rules_that_the_bundle_cannot_serve_are_not_promoted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "rules.toml").write_text(RULES.replace("amount > 900", "merchant_risk_7d > 0.5"))
    version = promoted(home)
    assert rules(home, "promote", "none") == EXIT_OK
    write_bundle(home / "b", FeatureSet(frozenset({"customer_id"})), LEARNED[:1], [0.003], medium=0.05, high=0.2)
    words = ["rules", "promote", version, "--bundle", str(home / "b")]
    assert main(words, {"TRUSTLENS_RULES": str(home / "rules")}) == EXIT_FAILED
    assert f"rule large of {version}: got merchant_risk_7d, expected a feature that" in capsys.readouterr().err
    assert rules_in_force(home / "rules") is None


@pytest.mark.parametrize("name", ["rules.json", "rules.toml", "lists/watched.csv"])
def test_a_set_with_one_changed_byte_is_refused(home: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    version = promoted(home)
    path = home / "rules" / version / name
    path.write_bytes(
        path.read_bytes().replace(b"C1" if "list" in name else b"900", b"C3" if "list" in name else b"901")
    )
    with pytest.raises(RuleError, match=f"{version}/{name}: got .*Delete .* and promote the rules again"):
        rules_of_version(home / "rules", version)
    assert rules(home, "list") == EXIT_FAILED
    said = capsys.readouterr()
    assert f"*  {version}  damaged" in said.out
    assert f"error: {path}: got " in said.err


def test_a_file_of_a_set_changed_with_its_hash_is_refused(home: Path) -> None:
    """What people wrote decides nothing, but must be what the set was made of."""
    version = promoted(home)
    kept = home / "rules" / version
    before = sha256((kept / "rules.toml").read_bytes()).hexdigest()
    (kept / "rules.toml").write_text(RULES.replace("900", "901"))
    after = sha256((kept / "rules.toml").read_bytes()).hexdigest()
    (kept / "rules.json").write_text((kept / "rules.json").read_text().replace(before, after))
    with pytest.raises(
        RuleError, match=r"got seal [0-9a-f]{64}, expected [0-9a-f]{64} for what is in it; it was changed"
    ):
        rules_of_version(home / "rules", version)


def test_a_set_under_another_name_or_that_leads_elsewhere_is_refused(home: Path) -> None:
    version = promoted(home)
    (home / "rules" / version).rename(home / "rules/rules-0000000000000000")
    with pytest.raises(RuleError, match=f"got version {version}, expected {version} for what is in it, and the folder"):
        rules_of_version(home / "rules", "rules-0000000000000000")
    with pytest.raises(RuleError, match=r"got 'rules-.*', expected a rule set in"):
        rules_in_force(home / "rules")
    with pytest.raises(RuleError, match="expected a version, such as rules-1a2b3c4d"):
        rules_of_version(home / "rules", "../rules-0000000000000000")
    path = home / "rules/rules-0000000000000000/rules.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(RuleError, match="got format 2, expected 1; another version of TrustLens wrote it"):
        rules_of_version(home / "rules", "rules-0000000000000000")


FORGED = Rule(name="odd", when="amount > 5", action=Action.ALERT, mode=Mode.ON, sentence="odd", owner="ana")


def forged(folder: Path, when: str = FORGED.when, **said: Any) -> str:
    """A set with the right seal, which no reader of rules.toml would have made; its version."""
    return keep(RuleSet((replace(FORGED, when=when, **said),), {}, {"here": ()}), folder)


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ('customer_id in list("gone")', "got list 'gone', expected one that the set has"),
        ("amount >", r"got the end, which cannot be read \(invalid syntax\), expected a condition"),
        ("attribute_x > 5", "got attribute_x, expected an attribute that"),
    ],
)
def test_a_sealed_set_that_cannot_be_compiled_is_refused_by_who_reads_it(tmp_path: Path, when: str, why: str) -> None:
    version = forged(tmp_path, when)
    with pytest.raises(
        RuleError, match=f"{version}/rules.json: rule odd: {why}.*Delete .* and promote the rules again"
    ):
        rules_of_version(tmp_path, version)


@pytest.mark.parametrize("time", [-1, 2**63])
def test_a_sealed_set_with_a_time_that_is_none_is_refused(tmp_path: Path, time: int) -> None:
    version = forged(tmp_path, until=time)
    with pytest.raises(RuleError, match=r"rules.json: cannot be read \(Expected `int`"):
        rules_of_version(tmp_path, version)


def sealed(folder: Path, *rules: Rule, **lists: tuple[ListEntry, ...]) -> str:
    return keep(RuleSet(rules, {}, lists), folder)


END = "got 2001-09-09T01:46:40Z, expected a time after 2001-09-09T01:46:40Z; it is not part of it"


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda to: sealed(to, FORGED, FORGED), "rule odd: got the name twice, expected it once"),
        (
            lambda to: sealed(to, *(replace(FORGED, name=f"r{number}") for number in range(1_001))),
            "got 1,001 rules, expected at most 1,000",
        ),
        (lambda to: forged(to, since=10**12, until=10**12), f"rule odd: {END}"),
        (lambda to: forged(to, name="a b"), "rule a b: got the name 'a b', expected up to 64 letters"),
        (lambda to: forged(to, sentence="a\nb"), "rule odd: got 'a\\nb', expected a text of one line"),
        (
            lambda to: sealed(to, FORGED, here=(ListEntry("customer_id", "C1", 10**12, 10**12, ""),)),
            f"list here, entry 1: until: {END}",
        ),
    ],
)
def test_a_sealed_set_that_a_check_would_not_let_pass_is_refused_in_its_words(
    tmp_path: Path, made: Callable[[Path], str], why: str
) -> None:
    version = made(tmp_path)
    with pytest.raises(RuleError, match=rf"{version}/rules.json: {re.escape(why)}.*Delete .* and promote the rules"):
        rules_of_version(tmp_path, version)


def test_a_set_that_asks_a_list_without_entries_is_read(tmp_path: Path) -> None:
    assert rules_of_version(tmp_path, forged(tmp_path, 'customer_id in list("here")')).lists == {"here": ()}


def test_an_option_that_is_not_there_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        rules(home, "check", "--bundel")
    assert "not known: --bundel; did you mean --bundle?" in capsys.readouterr().err
