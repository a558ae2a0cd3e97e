"""docker-compose.yml and Dockerfile as data, and what is known of the programs that they name."""

import json
import re
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

from console.commands import parser_of
from tests.operations import ROOT, read_yaml

# The programs that an image starts, and where their commands are.
COMMANDS = {name: f"{name}.commands" for name in ("trainer", "producer", "scorer", "kpi_reporter")}


class Instruction(NamedTuple):
    """One of a Dockerfile; what is continued on further lines is one."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """Of one that is written as a JSON list."""
        found: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return found


def compose() -> dict[str, Any]:
    made: dict[str, Any] = read_yaml(ROOT / "docker-compose.yml")
    return made


def services() -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = compose()["services"]
    return made


def ours() -> dict[str, dict[str, Any]]:
    """The services that run one of our programs."""
    return {name: service for name, service in services().items() if service.get("image") == "trustlens"}


def compose_schema() -> Any:
    """The compose specification's JSON Schema; check-jsonschema brings it along."""
    place = distribution("check-jsonschema").locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")
    return json.loads(Path(str(place)).read_text(encoding="utf-8"))


def dockerfile() -> list[Instruction]:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [Instruction(*line.split(None, 1)) for line in lines]


def commands_of(program: str) -> set[str]:
    module = import_module(COMMANDS[program])
    return set(parser_of(program, module.DESCRIPTION, module.COMMANDS, ()).get_default("parsers"))


def parse(words: list[str], environment: Mapping[str, str]) -> Any:
    """The options of a program's command, as the program itself reads them; SystemExit where it would not."""
    program, *arguments = words
    module = import_module(COMMANDS[program])
    parser = parser_of(program, module.DESCRIPTION, module.COMMANDS, arguments)
    options, unknown = parser.parse_known_args(arguments)
    assert unknown == []
    options.environment = environment
    return options
