"""The AsyncAPI 3.0 document: the topics as channels, what the scorer reads and what it sends."""

from typing import Any

from ops.contracts.promises import CHANGES, OF_TOPIC
from ops.contracts.schemas import VERSION
from risk.topics import ALERTS, FLAGS, KINDS, LABELS, LEDGER, REJECTED, TRANSACTIONS, TopicKind

_DIALECT = "application/schema+json;version=draft-2020-12"
_BINDING = "0.5.0"  # of AsyncAPI's Kafka binding

_READ = (TRANSACTIONS, LABELS, LEDGER)
_SENT = (FLAGS, ALERTS, REJECTED, LEDGER)


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
        "components": {"messages": {kind.name: _message(kind) for kind in KINDS}},
    }


def _channel(kind: TopicKind) -> dict[str, Any]:
    return {
        "address": kind.name,
        "summary": f"{kind.value[0].upper()}{kind.value[1:]}.",
        "description": OF_TOPIC[kind.name],
        "messages": {"message": {"$ref": f"#/components/messages/{kind.name}"}},
        "bindings": {"kafka": {"topic": kind.name, "bindingVersion": _BINDING}},
    }


def _operation(action: str, kind: TopicKind) -> dict[str, Any]:
    channel = f"#/channels/{kind.name}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/message"}],
    }


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
