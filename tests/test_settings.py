"""Settings: read once from a mapping; a wrong value stops the program with its name; the README tells them all."""

import re
from pathlib import Path

import pytest

from risk.errors import SettingError
from risk.settings import PREFIX, SETTINGS, Secret, Settings, number, read_settings, whole

README = Path(__file__).parent.parent / "README.md"


DEFAULTS = Settings(
    label_delay=7,
    bucket=3_600_000,
    max_lateness=86_400_000,
    chunk_rows=65_536,
    brokers=("127.0.0.1:9092",),
    kafka_security="PLAINTEXT",
    kafka_mechanism="SCRAM-SHA-512",
    kafka_user="",
    kafka_password=Secret(""),
    kafka_ca_file=None,
    topic_prefix="",
    db=Path("risk.db"),
    rules=Path("rules"),
    state=None,
    metrics_host="127.0.0.1",
    metrics_port=9108,
    reporter_host="127.0.0.1",
    reporter_port=9109,
    reporter_metrics_port=None,
    reporter_token=Secret(""),
    log_level="info",
)


def test_without_any_setting_the_defaults_hold() -> None:
    assert read_settings({"PATH": "/bin"}) == DEFAULTS


def test_settings_come_from_the_mapping() -> None:
    given = {"LABEL_DELAY": "2d", "BUCKET": "1s", "MAX_LATENESS": "90m", "CHUNK_ROWS": "10", "METRICS_PORT": "0"}
    given |= {"BROKERS": "one.example:9092, [::1]:9093", "KAFKA_SECURITY": "SASL_SSL", "KAFKA_MECHANISM": "PLAIN"}
    given |= {"KAFKA_USER": "risk", "KAFKA_PASSWORD": "p w", "KAFKA_CA_FILE": "ca.pem", "TOPIC_PREFIX": "shop1."}
    given |= {"DB": "/data/risk.db", "STATE": "/data/state", "RULES": "/data/rules", "LOG_LEVEL": "debug"}
    given |= {"REPORTER_HOST": "0.0.0.0", "REPORTER_PORT": "80", "REPORTER_TOKEN": "let me see"}
    assert read_settings({PREFIX + name: text for name, text in given.items()}) == Settings(
        label_delay=2,
        bucket=1000,
        max_lateness=5_400_000,
        chunk_rows=10,
        brokers=("one.example:9092", "[::1]:9093"),
        kafka_security="SASL_SSL",
        kafka_mechanism="PLAIN",
        kafka_user="risk",
        kafka_password=Secret("p w"),
        kafka_ca_file=Path("ca.pem"),
        topic_prefix="shop1.",
        db=Path("/data/risk.db"),
        rules=Path("/data/rules"),
        state=Path("/data/state"),
        metrics_host="127.0.0.1",
        metrics_port=0,
        reporter_host="0.0.0.0",
        reporter_port=80,
        reporter_metrics_port=None,
        reporter_token=Secret("let me see"),
        log_level="debug",
    )


def test_the_password_is_nowhere_to_be_seen() -> None:
    settings = read_settings({"TRUSTLENS_KAFKA_PASSWORD": "hunter2"})
    assert "hunter2" not in f"{settings} {settings!r} {settings.kafka_password}"
    assert settings.kafka_password.reveal() == "hunter2"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("LABEL_DELAY", "36h", "whole days from 2d to 365d"),
        ("LABEL_DELAY", "1d", "whole days from 2d to 365d"),
        ("LABEL_DELAY", "seven", "a whole number and a unit"),
        ("BUCKET", "7h", "whole seconds that divide a day"),
        ("BUCKET", "500ms", "whole seconds that divide a day"),
        ("MAX_LATENESS", "-1d", "a whole number and a unit"),
        ("CHUNK_ROWS", "0", "a whole number from 1"),
        ("BROKERS", "kafka://127.0.0.1:9092", "host:port, several separated by commas, without a scheme"),
        ("BROKERS", "127.0.0.1", "host:port"),
        ("BROKERS", "127.0.0.1:0", "host:port"),
        ("BROKERS", "a:1,", "host:port"),
        ("BROKERS", "", "host:port"),
        ("KAFKA_SECURITY", "ssl", "one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL. The default is PLAINTEXT."),
        ("KAFKA_MECHANISM", "GSSAPI", "one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ("KAFKA_CA_FILE", "a\0b", "the name of a file. The default is none."),
        ("TOPIC_PREFIX", "shop/1", "at most 200 letters, digits"),
        ("DB", "", "the name of a file"),
        ("METRICS_HOST", "two words", "the name or address of a host"),
        ("REPORTER_HOST", "a..b", "the name or address of a host"),
        ("METRICS_HOST", "x" * 64, "the name or address of a host"),
        ("CHUNK_ROWS", "1\N{ARABIC-INDIC DIGIT ZERO}", "a whole number from 1"),
        ("MAX_LATENESS", "\N{ARABIC-INDIC DIGIT ONE}d", "a whole number and a unit"),
        ("METRICS_PORT", "\N{ARABIC-INDIC DIGIT THREE}", "a port from 1 to 65535"),
        ("BROKERS", "a..b:9092", "host:port"),
        ("BROKERS", "a:\N{ARABIC-INDIC DIGIT THREE}", "host:port"),
        ("METRICS_PORT", "65536", "a port from 1 to 65535, or 0 for one that is free"),
        ("METRICS_PORT", "-1", "a port from 1 to 65535"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(name: str, text: str, expected: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"{PREFIX}{name}: got {text!r}, expected {expected}")):
        read_settings({PREFIX + name: text})


def test_a_setting_that_does_not_exist_is_taken_for_a_typo() -> None:
    with pytest.raises(SettingError, match=r"TRUSTLENS_BUKET: no such setting; expected one of .*TRUSTLENS_BUCKET"):
        read_settings({"TRUSTLENS_BUKET": "1h"})


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (?:`(\S+)`|none) \| (.*) \|$", README.read_text(), re.MULTILINE)
    assert rows == [(setting.name, setting.default, setting.meaning) for setting in SETTINGS]


def test_every_field_of_the_settings_has_a_setting() -> None:
    assert Settings._fields == tuple(setting.name.lower() for setting in SETTINGS)


ODD = ["1_0", "\N{ARABIC-INDIC DIGIT ONE}0", " 10", "10\n", "0x10", "", "nan", "inf", "1,5"]


@pytest.mark.parametrize("text", ODD)
def test_numbers_are_decimal_as_people_type_them(text: str) -> None:
    with pytest.raises(ValueError, match="a whole number such as 42"):
        whole(text)
    with pytest.raises(ValueError, match=r"a number such as 0\.4"):
        number(text)
    assert [whole("+10"), whole("-010"), number("1e-2"), number(".5"), number("-1.")] == [10, -10, 0.01, 0.5, -1.0]
