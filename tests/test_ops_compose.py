"""docker-compose.yml holds to the specification, and names only what the project has."""

import re
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from ops.kafka.jars import POM
from ops.metrics_page import exposed
from risk.settings import PREFIX, read_settings
from tests.containers import compose, compose_schema, ours, parse, services
from tests.operations import ALERTMANAGER, PROMETHEUS, ROOT, read_yaml

ENVIRONMENT = (ROOT / "ops" / "example.env").read_text()


def faults(value: Any) -> list[str]:
    schema = compose_schema()
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def test_it_holds_to_the_compose_specification() -> None:
    assert faults(compose()) == []


def test_a_fault_is_seen() -> None:
    """The schema is one that refuses: a port that is no port, a word that is none."""
    wrong = compose()
    wrong["services"]["reporter"]["ports"] = {"9109": 9109}
    wrong["services"]["kafka"]["restrat"] = "always"
    said = "\n".join(faults(wrong))
    assert "$.services.reporter.ports" in said
    assert "restrat" in said


def test_everything_that_is_asked_for_is_there() -> None:
    assert set(services()) >= {
        "kafka", "topics", "scorer-1", "scorer-2", "reporter", "prometheus", "alertmanager", "grafana",
    }  # fmt: skip
    assert {name for name, service in services().items() if service.get("profiles") == ["demo"]} == {
        "demo-history", "demo-train", "demo-replay",
    }  # fmt: skip
    assert services()["learn-again"]["profiles"] == ["retrain"]
    assert services()["learn-again"]["command"][-2:] == ["--every", "7d"]


@pytest.mark.parametrize("name", ours())
def test_a_program_understands_its_command_and_settings(name: str) -> None:
    service = ours()[name]
    environment = {key: str(value) for key, value in service["environment"].items()}
    assert all(key.startswith(PREFIX) for key in environment)
    read_settings({**environment, f"{PREFIX}REPORTER_TOKEN": "a token"} if name == "reporter" else environment)
    parse(service["command"], environment)


@pytest.mark.parametrize("name", ours())
def test_a_program_writes_only_where_something_is_mounted(name: str) -> None:
    service = ours()[name]
    places = {place.split(":")[1] for place in service["volumes"]} | set(service["tmpfs"])
    assert service["read_only"]
    assert "/data" in places
    assert service["environment"][f"{PREFIX}DB"].startswith("/data/")


@pytest.mark.parametrize("name", services())
def test_everything_that_goes_on_has_a_health_check(name: str) -> None:
    service = services()[name]
    check = service["healthcheck"]
    # Who learns again waits, and shows no port; an alert watches it.
    is_a_task = service.get("restart") in ("no", "on-failure") or name == "learn-again"
    assert ("test" in check) != is_a_task
    assert (check == {"disable": True}) == is_a_task


def test_the_health_checks_ask_the_ports_of_the_programs() -> None:
    settings = read_settings({})
    workers = [service for service in ours().values() if service["command"][0] == "scorer"]
    assert len(workers) == 2
    for service in workers:
        *words, url, text = service["healthcheck"]["test"]
        assert words == ["CMD", "python", "-m", "ops.healthy"]
        assert (urlsplit(url).port, urlsplit(url).path) == (settings.metrics_port, "/metrics")
        assert text.split()[0] in exposed()
    *_, url = services()["reporter"]["healthcheck"]["test"]
    assert (urlsplit(url).port, urlsplit(url).path) == (settings.reporter_port + 1, "/health")


def test_prometheus_asks_where_the_programs_are() -> None:
    settings = read_settings({})
    workers = [name for name, service in ours().items() if service["command"][0] == "scorer"]
    [scorer] = read_yaml(PROMETHEUS / "targets" / "scorer.yml")
    assert scorer["targets"] == [f"{name}:{settings.metrics_port}" for name in workers]
    [reporter] = read_yaml(PROMETHEUS / "targets" / "reporter.yml")
    assert reporter["targets"] == [f"reporter:{settings.reporter_port + 1}"]
    [alertmanager] = read_yaml(PROMETHEUS / "targets" / "alertmanager.yml")
    assert alertmanager["targets"] == ["alertmanager:9093"]
    for name in workers:
        assert services()[name]["environment"][f"{PREFIX}METRICS_HOST"] == "0.0.0.0"
    assert services()["reporter"]["environment"][f"{PREFIX}REPORTER_HOST"] == "0.0.0.0"


def test_what_is_mounted_and_depended_on_is_there() -> None:
    made = compose()
    for name, service in services().items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (ROOT / source).is_dir() if source.startswith("./") else source in made["volumes"], (name, mount)
        assert set(service.get("secrets", [])) <= set(made["secrets"]), name
        assert set(service.get("depends_on", [])) <= set(services()), name


def test_every_secret_is_mounted_where_it_is_read() -> None:
    def read_by(text: str) -> set[str]:
        return set(re.findall(r"/run/secrets/([\w-]+)", text))

    assert read_by((PROMETHEUS / "prometheus.yml").read_text()) == set(services()["prometheus"]["secrets"])
    assert read_by((ALERTMANAGER / "alertmanager.yml").read_text()) == set(services()["alertmanager"]["secrets"])
    assert read_by(str(services()["grafana"]["environment"])) == set(services()["grafana"]["secrets"])


def test_the_example_of_the_environment_names_everything_and_nothing_else() -> None:
    wanted = {secret["environment"] for secret in compose()["secrets"].values()}
    wanted |= set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert set(re.findall(r"^(\w+)=", ENVIRONMENT, re.MULTILINE)) == wanted


def test_nothing_is_reachable_from_outside() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_broker_is_the_one_that_tests_use() -> None:
    version = re.search(r"<version>(\d+\.\d+\.\d+)</version>", POM.read_text())
    assert version is not None
    assert services()["kafka"]["image"] == f"apache/kafka:{version[1]}"
