"""A rule set: named rules with the lists that they ask. Immutable; its version is a digest of what it says."""

from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256

import msgspec
from msgspec import Struct, field

from risk.events import Action, Mode
from risk.rules.language import Type

NAME = "rules"  # what versions begin with


class Rule(Struct, frozen=True, kw_only=True):
    """`when` is the condition in the one form that `text_of` gives it; times are event times, `until` not part."""

    name: str
    when: str
    action: Action
    mode: Mode
    sentence: str
    owner: str
    since: int | None = field(name="from", default=None)
    until: int | None = None


class ListEntry(Struct, frozen=True, array_like=True, order=True):
    """A value stands in a list, from and until an event time. `entity` is the name that has such values."""

    entity: str
    value: str
    since: int | None
    until: int | None
    why: str


class RuleSet(Struct, frozen=True, dict=True):
    """Rules by name, and the entries of each list in their order: equal sets are equal bytes."""

    rules: tuple[Rule, ...]
    attributes: Mapping[str, Type]  # what the rules take the transaction's attributes for
    lists: Mapping[str, tuple[ListEntry, ...]]

    @cached_property
    def version(self) -> str:
        return f"{NAME}-{sha256(msgspec.json.encode(self, order='sorted')).hexdigest()[:8]}"
