"""Every setting as data. The README's table is held to this list by a test.

Settings are read once, from a mapping that is passed in (the environment, in a program), and are what a command's
options fall back to. A value that cannot be used stops the program.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from risk.clock import DAY, HOUR, MINUTE, SECOND
from risk.errors import SettingError

PREFIX = "TRUSTLENS_"

_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


def duration(text: str) -> int:
    """Milliseconds of a text such as 7d, 1h or 90s."""
    match = re.fullmatch(r"(\d{1,9})(ms|s|m|h|d)", text)
    if match is None:
        raise ValueError("a whole number and a unit: ms, s, m, h or d, such as 7d or 1h")
    return int(match[1]) * _UNITS[match[2]]


def whole_days(text: str) -> int:
    length = duration(text)
    if length % DAY or not DAY <= length <= 365 * DAY:
        raise ValueError("whole days from 1d to 365d")
    return length // DAY


def bucket(text: str) -> int:
    length = duration(text)
    if length < SECOND or length % SECOND or DAY % length:
        raise ValueError("whole seconds that divide a day, such as 1s, 60s, 1h or 1d")
    return length


def count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise ValueError("a whole number from 1 to 999999999")
    return int(text)


class Setting(NamedTuple):
    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any]


SETTINGS: tuple[Setting, ...] = (
    Setting("LABEL_DELAY", "7d", "how long before a transaction the merchant ledger ends, in whole days", whole_days),
    Setting("BUCKET", "1h", "how finely the merchant ledger divides a day; down to 1s", bucket),
    Setting("MAX_LATENESS", "1d", "how far behind the newest event time a transaction may be", duration),
    Setting("CHUNK_ROWS", "65536", "rows of a file that are read at once", count),
)


class Settings(NamedTuple):
    label_delay: int  # days
    bucket: int  # ms
    max_lateness: int  # ms
    chunk_rows: int


def read_settings(mapping: Mapping[str, str], said: Mapping[str, tuple[str, str]] | None = None) -> Settings:
    """The settings out of a mapping such as the environment. Unknown names with our prefix are refused as typos.

    `said` tells which settings were said otherwise: by name, who says so (an option) and the text.
    """
    known = {PREFIX + setting.name: setting for setting in SETTINGS}
    for name in sorted(mapping):
        if name.startswith(PREFIX) and name not in known:
            raise SettingError(f"{name}: no such setting; expected one of {', '.join(known)}. Unset it, or correct it.")
    values = []
    for name, setting in known.items():
        where, text = (said or {}).get(setting.name, (name, mapping.get(name, setting.default)))
        values.append(_value(where, text, setting))
    return Settings(*values)


def _value(name: str, text: str, setting: Setting) -> Any:
    try:
        return setting.parse(text)
    except ValueError as error:
        raise SettingError(f"{name}: got {text!r}, expected {error}. The default is {setting.default}.") from None
