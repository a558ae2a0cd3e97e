"""The challenger beside the bundle in use: which it is, and `promote --challenger`, on the evidence of the store."""

import argparse
from pathlib import Path
from typing import NamedTuple

import msgspec

from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import say, warn
from risk.bundle import Bundle, bundle_of_version
from risk.challenger import challenger_bundle
from risk.errors import OptionError, StoreError
from trainer.compare.live import Asked, compare_in_store
from trainer.options import DEFAULT_RESAMPLES, DEFAULT_SEED
from trainer.promotion import bundle_in_use, evaluation_of, make_current, remove_challenger, why_not
from trainer.restarts import warn_of_restart


class Both(NamedTuple):
    in_use: Bundle
    challenger: Bundle


def both_of(models: Path) -> Both:
    in_use, folder = bundle_in_use(models), challenger_bundle(models)
    if in_use is None:
        raise OptionError(f"--models: got {models}, where nothing is in use, expected a bundle in use and a challenger")
    if folder is None:
        raise OptionError(
            f"--models: got {models}, which has no challenger, expected one in the shadow of "
            f"{in_use.manifest.version}; `python -m trainer promote VERSION --shadow` puts one there"
        )
    return Both(in_use, bundle_of_version(models, folder.name))


def run_challenger(options: argparse.Namespace) -> int:
    models: Path = options.models
    in_use, challenger = (bundle.manifest for bundle in both_of(models))
    if challenger.version == in_use.version:  # a promotion that broke off behind its first step
        remove_challenger(models, challenger.version)
        say(f"{challenger.version} is in use already, and the challenger no more")
        return EXIT_OK
    found, against = None, None
    try:
        found = compare_in_store(settings_of(options).db, in_use, challenger, Asked(DEFAULT_SEED, DEFAULT_RESAMPLES))
        against = found.why_no_evidence
    except StoreError as error:
        against = f"there is no store to compare them in ({error})"
    if against is not None and not options.force:
        raise OptionError(
            f"--challenger: got {challenger.version}, expected evidence that it is better than {in_use.version}: "
            f"{against}. `python -m trainer compare --live` says more; --force puts it in use all the same"
        )
    if found is not None and (text := found.difference_text) is not None:
        say(text)
    if against is not None:
        warn(f"{challenger.version} is put in use without evidence, because of --force: {against}")
    evaluation = evaluation_of(challenger)
    if evaluation is not None and (said := why_not(evaluation, in_use.version)) is not None:
        warn(f"its test spoke against it: {said}")
    warn_of_restart(models, challenger, in_use)
    evidence = None if found is None else msgspec.to_builtins(found)
    make_current(models, challenger.version, by="challenger", forced=options.force, against=against, evidence=evidence)
    say(f"{challenger.version} is in use now, and the challenger no more; before: {in_use.version}")
    return EXIT_OK
