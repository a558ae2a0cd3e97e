"""The published contracts as an independent validator reads them: files under docs/contracts, formats checked."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from ops.contracts.schemas import Schema
from risk.topics import LABELS, TRANSACTIONS

FOLDER = Path(__file__).parent.parent / "docs" / "contracts"
FROZEN = FOLDER / "v1"
FROM_PRODUCERS = (f"{TRANSACTIONS.name}.json", f"{LABELS.name}.json")

FORMATS = FormatChecker()

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


# jsonschema checks this format only with another library at hand.
@FORMATS.checks("date-time", raises=ValueError)
def _is_rfc_3339(value: object) -> bool:
    return not isinstance(value, str) or (bool(_RFC_3339.fullmatch(value)) and bool(datetime.fromisoformat(value)))


def schema(file: str, folder: Path = FOLDER) -> Schema:
    read: Schema = json.loads((folder / file).read_text())
    return read


def closed(part: Any) -> Any:
    """The same schema, but nothing may be there that it does not name: what our own messages are held to."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    made = {keyword: closed(value) for keyword, value in part.items() if keyword != "examples"}
    return {**made, "additionalProperties": False} if "required" in made else made


def validator(of: Schema) -> Draft202012Validator:
    return Draft202012Validator(of, format_checker=FORMATS)


def faults(of: Draft202012Validator, message: bytes) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in of.iter_errors(json.loads(message))]
