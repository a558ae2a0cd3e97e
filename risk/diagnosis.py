"""Why bytes are not an event: the reason, and a detail that names the field, the value and what was expected.

This runs only for what the fast decoder refused, so it may take its time.
"""

import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from risk.events import Rejected, RejectReason

MAX_BYTES = 64 * 1024
# Of a batch of messages, which arrives packed: a few kilobytes of it can be a gigabyte.
MAX_UNPACKED = 32 * 1024 * 1024
# Ours are two deep. A limit of our own, because the decoder's depends on how deep the caller's stack is.
MAX_DEPTH = 32
SHOWN_CHARACTERS = 80
INT64_DIGITS = 18


class Unread(bytes):
    """Stands for a message whose batch was not unpacked, for it would be too large; `batch` says what that was."""

    batch: str

    def __new__(cls, batch: str) -> "Unread":
        made = super().__new__(cls)
        made.batch = batch
        return made


def shown(value: Any) -> str:
    """The value as an operator can read it in a log line or a header: one line, ASCII, 80 characters."""
    return _cut(ascii(value) if isinstance(value, (str, float, int, bool, type(None))) else json.dumps(value))


def rejected(reason: RejectReason, field: str, value: Any, expected: str) -> Rejected:
    """The field's name may come out of the message, so it is shown as carefully as the value."""
    return Rejected(reason, f"{_cut(ascii(field)[1:-1])}: got {shown(value)}, expected {expected}")


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def misfit(raw: bytes) -> Rejected | None:
    """What is wrong with the bytes as such, before they are read: size, encoding, depth."""
    if not raw and isinstance(raw, Unread):
        expected = f"a batch that unpacks, to at most {MAX_UNPACKED} bytes"
        return rejected(RejectReason.TOO_LARGE, "batch", raw.batch, expected)
    if len(raw) > MAX_BYTES:
        return rejected(RejectReason.TOO_LARGE, "message", f"{len(raw)} bytes", f"at most {MAX_BYTES} bytes")
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            value = raw[error.start : error.start + 8].hex(" ")
            return rejected(RejectReason.NOT_UTF8, f"message at byte {error.start}", value, "UTF-8")
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        return rejected(
            RejectReason.TOO_DEEP, "message", f"{_depth(raw)} levels of nesting", f"at most {MAX_DEPTH} levels"
        )
    return None


def _depth(raw: bytes) -> int:
    deepest = depth = 0
    in_text = escaped = False
    for byte in raw:
        if in_text:
            if escaped:
                escaped = False
            elif byte == ord("\\"):
                escaped = True
            elif byte == ord('"'):
                in_text = False
        elif byte == ord('"'):
            in_text = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _integer(text: str) -> int | float:
    """Python refuses to read integers of thousands of digits; as a float such a one is infinite, which is the truth."""
    return int(text) if len(text) <= INT64_DIGITS else float(text)


def diagnose(raw: bytes, shape: Any, complaint: str) -> Rejected:
    """Why `raw`, which is UTF-8 and not too deep, is no `shape`. The complaint is the decoder's own, a last resort."""
    text = raw.decode()
    try:
        value = json.loads(text, parse_int=_integer)
    except ValueError as error:
        return rejected(RejectReason.NOT_JSON, "message", text, f"JSON ({error})")
    if not isinstance(value, dict):
        return rejected(RejectReason.NOT_AN_OBJECT, "message", value, "a JSON object")
    for field in msgspec.structs.fields(shape):
        fault = _fault(field.encode_name, field.type, field.required, value)
        if fault is not None:
            return fault
    for place, leaf in _leaves("message", value):
        if isinstance(leaf, float) and not math.isfinite(leaf):
            return rejected(RejectReason.NOT_FINITE, place, leaf, "a finite number")
        if isinstance(leaf, str) and not leaf.isascii() and _has_lone_surrogate(leaf):
            return rejected(RejectReason.BAD_TEXT, place, leaf, "text that can be written as UTF-8")
    return rejected(RejectReason.NOT_JSON, "message", text, f"JSON ({complaint})")


def _fault(name: str, kind: Any, required: bool, message: dict[str, Any]) -> Rejected | None:
    if message.get(name) is None:
        return rejected(RejectReason.MISSING_FIELD, name, None, "a value") if required else None
    value = message[name]
    if name == "attributes":
        return _attributes_fault(value)
    if isinstance(value, float) and not math.isfinite(value):
        return rejected(RejectReason.NOT_FINITE, name, value, "a finite number")
    accepted, expected = _kind_of(kind)
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
        return rejected(RejectReason.WRONG_TYPE, name, value, expected)
    # Before anything else is done with a text: one with half a surrogate pair can be encoded nowhere.
    if isinstance(value, str) and _has_lone_surrogate(value):
        return rejected(RejectReason.BAD_TEXT, name, value, "text that can be written as UTF-8")
    if expected == _TIME:
        try:
            msgspec.convert(value, kind)
        except (msgspec.ValidationError, OverflowError):
            return rejected(RejectReason.BAD_TIME, name, value, expected)
    return None


_TIME = "an RFC 3339 time with a zone, such as 2024-05-01T12:00:00Z"


def _kind_of(kind: Any) -> tuple[tuple[type, ...], str]:
    """The Python types that JSON gives for a field of this type, and how to say it."""
    types = set(getattr(kind, "__args__", ())) | {kind}
    if datetime in types or getattr(kind, "__origin__", None) is datetime:
        return (str,), _TIME
    if float in types:
        return (int, float), "a number"
    if bool in types:
        return (bool,), "true or false"
    return (str,), "text"


def _attributes_fault(value: Any) -> Rejected | None:
    if not isinstance(value, dict):
        return rejected(RejectReason.WRONG_TYPE, "attributes", value, "an object of numbers and texts")
    for name, attribute in value.items():
        if isinstance(attribute, float) and not math.isfinite(attribute):
            return rejected(RejectReason.NOT_FINITE, f"attributes.{name}", attribute, "a finite number")
        if isinstance(attribute, (bool, dict, list)):
            return rejected(RejectReason.WRONG_TYPE, f"attributes.{name}", attribute, "a number or a text")
    return None


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"{place}: a name", name
            yield from _leaves(f"{place}.{name}" if place != "message" else name, item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(f"{place}[{number}]", item)
    else:
        yield place, value


def _has_lone_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
