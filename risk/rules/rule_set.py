"""A rule set: named rules with the lists that they ask. Immutable; its version is a digest of what it says.

    rules/current                       which version is in force, or `none`; no file, and nothing was said yet
    rules/<version>/rules.json          the set, the SHA-256 of the other files and of itself
    rules/<version>/rules.toml, lists/  as people wrote them; never read here but to be checked

A folder is written whole and never changed.
"""

import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from risk.bundle import CURRENT, seal_of
from risk.catalogue import CATALOGUE_VERSION
from risk.clock import EARLIEST, LATEST, to_text
from risk.errors import RuleError
from risk.events import Action, Mode
from risk.rules.language import Names, Type, lists_in, names_of, parse
from risk.small_file import is_absent, plain_file, read_name

NAME = "rules"  # what versions begin with
NO_RULES = "none"  # in place of a version
DIGITS = 16  # of a version: nobody meets two sets with one
FORMAT = 1
SEALED = "rules.json"
SEALED_BYTES = 2 * 1024**3
PIECE_BYTES = 1024**2

MOST_RULES = 1_000
MOST_ENTRIES = 1_000_000  # of all lists together
MOST_WORDS = 500  # characters of a sentence, an owner, a reason

Moment = Annotated[int, Meta(ge=EARLIEST, le=LATEST)]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_VERSION = re.compile(rf"{NAME}-[0-9a-f]{{{DIGITS}}}")


class Rule(Struct, frozen=True, kw_only=True):
    """`when` is the condition in the one form that `text_of` gives it; times are event times, `until` not part."""

    name: str
    when: str
    action: Action
    mode: Mode
    sentence: str
    owner: str
    since: Moment | None = field(name="from", default=None)
    until: Moment | None = None


class ListEntry(Struct, frozen=True, array_like=True):
    """A value stands in a list, from and until an event time. `entity` is the name that has such values."""

    entity: str
    value: str
    since: Moment | None
    until: Moment | None
    why: str


class RuleSet(Struct, frozen=True, dict=True):
    """Rules by name, and the entries of each list in their order: equal sets are equal bytes."""

    rules: tuple[Rule, ...]
    attributes: Mapping[str, Type]  # what the rules take the transaction's attributes for
    lists: Mapping[str, tuple[ListEntry, ...]]
    catalogue_version: int = CATALOGUE_VERSION

    @cached_property
    def version(self) -> str:
        return f"{NAME}-{sha256(msgspec.json.encode(self, order='sorted')).hexdigest()[:DIGITS]}"


# What is wrong with a part of a set, in the words for whoever writes rules and for whoever reads a sealed set; None
# where nothing is.


def too_many_rules(rules: int) -> str | None:
    return f"got {rules:,} rules, expected at most {MOST_RULES:,}" if rules > MOST_RULES else None


def too_many_entries(entries: int) -> str | None:
    if entries <= MOST_ENTRIES:
        return None
    return f"got more than {MOST_ENTRIES:,} entries, expected at most so many in all lists together"


def is_name(name: str) -> bool:
    """Whether a list can be called so, or a rule."""
    return _NAME.fullmatch(name) is not None


def wrong_name(name: str) -> str | None:
    return None if is_name(name) else f"got the name {shown(name)}, expected up to 64 letters, digits, - and _"


def wrong_end(since: int | None, until: int | None) -> str | None:
    if since is None or until is None or since < until:
        return None
    return f"got {to_text(until)}, expected a time after {to_text(since)}; it is not part of it"


def bad_words(value: object, *, may_be_empty: bool) -> str | None:
    """What is expected instead."""
    if not isinstance(value, str) or (not value.strip() and not may_be_empty):
        return "a text"
    if len(value) > MOST_WORDS:
        return f"at most {MOST_WORDS} characters"
    return None if value.isprintable() else "a text of one line"


def shown(value: object) -> str:
    match value:
        case str():
            return repr(value[:80])
        case bool():
            return str(value).lower()
        case dict() | list():  # one may be in another, thousands deep
            return "a table" if isinstance(value, dict) else "a list"
    return str(value)[:80]


class SealedRules(Struct, frozen=True):
    """What `rules.json` holds."""

    format: int
    version: str
    rule_set: RuleSet
    files: dict[str, str]
    seal: str


def sealed_bytes(rule_set: RuleSet, files: Mapping[str, bytes]) -> bytes:
    """With the hash of everything it says, so that an edit is seen wherever it was made."""
    hashes = {name: sha256(raw).hexdigest() for name, raw in sorted(files.items())}
    made = SealedRules(FORMAT, rule_set.version, rule_set, hashes, "")
    seal = seal_of(msgspec.to_builtins(made))
    return msgspec.json.encode(msgspec.structs.replace(made, seal=seal))


def is_rules_version(text: str) -> bool:
    """Whether a rule set can be called so."""
    return _VERSION.fullmatch(text) is not None


def rules_in_force(folder: Path) -> RuleSet | None:
    """Of a folder of rule sets; None where no set is in force there."""
    version = version_in_force(folder)
    return None if version is None else rules_of_version(folder, version)


def version_in_force(folder: Path) -> str | None:
    named = named_in_force(folder)
    return None if named == NO_RULES else named


