"""rules check, promote and list."""

import argparse
from pathlib import Path

from console.options import settings_of
from console.output import replaced, synced
from console.start import EXIT_FAILED, EXIT_OK
from console.terminal import complain, say, say_table, warn
from risk.bundle import CURRENT, bundle_of_version, models_of, read_bundle
from risk.challenger import named_challenger
from risk.clock import to_text
from risk.errors import BundleError, RuleError
from risk.rules.compiled import compiled_for
from risk.rules.rule_set import NO_RULES, RuleSet, rules_of_version, version_in_force
from risk.rules.rules_file import RulesError
from risk.words import counted
from trainer.rules.options import CHECK, PROMOTE, TEST
from trainer.rules.saved import named_rules, rules_beside, save, versions


def run(options: argparse.Namespace) -> int:
    folder = settings_of(options).rules
    try:
        if options.rules_command == CHECK:
            return run_check(options)
        if options.rules_command == TEST:
            return run_test(options)
        return run_promote(options, folder) if options.rules_command == PROMOTE else run_list(folder)
    except RulesError as error:
        for problem in error.problems:
            complain(problem)
        return EXIT_FAILED


def run_check(options: argparse.Namespace) -> int:
    rule_set = rules_beside(options.file, read_bundle(options.bundle).manifest).rule_set
    say_rules(rule_set)
    say(f"{options.file}: {_contents(rule_set)}; as a set, {rule_set.version}")
    return EXIT_OK


def say_rules(rule_set: RuleSet) -> None:
    lines = [
        (rule.name, rule.action, rule.mode, _day(rule.since), _day(rule.until), rule.owner, rule.when)
        for rule in rule_set.rules
    ]
    say_table([("rule", "action", "mode", "from", "until", "owner", "when"), *lines], left=7)


def run_test(options: argparse.Namespace) -> int:
    from trainer.rules.trial_command import run_trial  # the others load no dataset

    return run_trial(options)


def run_promote(options: argparse.Namespace, folder: Path) -> int:
    before, version, rules = _before(folder), options.what, None
    if version.endswith(".toml"):
        file = rules_beside(Path(version), read_bundle(options.bundle).manifest)
        version, rules = save(file, folder), file.rule_set
    elif version != NO_RULES:
        rules = named_rules(folder, version, "FILE|VERSION: ", "a file that ends in .toml, or ")
        compiled_for(rules, read_bundle(options.bundle).manifest)
    with replaced(folder / CURRENT) as (temporary,):
        folder.mkdir(parents=True, exist_ok=True)  # where it is said that none are, before any was
        temporary.write_text(f"{version}\n")
        synced(temporary)
    synced(folder)
    models = models_of(options.bundle)
    if rules is not None and models is not None:
        _warn_of_share(models, rules)
    say(
        ("no rules are" if version == NO_RULES else f"{version} is")
        + " in force now"
        + (f"; before: {before}" if before != version else "")
    )
    return EXIT_OK


def _warn_of_share(models: Path, rules: RuleSet) -> None:
    """Of a challenger that decides for some of the customers, and cannot any more."""
    try:
        named = named_challenger(models)
        if named is None or named.percent is None:
            return
        challenger = bundle_of_version(models, named.folder.name).manifest
    except BundleError as error:
        warn(f"nobody knows here whether the challenger can be used with {rules.version}: {error}")
        return
    try:
        compiled_for(rules, challenger)
    except RuleError as error:
        warn(
            f"{challenger.version} cannot be used with {rules.version}, so that the bundle in use decides its "
            f"{named.percent:g} % of the customers too: {error}"
        )


def _before(folder: Path) -> str:
    """What is damaged does not stand in the way of what mends it."""
    try:
        return version_in_force(folder) or NO_RULES
    except RuleError as error:
        warn(str(error))
        return "what cannot be read"


def run_list(folder: Path) -> int:
    names = versions(folder)
    damaged: list[str] = []
    try:
        current = version_in_force(folder)
    except RuleError as error:
        current = None
        damaged.append(str(error))
    if not names:
        say(f"{folder}: no rule sets; `python -m trainer rules promote FILE` keeps one")
    lines: list[tuple[str, ...]] = [("", "version", "rules", "in shadow", "list entries", "names")]
    for name in names:
        mark = "*" if name == current else ""
        try:
            lines.append((mark, *_cells(rules_of_version(folder, name))))
        except RuleError as error:
            lines.append((mark, name, "damaged", "", "", ""))
            damaged.append(str(error))
    if names:
        say_table(lines, left=2)
        say()
        say("no rules are in force" if current is None else f"* in force: {current}")
    for text in damaged:
        complain(text)
    return EXIT_FAILED if damaged else EXIT_OK


def _cells(rule_set: RuleSet) -> tuple[str, ...]:
    shadow = sum(rule.mode == "shadow" for rule in rule_set.rules)
    entries = sum(map(len, rule_set.lists.values()))
    names = ", ".join(rule.name for rule in rule_set.rules)
    return rule_set.version, f"{len(rule_set.rules):,}", f"{shadow:,}", f"{entries:,}", names


def _contents(rule_set: RuleSet) -> str:
    entries = sum(map(len, rule_set.lists.values()))
    return (
        f"{counted(len(rule_set.rules), 'rule', 'rules')}, {counted(len(rule_set.lists), 'list', 'lists')} with "
        f"{counted(entries, 'entry', 'entries')}"
    )


def _day(ms: int | None) -> str:
    return "" if ms is None else to_text(ms).removesuffix("T00:00:00Z")
