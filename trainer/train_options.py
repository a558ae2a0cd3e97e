"""What a training does, checked before a row is read: from its own options, or as a bundle remembers it."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from console.options import settings_of
from risk.bundle import Days, Manifest
from risk.clock import DAY, date_ms
from risk.dataset.column_map import ColumnMap
from risk.dataset.map_file import load_map, parse_map
from risk.errors import OptionError
from risk.money import EXPONENTS
from risk.settings import Settings
from trainer.families import DETECTORS, ENSEMBLE, HYBRID, USUAL_FAMILIES
from trainer.families.ensemble import read_members
from trainer.families.family import family_of
from trainer.families.parameters import read_parameters
from trainer.options import DEFAULT_RESAMPLES, NUMBERS, RANDOM
from trainer.splits import NOT_GIVEN, Given, Period, Periods, parsed_period


class Plan(NamedTuple):
    """How models are fitted, and what their thresholds are chosen for."""

    kinds: tuple[str, ...]
    parameters: dict[str, dict[str, Any]]
    balance: str
    search: int
    review_cost: float
    loss_rate: float
    alerts_per_day: float | None
    seed: int
    resamples: int = DEFAULT_RESAMPLES
    refit: bool = False  # the champion, before it is served


class Split(NamedTuple):
    """Which rows teach, choose and judge."""

    is_random: bool
    periods: Periods | None = None  # those of an earlier training, instead of what is given
    train: Given = NOT_GIVEN
    validation: Given = NOT_GIVEN
    test: Given = NOT_GIVEN

    @property
    def days_named(self) -> bool:
        return self.periods is not None or (self.train, self.validation, self.test) != (NOT_GIVEN,) * 3


class TrainOptions(NamedTuple):
    file: Path
    columns: ColumnMap | None
    external: Path | None
    external_columns: ColumnMap | None
    models: Path
    reports: Path
    settings: Settings
    currency: str | None
    split: Split
    plan: Plan
    with_plots: bool
    may_promote: bool
    margin: float  # the share of all frauds by which a bundle may be worse than the one in use, and replace it


def train_options_of(options: argparse.Namespace) -> TrainOptions:
    """Of train."""
    if options.currency is not None and options.currency not in EXPONENTS:
        raise OptionError(f"--currency: got {options.currency!r}, expected an ISO 4217 code such as EUR")
    columns = load_map(options.columns) if options.columns else None
    return _train_options(
        options,
        columns,
        settings_of(options),
        options.currency,
        _split(options),
        _plan(options),
        may_promote=not options.no_promote,
        margin=options.margin,
    )


def as_trained(options: argparse.Namespace, manifest: Manifest) -> TrainOptions:
    """Of report: what the bundle remembers of its training; only how the columns are called may be said anew."""
    training = manifest.training
    return _train_options(
        options,
        _columns(options, manifest),
        _settings_of(manifest, options),
        manifest.currency,
        Split(training.split == RANDOM, periods_of(manifest)),
        _plan_of(manifest, options.resamples),
        may_promote=False,
        margin=0.0,
    )


def as_trained_on(
    file: Path, columns: ColumnMap, manifest: Manifest, periods: Periods | None, options: argparse.Namespace
) -> TrainOptions:
    """Of retrain: the same once more, on another history. `periods`: where they are not to be cut from its days."""
    return TrainOptions(
        file=file,
        columns=columns,
        external=None,
        external_columns=None,
        models=options.models,
        reports=options.reports,
        settings=_settings_of(manifest, options),
        currency=manifest.currency,
        split=Split(is_random=False, periods=periods),
        plan=_plan_of(manifest, options.resamples),
        with_plots=not options.no_plots,
        may_promote=False,
        margin=options.margin,
    )


def _settings_of(manifest: Manifest, options: argparse.Namespace) -> Settings:
    return settings_of(options)._replace(
        label_delay=manifest.label_delay_days, bucket=manifest.bucket_ms, max_lateness=manifest.max_lateness_ms
    )


def _plan_of(manifest: Manifest, resamples: int) -> Plan:
    training, thresholds = manifest.training, manifest.thresholds
    return Plan(
        kinds=training.models,
        parameters=training.parameters,
        balance=training.balance,
        search=training.search,
        review_cost=thresholds.review_cost,
        loss_rate=thresholds.loss_rate,
        alerts_per_day=thresholds.alerts_per_day,
        seed=manifest.seed,
        resamples=resamples,
        refit=training.refit,
    )


def _train_options(
    options: argparse.Namespace,
    columns: ColumnMap | None,
    settings: Settings,
    currency: str | None,
    split: Split,
    plan: Plan,
    *,
    may_promote: bool,
    margin: float,
) -> TrainOptions:
    return TrainOptions(
        file=options.file,
        columns=columns,
        external=options.external,
        external_columns=_external_map(options, columns),
        models=options.models,
        reports=options.reports,
        settings=settings,
        currency=currency,
        split=split,
        plan=plan,
        with_plots=not options.no_plots,
        may_promote=may_promote,
        margin=margin,
    )


def _split(options: argparse.Namespace) -> Split:
    is_random = options.split == RANDOM
    if is_random and (options.train or options.validation or options.test):
        raise OptionError("--split random: got --train, --validation or --test beside it, expected none of them; rows "
                          "are drawn, not days")  # fmt: skip
    return Split(
        is_random,
        train=parsed_period("--train", options.train),
        validation=parsed_period("--validation", options.validation),
        test=parsed_period("--test", options.test),
    )


def _columns(options: argparse.Namespace, manifest: Manifest) -> ColumnMap | None:
    if options.columns is not None:
        return load_map(options.columns)
    text = manifest.training.columns
    return None if text is None else parse_map(text, f"the column map of {manifest.version}")


def periods_of(manifest: Manifest) -> Periods | None:
    """None where rows were drawn at random."""
    training = manifest.training
    three: tuple[Days | None, ...] = (training.fit, training.validation, training.test)
    found = [Period(date_ms(days.first) // DAY, date_ms(days.until) // DAY) for days in three if days is not None]
    return Periods(*found) if found else None


def _external_map(options: argparse.Namespace, of_file: ColumnMap | None) -> ColumnMap | None:
    """Its own map, or else the one of FILE."""
    file, external, own = options.file, options.external, options.external_columns
    if external is None and own is not None:
        raise OptionError(f"--external-columns: got {own} without --external, expected both; name the file it is for")
    if external is not None and external.exists() and file.exists() and external.samefile(file):
        raise OptionError(f"--external: got {external}, which is the file to train on, expected one that nothing is "
                          "learned from")  # fmt: skip
    return of_file if own is None else load_map(own)


def _plan(options: argparse.Namespace) -> Plan:
    for each in NUMBERS:
        each.check(options)
    ensemble = {} if options.ensemble is None else read_members(options.ensemble)
    named = options.model or (() if ensemble else USUAL_FAMILIES)
    kinds = tuple(dict.fromkeys((*named, *ensemble)))
    for kind in kinds:
        if options.balance not in family_of(kind).balances:
            raise OptionError(
                f"--balance {options.balance}: {kind} cannot be fitted so, expected one of "
                f"{', '.join(family_of(kind).balances)}; leave --balance out, or this model"
            )
    detectors = DETECTORS if options.hybrid else ()
    parameters: dict[str, dict[str, Any]] = read_parameters(options.params, dict.fromkeys((*kinds, *detectors)))
    if options.hybrid:
        hybrids = {HYBRID + kind: parameters[kind] for kind in kinds if kind not in DETECTORS}
        if not hybrids:
            raise OptionError(f"--hybrid: got no model but {', '.join(kinds)}, expected one that is no detector: what "
                              "detectors say becomes its features. Name one with --model.")  # fmt: skip
        kinds, parameters = (*kinds, *hybrids), {**parameters, **hybrids}
    if ensemble:
        kinds, parameters = (*kinds, ENSEMBLE), {**parameters, ENSEMBLE: ensemble}
    return Plan(
        kinds=kinds,
        parameters=parameters,
        balance=options.balance,
        search=options.search,
        review_cost=options.review_cost,
        loss_rate=options.loss_rate,
        alerts_per_day=options.alerts_per_day,
        seed=options.seed,
        resamples=options.resamples,
        refit=not options.no_refit,
    )