def named_in_force(folder: Path) -> str | None:
    """NO_RULES where it was said that none are; None where nothing was ever said, in a folder without `current`, or
    before there is a folder. A folder that cannot be looked into is a RuleError: it may name a set."""
    path = folder / CURRENT
    if is_absent(folder) or is_absent(path):
        return None
    text = read_name(path, RuleError, "a file that names a rule set, or none; `trainer rules promote` writes it")
    if text != NO_RULES and not (is_rules_version(text) and os.path.isdir(folder / text)):  # noqa: PTH112 - as above
        raise RuleError(
            f"{path}: got {text[:80]!r}, expected a rule set in {folder}, or {NO_RULES}; `trainer rules list` names "
            "them. Put one in force with `trainer rules promote`"
        )
    return text


def rules_of_version(folder: Path, version: str) -> RuleSet:
    """The set that is called so; RuleError where there is none, or it is not whole, or another."""
    if not is_rules_version(version):
        raise RuleError(
            f"rule set {version[:80]!r}: expected a version, such as {NAME}-1a2b3c4d5e6f7a8b; `trainer rules list` "
            "names them"
        )
    place = folder / version
    path = place / SEALED
    try:
        with plain_file(path, SEALED_BYTES, RuleError) as file:
            raw = file.read()
        found = _read(path, raw)
        for name, expected in found.files.items():
            _check_file(place, name, expected)
    except OSError as error:
        raise RuleError(
            f"{error.filename or path}: {error.strerror}, expected a file of a rule set. {_mend(place)}"
        ) from None
    if not found.version == found.rule_set.version == version:
        raise RuleError(
            f"{path}: got version {found.version[:80]}, expected {found.rule_set.version} for what is in it, and the "
            f"folder's name {version}. {_mend(place)}"
        )
    if found.rule_set.catalogue_version != CATALOGUE_VERSION:
        raise RuleError(
            f"{path}: got rules for features of catalogue version {found.rule_set.catalogue_version}, expected "
            f"{CATALOGUE_VERSION}; a feature may mean something else now. Promote {place / 'rules.toml'} again."
        )
    for problem in _problems(found.rule_set):
        raise RuleError(f"{path}: {problem}. {_mend(place)}")
    return found.rule_set


def _problems(rule_set: RuleSet) -> Iterator[str]:
    """A seal shows an edit, not a forger: what `rules check` would not let pass is refused here, once for whoever reads
    sets."""
    if problem := too_many_rules(len(rule_set.rules)):
        yield problem
    if problem := too_many_entries(sum(map(len, rule_set.lists.values()))):
        yield problem
    names, before = names_of(rule_set.attributes), set[str]()
    for rule in rule_set.rules:
        yield from (f"rule {rule.name[:80]}: {problem}" for problem in _problems_of(rule, rule_set, names))
        if rule.name in before:
            yield f"rule {rule.name}: got the name twice, expected it once"
        before.add(rule.name)
    for name, entries in rule_set.lists.items():
        for number, entry in enumerate(entries, 1):
            if problem := wrong_end(entry.since, entry.until):
                yield f"list {name[:80]}, entry {number:,}: until: {problem}"


def _problems_of(rule: Rule, rule_set: RuleSet, names: Names) -> Iterator[str]:
    if problem := wrong_name(rule.name):
        yield problem
    for words in (rule.sentence, rule.owner):
        if expected := bad_words(words, may_be_empty=False):
            yield f"got {shown(words)}, expected {expected}"
    if problem := wrong_end(rule.since, rule.until):
        yield problem
    try:
        absent = sorted(lists_in(parse(rule.when, names, is_canonical=True)) - rule_set.lists.keys())
    except RuleError as error:
        yield str(error)
        return
    if absent:
        yield f"got list {absent[0][:80]!r}, expected one that the set has"


def _read(path: Path, raw: bytes) -> SealedRules:
    try:
        body = msgspec.json.decode(raw, type=dict[str, Any])
        if body.get("format") != FORMAT:
            raise RuleError(
                f"{path}: got format {str(body.get('format'))[:80]}, expected {FORMAT}; another version of TrustLens "
                "wrote it. Use that, or promote the rules.toml beside it again."
            )
        if body.get("seal") != seal_of(body):
            raise RuleError(
                f"{path}: got seal {str(body.get('seal'))[:80]}, expected {seal_of(body)} for what is in it; it was "
                f"changed. {_mend(path.parent)}"
            )
        return msgspec.json.decode(raw, type=SealedRules)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RuleError(f"{path}: cannot be read ({error}), expected a rule set. {_mend(path.parent)}") from None


def _check_file(folder: Path, name: str, expected: str) -> None:
    if name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
        raise RuleError(f"{folder / SEALED}: got the file {name[:80]!r}, expected one in its folder. {_mend(folder)}")
    digest = sha256()
    with plain_file(folder / name, SEALED_BYTES, RuleError) as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    if digest.hexdigest() != expected:
        raise RuleError(
            f"{folder / name}: got SHA-256 {digest.hexdigest()}, expected {expected[:64]}; the file was changed. "
            + _mend(folder)
        )


def _mend(folder: Path) -> str:
    return f"Delete {folder} and promote the rules again, or bring back a copy of the whole folder."
