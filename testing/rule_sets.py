"""Small rule sets, kept in a folder as `rules promote` keeps them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from risk.bundle import CURRENT
from risk.events import Action, Mode
from risk.rules.language import names_of, parse, text_of
from risk.rules.rule_set import NO_RULES, SEALED, ListEntry, Rule, RuleSet, sealed_bytes

NO_LISTS: Mapping[str, Sequence[ListEntry]] = {}


def made_of(
    conditions: Mapping[str, str],
    *,
    action: Action = Action.ALERT,
    mode: Mode = Mode.ON,
    lists: Mapping[str, Sequence[ListEntry]] = NO_LISTS,
) -> RuleSet:
    """Of rules by name, all of one action."""
    names = names_of({})
    rules = [
        Rule(
            name=name,
            when=text_of(parse(when, names)),
            action=action,
            mode=mode,
            sentence=f"as {name} says",
            owner="ana",
        )
        for name, when in sorted(conditions.items())
    ]
    return RuleSet(tuple(rules), {}, {name: tuple(entries) for name, entries in sorted(lists.items())})


def keep(rule_set: RuleSet, folder: Path) -> str:
    """Its version."""
    place = folder / rule_set.version
    place.mkdir(parents=True, exist_ok=True)
    (place / SEALED).write_bytes(sealed_bytes(rule_set, {}))
    return rule_set.version


def put_in_force(rule_set: RuleSet | None, folder: Path) -> None:
    """As `rules promote` does it; None: none."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / ".current"
    whole.write_text((NO_RULES if rule_set is None else keep(rule_set, folder)) + "\n")
    whole.replace(folder / CURRENT)
