"""Settings: read once from a mapping; a wrong value stops the program with its name; the README tells them all."""

import re
from pathlib import Path

import pytest

from risk.errors import SettingError
from risk.settings import PREFIX, SETTINGS, Settings, read_settings

README = Path(__file__).parent.parent / "README.md"


def test_without_any_setting_the_defaults_hold() -> None:
    assert read_settings({"PATH": "/bin"}) == Settings(7, 3_600_000, 86_400_000, 65_536)


def test_settings_come_from_the_mapping() -> None:
    given = {"LABEL_DELAY": "2d", "BUCKET": "1s", "MAX_LATENESS": "90m", "CHUNK_ROWS": "10"}
    assert read_settings({PREFIX + name: text for name, text in given.items()}) == Settings(2, 1000, 5_400_000, 10)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("LABEL_DELAY", "36h", "whole days from 1d to 365d"),
        ("LABEL_DELAY", "seven", "a whole number and a unit"),
        ("BUCKET", "7h", "whole seconds that divide a day"),
        ("BUCKET", "500ms", "whole seconds that divide a day"),
        ("MAX_LATENESS", "-1d", "a whole number and a unit"),
        ("CHUNK_ROWS", "0", "a whole number from 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(name: str, text: str, expected: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"{PREFIX}{name}: got {text!r}, expected {expected}")):
        read_settings({PREFIX + name: text})


def test_a_setting_that_does_not_exist_is_taken_for_a_typo() -> None:
    with pytest.raises(SettingError, match=r"TRUSTLENS_BUKET: no such setting; expected one of .*TRUSTLENS_BUCKET"):
        read_settings({"TRUSTLENS_BUKET": "1h"})


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| `(\S*)` \| (.*) \|$", README.read_text(), re.MULTILINE)
    assert rows == [(setting.name, setting.default, setting.meaning) for setting in SETTINGS]


def test_every_field_of_the_settings_has_a_setting() -> None:
    assert Settings._fields == tuple(setting.name.lower() for setting in SETTINGS)
