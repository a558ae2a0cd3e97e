"""The JSON Schema (2020-12) of every topic's messages, out of the types that write and read them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ops.contracts.notes import note_of
from ops.contracts.samples import DECIDED_SAMPLES, SAMPLES
from risk.codec import WireLabel, WireTransaction
from risk.events import RejectReason
from risk.ledger_log import LedgerEnd, LedgerPart
from risk.outputs import DecidedAlert, DecidedFlag, HighRiskAlert, RiskFlag
from risk.topics import (
    ALERTS,
    DETAIL,
    FLAGS,
    KEY_SHA256,
    KEY_SIZE,
    LABELS,
    LEDGER,
    REASON,
    REJECTED,
    SOURCE_OFFSET,
    SOURCE_PARTITION,
    SOURCE_TOPIC,
    TRANSACTIONS,
    VALUE_SHA256,
    VALUE_SIZE,
    TopicKind,
)

Schema = dict[str, Any]

VERSION = 1
DECIDED_VERSION = 2  # of flags and alerts, while a rule set is in force
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What stands in a message of each topic, and how its schema calls it.
_TYPES: dict[str, tuple[TopicKind, tuple[type, ...]]] = {
    "Transaction": (TRANSACTIONS, (WireTransaction,)),
    "Label": (LABELS, (WireLabel,)),
    "RiskFlag": (FLAGS, (RiskFlag,)),
    "HighRiskAlert": (ALERTS, (HighRiskAlert,)),
    "LedgerMessage": (LEDGER, (LedgerPart, LedgerEnd)),
}

_DECIDED_TYPES: dict[str, tuple[TopicKind, type]] = {
    "DecidedFlag": (FLAGS, DecidedFlag),
    "DecidedAlert": (ALERTS, DecidedAlert),
}

# Names that consumers see; that ours are called after the wire is our own business.
_NAMES = {
    "Seen": "Comparison",
    "WireTransaction": "Transaction",
    "WireLabel": "Label",
}


def schemas() -> dict[str, Schema]:
    """File name to schema, for every topic."""
    made = {
        f"{kind.name}.json": _schema(title, kind, types, VERSION, SAMPLES[kind.name])
        for title, (kind, types) in _TYPES.items()
    }
    decided = {
        decided_file(kind): _schema(title, kind, [type_], DECIDED_VERSION, DECIDED_SAMPLES[kind.name])
        for title, (kind, type_) in _DECIDED_TYPES.items()
    }
    return {**made, **decided, f"{REJECTED.name}.headers.json": _rejected_headers()}


def decided_file(kind: TopicKind) -> str:
    return f"{kind.name}.v{DECIDED_VERSION}.json"


def _schema(title: str, kind: TopicKind, types: Iterable[type], version: int, samples: Iterable[bytes]) -> Schema:
    roots, parts = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    shapes = {_NAMES.get(name, name): _shape(_NAMES.get(name, name), part) for name, part in sorted(parts.items())}
    names = [_name_of(root["$ref"]) for root in roots]
    # One kind of message stands at the top, to be read at once; several are told apart by their kind.
    body = shapes.pop(names[0]) if len(names) == 1 else {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names]}
    return {
        **_head(title, kind, f"A message of the topic {kind.name}: {kind.value}.", version),
        **{keyword: value for keyword, value in body.items() if keyword not in ("title", "description")},
        **({"$defs": shapes} if shapes else {}),
        "examples": [msgspec.json.decode(raw) for raw in samples],
    }


def _head(title: str, kind: TopicKind, description: str, version: int = VERSION) -> Schema:
    return {
        "$schema": _DIALECT,
        "$id": f"urn:trustlens:v{version}:{kind.name}",
        "title": title,
        "description": description,
    }


def _shape(name: str, part: Schema) -> Schema:
    if "enum" in part:
        return {"title": name, "type": "string", "enum": part["enum"]}
    fields = {field: _field(name, field, kind) for field, kind in part["properties"].items()}
    return {"title": name, "type": "object", "properties": fields, "required": part["required"]}


def _field(owner: str, field: str, kind: Schema) -> Schema:
    note, made = note_of(owner, field), _plain(kind)
    # Attributes: the type says what the values are, the note what else must hold of them.
    said = {
        word: {**made.get(word, {}), **more} if isinstance(more, dict) else more for word, more in note.keywords.items()
    }
    return {"description": note.text, **made, **said}


def _plain(kind: Schema) -> Schema:
    """One list of types instead of a choice of schemas, which is the same here and can be read."""
    if "$ref" in kind:
        return {"$ref": f"#/$defs/{_name_of(kind['$ref'])}"}
    if "anyOf" in kind:
        choices = [_plain(choice) for choice in kind["anyOf"]]
        rest = {keyword: value for keyword, value in kind.items() if keyword != "anyOf"}
        merged = {keyword: value for choice in choices for keyword, value in choice.items()}
        return {**merged, "type": [choice["type"] for choice in choices], **rest}
    if len(kind.get("enum", ())) == 1:
        return {"const": kind["enum"][0]}
    return {
        keyword: _plain(value) if keyword in ("items", "additionalProperties") else value
        for keyword, value in kind.items()
    }


def _name_of(ref: str) -> str:
    name = ref.rpartition("/")[2]
    return _NAMES.get(name, name)


def _rejected_headers() -> Schema:
    """The value of a rejected message can be any bytes; what can be relied on are its headers, all of them text."""
    digits = {"type": "string", "pattern": "^(0|[1-9][0-9]*)$"}
    text = {"type": "string"}
    reason = {"type": "string", "pattern": "^[a-z][a-z0-9_]*$", "examples": [str(reason) for reason in RejectReason]}
    properties = {
        REASON: {"description": "Why it was not scored: one of these; more may be added.", **reason},
        DETAIL: {"description": "In words: the field, the value, what was expected.", **text},
        SOURCE_TOPIC: {"description": "Where the message was read.", **text},
        SOURCE_PARTITION: {"description": "Its partition there, and of this message.", **digits},
        SOURCE_OFFSET: {"description": "Its offset there. With topic and partition it names the message.", **digits},
    }
    required = list(properties)
    size = {"type": "string", "pattern": "^(0|[1-9][0-9]*|unknown)$"}
    sha256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    properties |= {
        VALUE_SIZE: {"description": "Bytes of the whole value, where only its beginning is here.", **size},
        VALUE_SHA256: {"description": "SHA-256 of the whole value, where only its beginning is here.", **sha256},
        KEY_SIZE: {"description": "Bytes of the whole key, where only its beginning is here.", **digits},
        KEY_SHA256: {"description": "SHA-256 of the whole key, where only its beginning is here.", **sha256},
    }
    return {
        **_head("RejectedHeaders", REJECTED, f"The headers, as UTF-8 text, of {REJECTED.name}: {REJECTED.value}."),
        "type": "object",
        "properties": properties,
        "required": required,
        "examples": [
            {
                REASON: RejectReason.REFUND,
                DETAIL: "amount: got -5.0, expected 0 or more; refunds are not scored",
                SOURCE_TOPIC: TRANSACTIONS.name,
                SOURCE_PARTITION: "2",
                SOURCE_OFFSET: "41208",
            }
        ],
    }
