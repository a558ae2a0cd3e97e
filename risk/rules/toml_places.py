"""Where the values of a TOML file stand in its text, which Python's reader does not tell: for errors that name line and
column. For text that it has read; nothing is checked here."""

import re
from collections.abc import Sequence
from typing import NamedTuple

Path = tuple[str, ...]
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[^,\]}\n#]+")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class Place(NamedTuple):
    """Where each character of a text stands in the file, and then where it ends; of other values where they begin."""

    offsets: Sequence[int]

    def at(self, offset: int) -> int:
        return self.offsets[min(offset, len(self.offsets) - 1)]


class Places(NamedTuple):
    keys: dict[Path, int]
    values: dict[Path, Place]


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """From 1, as editors count."""
    begin = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, begin) + 1, offset - begin + 1


def places_in(text: str) -> Places:
    """Of a text whose lines end with a line feed alone."""
    return _Scanner(text).places


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.places = Places({}, {})
        table: Path = ()
        self._skip()
        while self._at < len(text):
            if text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip()

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def _header(self) -> Path:
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        begin = self._at
        self._at += brackets
        table = self._key()
        self.places.keys.setdefault(table, begin)
        self._at += brackets
        return table

    def _pair(self, table: Path) -> None:
        begin = self._at
        path = (*table, *self._key())
        self.places.keys[path] = begin
        self._at += 1  # =
        self._skip()
        self._value(path)

    def _key(self) -> Path:
        parts = []
        while True:
            self._skip()
            if self._text[self._at] in "\"'":
                parts.append(self._string()[0])
            else:
                bare = _BARE.match(self._text, self._at)
                assert bare is not None
                parts.append(bare[0])
                self._at = bare.end()
            self._skip()
            if self._text[self._at] != ".":
                return tuple(parts)
            self._at += 1

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self.places.values[path] = Place(self._string()[1])
            return
        self.places.values[path] = Place([self._at])
        if first not in "{[":
            plain = _PLAIN.match(self._text, self._at)
            assert plain is not None
            self._at = plain.end()
            return
        self._at += 1
        self._skip()
        while self._text[self._at] not in "}]":
            if first == "{":
                self._pair(path)
            else:
                self._value((*path, ""))
            self._skip()
            if self._text[self._at] == ",":
                self._at += 1
                self._skip()
        self._at += 1

    def _string(self) -> tuple[str, list[int]]:
        """The text, and where each of its characters stands."""
        text, quote = self._text, self._text[self._at]
        is_long = text.startswith(quote * 3, self._at)
        end = quote * 3 if is_long else quote
        self._at += len(end)
        if is_long and text.startswith("\n", self._at):
            self._at += 1
        found, offsets = [], []
        while not text.startswith(end, self._at):
            offsets.append(self._at)
            if quote == '"' and text[self._at] == "\\":
                character = self._escaped()
                if character is None:
                    offsets.pop()
                    continue
                found.append(character)
            else:
                found.append(text[self._at])
                self._at += 1
        while is_long and text.startswith(end, self._at + 1):  # quotes that belong to the text stand before the end
            offsets.append(self._at)
            found.append(quote)
            self._at += 1
        offsets.append(self._at)
        self._at += len(end)
        return "".join(found), offsets

    def _escaped(self) -> str | None:
        """None where the end of a line is escaped, which leaves out the blanks that follow."""
        kind = self._text[self._at + 1]
        if kind in "uU":
            digits = 4 if kind == "u" else 8
            begin = self._at + 2
            self._at = begin + digits
            return chr(int(self._text[begin : self._at], 16))
        if kind in _ESCAPES:
            self._at += 2
            return _ESCAPES[kind]
        self._at += 1
        while self._text[self._at] in " \t\n":
            self._at += 1
        return None
