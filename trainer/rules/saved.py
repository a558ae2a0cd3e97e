"""The folder of rule sets: saving one, and the one that a command is to use."""

import argparse
from pathlib import Path

from console.options import settings_of
from console.output import whole_folder
from console.terminal import notice
from risk.bundle import Manifest
from risk.errors import OptionError, RuleError
from risk.rules.rule_set import NO_RULES, SEALED, RuleSet, rules_in_force, rules_of_version, sealed_bytes
from risk.rules.rules_file import RulesFile, read_rules_file


def rules_beside(path: Path, manifest: Manifest) -> RulesFile:
    """A file of rules for what a bundle computes."""
    return read_rules_file(path, manifest.feature_set, manifest.version)


def rules_of_options(options: argparse.Namespace) -> RuleSet | None:
    """By --rules, or the set that is in force, which is said; None where there is none."""
    folder, found = settings_of(options).rules, named_or_in_force(options, options.rules, "--rules")
    if found is not None and options.rules is None:
        notice(f"{found.version} is in force in {folder}, and decides beside the model; --rules none leaves it out")
    return found


def named_or_in_force(options: argparse.Namespace, version: str | None, option: str) -> RuleSet | None:
    folder = settings_of(options).rules
    if version is None:
        return rules_in_force(folder)
    return None if version == NO_RULES else named_rules(folder, version, f"{option}: ", "none, or ")


def named_rules(folder: Path, version: str, option: str, else_: str) -> RuleSet:
    there = versions(folder)
    if version not in there:
        known = ", ".join(there) or f"those in {folder}, of which there are none: promote a file"
        raise OptionError(f"{option}got {version!r}, expected {else_}one of {known}")
    return rules_of_version(folder, version)


def versions(folder: Path) -> list[str]:
    """What was never finished has a name that begins with a dot."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".") and (path / SEALED).is_file())


def save(file: RulesFile, folder: Path) -> str:
    """Its version. What is there already under it stays; RuleError where that is another set."""
    version = file.rule_set.version
    if (folder / version).exists():
        if rules_of_version(folder, version) != file.rule_set:
            raise RuleError(
                f"{folder / version}: got another rule set of this version, which is a digest of 64 bits, expected the "
                "same one; change a sentence of a rule, which gives another version"
            )
        notice(f"{version} is saved already, as it was written first")
        return version
    with whole_folder(folder / version) as new:
        for name, raw in file.files.items():
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).write_bytes(raw)
        (new / SEALED).write_bytes(sealed_bytes(file.rule_set, file.files))
    return version
