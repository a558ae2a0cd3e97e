"""Who hears of what: Alertmanager's own tool takes the example, and each severity goes where it should."""

import re

import pytest

from tests.operations import ALERTMANAGER, alerts, read_yaml, said, tool

MAIN = ALERTMANAGER / "alertmanager.yml"


def test_amtool_takes_the_configuration() -> None:
    assert "SUCCESS" in said(tool("amtool"), "check-config", MAIN)


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "on-call"), ("warning", "channel")])
def test_a_severity_has_its_receiver(severity: str, receiver: str) -> None:
    labels = (f"severity={severity}", "alertname=TrustLensWorkerDown")
    answer = said(tool("amtool"), "config", "routes", "test", f"--config.file={MAIN}", *labels)
    assert answer.splitlines()[-1] == receiver


def test_people_on_call_have_mail_and_slack() -> None:
    receivers = {receiver["name"]: set(receiver) for receiver in read_yaml(MAIN)["receivers"]}
    assert receivers["on-call"] == {"name", "slack_configs", "email_configs"}


def test_what_is_secret_is_read_from_files() -> None:
    settings = read_yaml(MAIN)["global"]
    secret = {name for name in settings if re.search(r"password|api_url|token|secret", name)}
    assert secret
    assert {name for name in secret if not name.endswith("_file")} == set()


def test_what_follows_from_something_worse_names_alerts_that_exist() -> None:
    named = set(re.findall(r"TrustLens\w+", MAIN.read_text()))
    assert named
    assert named <= {alert.name for alert in alerts()}
