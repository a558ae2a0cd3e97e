"""Lists beside rules.toml: CSV files with the columns entity, value, from, until, why, each line checked."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from functools import lru_cache
from pathlib import Path

from risk.clock import EARLIEST, LATEST, to_ms
from risk.rules.language import WEEKDAY, Type, near
from risk.rules.rule_set import ListEntry, bad_words, is_name, shown, too_many_entries, wrong_end

MOST_LIST_BYTES = 256 * 1024**2
MOST_SAID = 10  # problems of one list
MOST_VALUE = 1_000  # as many characters as a transaction's texts may have
_COLUMNS = ("entity", "value", "from", "until", "why")


class ListsFolder:
    """The lists of a folder, each read when a rule asks for it."""

    def __init__(self, folder: Path, problems: list[str]) -> None:
        self.folder = folder
        self.types: Mapping[str, Type] = {}
        self.entries: dict[str, list[ListEntry]] = {}
        self.raw: dict[str, bytes] = {}
        self._entities: dict[str, frozenset[str]] = {}
        self._problems = problems
        self._taken = 0

    def entities_of(self, name: str) -> frozenset[str]:
        """Which names have values in a list, as far as that is known; KeyError with the likely slip where there is no
        such list."""
        if name not in self.entries:
            path = self.folder / f"{name}.csv"
            if not is_name(name) or not path.is_file():
                # A pipe would wait for somebody to write.
                there = [one.stem for one in self.folder.glob("*.csv") if one.is_file()]
                raise KeyError(f"a plain file {path}{near(name, there)}")
            before = len(self._problems)
            self.entries[name] = self._read(name, path)
            # What a list with mistakes would hold is not known.
            is_whole = len(self._problems) == before
            self._entities[name] = frozenset(entry.entity for entry in self.entries[name] if is_whole)
        return self._entities[name]

    def _read(self, name: str, path: Path) -> list[ListEntry]:
        try:
            with path.open("rb") as file:
                raw = self.raw[name] = file.read(MOST_LIST_BYTES + 1)
            if len(raw) > MOST_LIST_BYTES:
                self._problems.append(
                    f"{path}: got more than {MOST_LIST_BYTES:,} bytes, expected a list of at most that"
                )
                return []
            text = raw.decode("utf-8-sig")
        except OSError as error:
            self._problems.append(f"{path}: {error.strerror}, expected a list")
            return []
        except UnicodeDecodeError as error:
            self._problems.append(f"{path}, {of_another_encoding(error, 'CSV')}")
            return []
        found: list[ListEntry] = []
        said = 0
        for line, row in _rows(text):
            if isinstance(row, str):
                entry: ListEntry | str = row
            elif problem := too_many_entries(self._taken + 1):
                entry = problem
            else:
                entry = self._entry(row)
                self._taken += 1
            if isinstance(entry, ListEntry):
                found.append(entry)
                continue
            said += 1
            self._problems.append(f"{path}, line {line}: {entry}")
            if isinstance(row, str) or too_many_entries(self._taken + 1):
                break
            if said == MOST_SAID:
                self._problems.append(f"{path}: got {said} wrong lines; what comes after them was not read")
                break
        return found

    def _entry(self, row: Mapping[str, str]) -> ListEntry | str:
        entity, value, why = row["entity"], row["value"], row.get("why", "")
        if self.types.get(entity) is not Type.TEXT or entity == WEEKDAY:
            texts = sorted(name for name, type_ in self.types.items() if type_ is Type.TEXT and name != WEEKDAY)
            return f"entity: got {shown(entity)}, expected one of {', '.join(texts)}{near(entity, texts)}"
        if not value or len(value) > MOST_VALUE or "\0" in value:
            return f"value: got {shown(value)}, expected a text of 1 to {MOST_VALUE:,} characters"
        if problem := bad_words(why, may_be_empty=True):
            return f"why: got {shown(why)}, expected {problem}"
        times: list[int | None] = []
        for column in ("from", "until"):
            text = row.get(column, "")
            try:
                times.append(_moment_of(text) if text else None)
            except ValueError as error:
                return f"{column}: got {shown(text)}, expected {error}"
        since, until = times
        if problem := wrong_end(since, until):
            return f"until: {problem}"
        return ListEntry(entity, value, since, until, why)


def _rows(text: str) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Each with its line; a text says what ends the reading."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = next(reader, [])
        if problem := _bad_head(head):
            yield 1, problem
            return
        begin = reader.line_num + 1
        for cells in reader:
            if cells:
                if len(cells) != len(head):
                    yield begin, f"got {len(cells)} cells, expected {len(head)} as the first line has"
                    return
                yield begin, dict(zip(head, map(str.strip, cells), strict=True))
            begin = reader.line_num + 1
    except csv.Error as error:
        yield reader.line_num, f"cannot be read ({error}), expected CSV"


def _bad_head(head: list[str]) -> str | None:
    for name in head:
        if name not in _COLUMNS:
            comma = " with a comma between" if ";" in name or "\t" in name else near(name.strip().lower(), _COLUMNS)
            return f"got the column {shown(name)}, expected {', '.join(_COLUMNS)}{comma}"
    if "entity" not in head or "value" not in head or len(set(head)) < len(head):
        return f"got the columns {', '.join(head) or '(none)'}, expected {', '.join(_COLUMNS)}, each once"
    return None


def moment(value: object) -> int:
    """Of a day, its midnight UTC; ValueError with what is expected."""
    expected = "a day such as 2024-12-01, or a time with its zone such as 2024-12-01T08:00:00Z"
    found: date | datetime | None = None
    if isinstance(value, date):
        found = value
    elif isinstance(value, str):
        parse_text = date.fromisoformat if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else datetime.fromisoformat
        try:
            found = parse_text(value)
        except ValueError:
            raise ValueError(expected) from None
    if not isinstance(found, date) or (isinstance(found, datetime) and found.tzinfo is None):
        raise ValueError(expected)
    if not isinstance(found, datetime):
        found = datetime.combine(found, time(), UTC)
    ms = to_ms(found)
    if not EARLIEST <= ms <= LATEST:
        raise ValueError("a time from 1990 until 2200")
    return ms


@lru_cache(4_096)  # a list has few days
def _moment_of(text: str) -> int:
    return moment(text)


def of_another_encoding(error: UnicodeDecodeError, expected: str) -> str:
    line = error.object.count(b"\n", 0, error.start) + 1
    return f"line {line}: got the byte {error.object[error.start]:#04x}, expected {expected}; save it as UTF-8"
