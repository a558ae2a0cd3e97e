"""What is in force: the bundle in use and its challenger, how either is put there, and what speaks against it."""

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from console.output import replaced, synced, writing
from console.terminal import notice, warn
from evaluation.result import Evaluation
from risk.bundle import CURRENT, Bundle, Manifest, bundle_of_version, current_bundle
from risk.challenger import CHALLENGER, challenger_bundle, named_challenger, pointer_to
from risk.clock import to_text
from risk.errors import BundleError, OptionError, RuleError
from risk.rules.compiled import compiled_for
from risk.rules.rule_set import rules_in_force
from trainer.record import OF_CHALLENGERS, By, Promotion, remember

AMOUNT_ALONE = "amount alone"  # the baseline that every champion must beat


class Both(NamedTuple):
    in_use: Bundle
    challenger: Bundle


def both_of(models: Path) -> Both:
    in_use = bundle_in_use(models)
    if in_use is None:
        raise OptionError(f"--models: got {models}, where nothing is in use, expected a bundle in use and a challenger")
    folder = challenger_bundle(models)
    if folder is None:
        raise OptionError(
            f"--models: got {models}, which has no challenger, expected one in the shadow of "
            f"{in_use.manifest.version}; `python -m trainer promote VERSION --shadow` puts one there"
        )
    return Both(in_use, bundle_of_version(models, folder.name))


def bundle_in_use(models: Path) -> Bundle | None:
    """None where nothing is in use; BundleError where what is in use cannot be read."""
    version = current_version(models)
    return None if version is None else bundle_of_version(models, version)


def bundle_to_replace(models: Path, *, is_said: bool = False) -> Bundle | None:
    """For whoever puts another one in its place: None also where what is in use cannot be read, which may be said."""
    try:
        return bundle_in_use(models)
    except BundleError as error:
        if is_said:
            notice(f"{error} It counts as if nothing were in use.")
        return None


def current_version(models: Path) -> str | None:
    return current_bundle(models).name if os.path.lexists(models / CURRENT) else None


def challenger_version(models: Path) -> str | None:
    """None where there is none, or its name cannot be read."""
    try:
        folder = challenger_bundle(models)
    except BundleError as error:
        notice(f"{error} It counts as if there were no challenger.")
        return None
    return None if folder is None else folder.name


def make_current(
    models: Path,
    version: str,
    *,
    by: By = "promote",
    forced: bool = False,
    against: str | None = None,
    evidence: dict[str, Any] | None = None,
) -> None:
    """The record comes first: there is nothing in use that it does not know of. What is in use is no challenger."""
    remember(models, Promotion(_now(), version, _before(models), by, forced, against, evidence))
    _put(models / CURRENT, f"{version}\n")
    if challenger_version(models) == version:
        try:
            remove_challenger(models, version)
        except OptionError as error:  # it is in use all the same, and workers leave such a challenger alone
            warn(f"{version} is in use, and still named as the challenger, which `promote --no-shadow` ends: {error}")


def remember_refused(
    models: Path, version: str, against: str, *, by: By, evidence: dict[str, Any] | None = None
) -> None:
    """What was to be put in force, and was not: whoever asks the same data again and again until they say yes should
    see how often that was."""
    before = challenger_version(models) if by in OF_CHALLENGERS else _before(models)
    remember(models, Promotion(_now(), version, before, by, against=against, evidence=evidence, refused=True))


def _before(models: Path) -> str | None:
    """What is in use; None also where that cannot be read."""
    try:
        return current_version(models)
    except BundleError:
        return None


def share_of_challenger(models: Path) -> float | None:
    """In percent of the customers, for whom it decides. None where it only scores in the shadow, or there is none, or
    what names it cannot be read."""
    try:
        named = named_challenger(models)
    except BundleError:
        return None
    return None if named is None else named.percent


def make_challenger(models: Path, version: str, *, by: By = "shadow", percent: float | None = None) -> None:
    """The record comes first, as with a promotion. `percent`: its share of the customers."""
    remember(models, Promotion(_now(), version, challenger_version(models), by, share=percent))
    _put(models / CHALLENGER, pointer_to(version, percent))


def remove_challenger(models: Path, before: str | None) -> None:
    """The record comes first, as with a promotion."""
    remember(models, Promotion(_now(), "", before, "no-shadow"))
    with writing(models / CHALLENGER):
        (models / CHALLENGER).unlink()
        synced(models)


def _now() -> str:
    return to_text(int(time.time() * 1000))


def _put(path: Path, text: str) -> None:
    with replaced(path) as (temporary,):
        temporary.write_text(text)
        synced(temporary)
    with writing(path):
        synced(path.parent)


# What speaks against a bundle


def evaluation_of(manifest: Manifest) -> Evaluation | None:
    """None of a bundle that somebody made without any."""
    try:
        return msgspec.convert(manifest.metrics, Evaluation)
    except msgspec.ValidationError:
        return None


def why_not_in_force(rules: Path, manifest: Manifest) -> str | None:
    """What workers would refuse the bundle for: the rule set in force cannot be used with it. None where nothing is."""
    try:
        rule_set = rules_in_force(rules)
        if rule_set is not None:
            compiled_for(rule_set, manifest)
    except RuleError as error:
        return (
            f"workers would refuse it, because it cannot be used with the rule set in force: {error}. Put rules in "
            "force that fit both, or none, with `trainer rules promote`"
        )
    return None


def why_not(evaluation: Evaluation, in_use: str | None) -> str | None:
    """What speaks against the champion, where `in_use` would be replaced by it; None where nothing does."""
    reached = _average_precision(evaluation, evaluation.champion)
    if reached is None:
        if in_use is None:
            return None
        return f"its test has no fraud, so nothing says that it is as good as {in_use}, which is in use"
    chance, amount = evaluation.test.fraud_share, _average_precision(evaluation, AMOUNT_ALONE)
    better = []
    if chance is not None and chance >= reached:
        better.append(f"chance (the share of fraud) reached {chance:.4f}")
    if amount is not None and amount > reached:
        better.append(f"{AMOUNT_ALONE} reached {amount:.4f}")
    if better:
        return f"its average precision in the test is {reached:.4f}, and {' and '.join(better)}"
    beside = evaluation.in_use
    if beside is None or beside.version != in_use or beside.is_as_good:
        return None
    if beside.comparison is None:
        return f"it cannot be compared with {in_use}, which is in use: {beside.not_compared}"
    return (
        f"it may be worse than {in_use}, which is in use, by more than the margin of {beside.margin:.1%} of the frauds"
    )


def why_not_unasked(evaluation: Evaluation, in_use: str | None) -> str | None:
    """For a training, behind which nobody stands: it replaces nothing either that it was not compared with, such as
    what another put in use while it ran."""
    against = why_not(evaluation, in_use)
    if against is not None or in_use is None or is_compared(evaluation, in_use):
        return against
    return f"{in_use} was put in use while it was trained, and they were never compared"


def is_compared(evaluation: Evaluation | None, in_use: str) -> bool:
    return evaluation is not None and evaluation.in_use is not None and evaluation.in_use.version == in_use


def _average_precision(evaluation: Evaluation, name: str) -> float | None:
    model = evaluation.model(name)
    return None if model is None else model.metrics.average_precision.value
