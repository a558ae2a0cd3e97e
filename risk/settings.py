"""Every setting as data. The README's table is held to this list by a test.

Settings are read once, from a mapping that is passed in (the environment, in a program), and are what a command's
options fall back to. A value that cannot be used stops the program.
"""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from risk.clock import DAY, HOUR, MINUTE, SECOND
from risk.errors import SettingError

PREFIX = "TRUSTLENS_"

_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}


# Numbers as people type them: Python also takes 1_0, blanks and the digits of every script.


def whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,40}", text):
        raise ValueError("a whole number such as 42")
    return int(text)


def number(text: str) -> float:
    is_decimal = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text)
    if not is_decimal or not math.isfinite(float(text)):
        raise ValueError("a number such as 0.4; 40 % is 0.4")
    return float(text)


def duration(text: str) -> int:
    """Milliseconds of a text such as 7d, 1h or 90s."""
    match = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h|d)", text)
    if match is None:
        raise ValueError("a whole number and a unit: ms, s, m, h or d, such as 7d or 1h")
    return int(match[1]) * _UNITS[match[2]]


def up_to_a_year(text: str) -> int:
    length = duration(text)
    if length > 365 * DAY:
        raise ValueError("at most 365d")
    return length


def whole_days(text: str) -> int:
    length = duration(text)
    # A label of a day's transaction counts until the day before the last of the delay: with 1d none ever would.
    if length % DAY or not 2 * DAY <= length <= 365 * DAY:
        raise ValueError("whole days from 2d to 365d")
    return length // DAY


def bucket(text: str) -> int:
    length = duration(text)
    if length < SECOND or length % SECOND or DAY % length:
        raise ValueError("whole seconds that divide a day, such as 1s, 60s, 1h or 1d")
    return length


def count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ValueError("a whole number from 1 to 999999999")
    return int(text)


class Secret:
    """A text that no error, log or trace may show: whoever needs it says so by `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "(not shown)"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def brokers(text: str) -> tuple[str, ...]:
    addresses = tuple(part.strip() for part in text.split(","))
    if not all(map(_is_address, addresses)):
        raise ValueError("host:port, several separated by commas, without a scheme, such as 127.0.0.1:9092")
    return addresses


def _is_address(text: str) -> bool:
    match = re.fullmatch(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})", text)
    return match is not None and _is_host(match[1]) and 0 < int(match[2]) < 65536


def _is_host(text: str) -> bool:
    """Whether it can be looked up: of a..b, or a label of 64 characters, the library says so by a UnicodeError."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return True


def port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError("a port from 1 to 65535, or 0 for one that is free")
    return int(text)


def port_or_none(text: str) -> int | None:
    return port(text) if text else None


def host(text: str) -> str:
    if not re.fullmatch(r"[\w.:-]{1,253}", text) or not _is_host(text):
        raise ValueError("the name or address of a host, such as 127.0.0.1 or 0.0.0.0")
    return text


def topic_prefix(text: str) -> str:
    # A topic's name is at most 249 characters long.
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,200}", text):
        raise ValueError("at most 200 letters, digits, dots, dashes and underscores, such as shop1.")
    return text


def path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("the name of a file")
    return Path(text)


def path_or_none(text: str) -> Path | None:
    return path(text) if text else None


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse


class Setting(NamedTuple):
    name: str
    default: str
    meaning: str
    parse: Callable[[str], Any]


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "LABEL_DELAY",
        "7d",
        "how long before a transaction the merchant ledger ends: whole days, more than a day "
        "longer than `TRUSTLENS_MAX_LATENESS`",
        whole_days,
    ),
    Setting("BUCKET", "1h", "how finely the merchant ledger divides a day; down to 1s", bucket),
    Setting("MAX_LATENESS", "1d", "how far behind the newest event time a transaction may be", up_to_a_year),
    Setting("CHUNK_ROWS", "65536", "rows of a file that are read at once", count),
    Setting("BROKERS", "127.0.0.1:9092", "where Kafka is: host:port, several separated by commas", brokers),
    Setting(
        "KAFKA_SECURITY",
        "PLAINTEXT",
        "the security protocol of Kafka: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
        one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    ),
    Setting(
        "KAFKA_MECHANISM",
        "SCRAM-SHA-512",
        "how a user proves who it is, with SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    ),
    Setting("KAFKA_USER", "", "the user, with SASL", str),
    Setting("KAFKA_PASSWORD", "", "the user's password, with SASL; never shown", Secret),
    Setting(
        "KAFKA_CA_FILE",
        "",
        "who signed the broker's certificate, as PEM, with SSL; without it, whom the system trusts",
        path_or_none,
    ),
    Setting(
        "TOPIC_PREFIX", "", "begins the names of topics and groups, so that systems can share a Kafka", topic_prefix
    ),
    Setting("DB", "risk.db", "the store: an SQLite file", path),
    Setting("RULES", "rules", "the folder of rule sets; `current` in it names the one in force", path),
    Setting(
        "STATE",
        "",
        "the folder for what a program goes on from, such as the place of a replay; else `trustlens` in "
        "`$XDG_STATE_HOME` or `~/.local/state`",
        path_or_none,
    ),
    Setting("METRICS_HOST", "127.0.0.1", "the address where a worker shows its metrics; 0.0.0.0 is every one", host),
    Setting("METRICS_PORT", "9108", "where a worker shows its metrics; 0 picks a free port", port),
    Setting("REPORTER_HOST", "127.0.0.1", "the address where the reporter answers; another needs a token", host),
    Setting("REPORTER_PORT", "9109", "where the reporter answers; 0 picks a free port", port),
    Setting(
        "REPORTER_METRICS_PORT",
        "",
        "where the reporter answers programs alone: metrics and health; without it, the port after the other one",
        port_or_none,
    ),
    Setting("REPORTER_TOKEN", "", "who may look into the reporter: whoever sends this; never shown", Secret),
    Setting(
        "LOG_LEVEL",
        "info",
        "how much is logged: debug, info, warning or error",
        one_of("debug", "info", "warning", "error"),
    ),
)


class Settings(NamedTuple):
    label_delay: int  # days
    bucket: int  # ms
    max_lateness: int  # ms
    chunk_rows: int
    brokers: tuple[str, ...]
    kafka_security: str
    kafka_mechanism: str
    kafka_user: str
    kafka_password: Secret
    kafka_ca_file: Path | None
    topic_prefix: str
    db: Path
    rules: Path
    state: Path | None
    metrics_host: str
    metrics_port: int
    reporter_host: str
    reporter_port: int
    reporter_metrics_port: int | None
    reporter_token: Secret
    log_level: str


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
        default = setting.default or "none"
        raise SettingError(f"{name}: got {text!r}, expected {error}. The default is {default}.") from None
