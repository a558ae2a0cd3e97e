"""The AsyncAPI 3.0 document: the topics as channels, what the scorer reads and what it sends."""

from typing import Any

from ops.contracts.promises import CHANGES, OF_TOPIC
from ops.contracts.schemas import DECIDED_VERSION, VERSION, decided_file
from risk.topics import ALERTS, FLAGS, KINDS, LABELS, LEDGER, REJECTED, TRANSACTIONS, TopicKind

_DIALECT = "application/schema+json;version=draft-2020-12"
_BINDING = "0.5.0"  # of AsyncAPI's Kafka binding

_READ = (TRANSACTIONS, LABELS, LEDGER)
_SENT = (FLAGS, ALERTS, REJECTED, LEDGER)
_DECIDED = (FLAGS, ALERTS)  # of which there is version 2 as well


def document() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "TrustLens",
            "version": f"{VERSION}.0.0",
            "description": f"Scores every transaction for risk as it happens. {CHANGES}",
        },
        "defaultContentType": "application/json",
        "channels": {kind.name: _channel(kind) for kind in KINDS},
        "operations": {
            **{f"receive-{kind.name}": _operation("receive", kind) for kind in _READ},
            **{f"send-{kind.name}": _operation("send", kind) for kind in _SENT},
        },
        "components": {
            "messages": {
                **{kind.name: _message(kind) for kind in KINDS},
                **{_decided_name(kind): _decided_message(kind) for kind in _DECIDED},
            }
        },
    }


def _channel(kind: TopicKind) -> dict[str, Any]:
    return {
        "address": kind.name,
        "summary": f"{kind.value[0].upper()}{kind.value[1:]}.",
        "description": OF_TOPIC[kind.name],
        "messages": {name: {"$ref": f"#/components/messages/{of}"} for name, of in _messages(kind).items()},
        "bindings": {"kafka": {"topic": kind.name, "bindingVersion": _BINDING}},
    }


def _operation(action: str, kind: TopicKind) -> dict[str, Any]:
    channel = f"#/channels/{kind.name}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in _messages(kind)],
    }


def _messages(kind: TopicKind) -> dict[str, str]:
    """By its name in the channel, its name among all."""
    decided = {"decided": _decided_name(kind)} if kind in _DECIDED else {}
    return {"message": kind.name, **decided}


def _decided_name(kind: TopicKind) -> str:
    return f"{kind.name}.v{DECIDED_VERSION}"


def _decided_message(kind: TopicKind) -> dict[str, Any]:
    summary = f"{kind.value}, decided by model and rules together"
    return {**_message(kind), "name": _decided_name(kind), "summary": summary, "payload": _schema(decided_file(kind))}


def _message(kind: TopicKind) -> dict[str, Any]:
    key = {"type": "string", "description": kind.key}
    return {
        "name": kind.name,
        "summary": kind.value,
        **_contents(kind),
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING}},
    }


def _contents(kind: TopicKind) -> dict[str, Any]:
    if kind is REJECTED:  # any bytes; only its headers have a shape
        return {"contentType": "application/octet-stream", "headers": _schema(f"{kind.name}.headers.json")}
    return {"contentType": "application/json", "payload": _schema(f"{kind.name}.json")}


def _schema(file: str) -> dict[str, Any]:
    return {"schemaFormat": _DIALECT, "schema": {"$ref": f"./{file}"}}
