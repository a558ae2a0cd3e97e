"""What tests of operations share: the files in ops/, the tools that judge them, and which metrics there are."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parent.parent
OPS = ROOT / "ops"
PROMETHEUS = OPS / "prometheus"
RULES = PROMETHEUS / "rules"
ALERTMANAGER = OPS / "alertmanager"
DASHBOARDS = OPS / "grafana" / "dashboards"


class Rule(NamedTuple):
    """An alert or a recording rule."""

    name: str
    expr: str
    whole: dict[str, Any]


def tool(name: str) -> str:
    """A program of this machine; a test that needs it is skipped without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name}: not found; `make packages` (as root) installs it on Debian")
    return found


def said(*command: str | Path) -> str:
    """All that a command says; it must end well."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _rules(kind: str) -> list[Rule]:
    groups = [group for path in sorted(RULES.glob("*.yml")) for group in read_yaml(path)["groups"]]
    rules = [rule for group in groups for rule in group["rules"] if kind in rule]
    return [Rule(rule[kind], rule["expr"], rule) for rule in rules]


def alerts() -> list[Rule]:
    return _rules("alert")


def recorded() -> list[Rule]:
    return _rules("record")


def names_in(text: str) -> set[str]:
    """Our metrics that a query or a page names, recorded ones too."""
    return set(re.findall(r"\btrustlens(?:_[a-z0-9_]+|:[a-z0-9_]+:[a-z0-9_]+)\b", text))


def unknown(text: str, exposed: set[str]) -> set[str]:
    """The names in it that neither a program nor a recording rule knows."""
    return names_in(text) - exposed - {rule.name for rule in recorded()}


def strings(value: Any) -> Iterator[str]:
    """Every text inside a value out of JSON or YAML."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
