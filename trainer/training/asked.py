"""What the command line asks of a training, checked before a row is read."""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

from risk.errors import OptionError
from risk.money import EXPONENTS
from risk.settings import Settings
from trainer.options import settings_of
from trainer.training.estimators import KINDS
from trainer.training.parameters import read_parameters
from trainer.training.periods import Given, parsed_period
from trainer.training.session import Plan

LARGEST_SEED = 2**31 - 1  # LightGBM's
RANDOM = "random"


class Asked(NamedTuple):
    file: Path
    columns: Path | None
    models: Path
    reports: Path
    settings: Settings
    currency: str | None
    is_random: bool
    train: Given
    test: Given
    plan: Plan


def asked_for(options: argparse.Namespace) -> Asked:
    is_random = options.split == RANDOM
    if is_random and (options.train or options.test):
        raise OptionError("--split random: got --train or --test beside it, expected neither; rows are drawn, not days")
    if options.currency is not None and options.currency not in EXPONENTS:
        raise OptionError(f"--currency: got {options.currency!r}, expected an ISO 4217 code such as EUR")
    return Asked(
        file=options.file,
        columns=options.columns,
        models=options.models,
        reports=options.reports,
        settings=settings_of(options),
        currency=options.currency,
        is_random=is_random,
        train=parsed_period("--train", options.train),
        test=parsed_period("--test", options.test),
        plan=_plan(options),
    )


def _plan(options: argparse.Namespace) -> Plan:
    _check("--search", options.search, 0, 10_000)
    _check("--seed", options.seed, 0, LARGEST_SEED)
    _check("--review-cost", options.review_cost, 0, 1e12)
    _check("--loss-rate", options.loss_rate, 0, 1e6)
    if options.alerts_per_day is not None:
        _check("--alerts-per-day", options.alerts_per_day, 0, 1e12)
    return Plan(
        kinds=tuple(dict.fromkeys(options.model or KINDS)),
        parameters=read_parameters(options.params),
        balance=options.balance,
        search=options.search,
        review_cost=options.review_cost,
        loss_rate=options.loss_rate,
        alerts_per_day=options.alerts_per_day,
        seed=options.seed,
    )


def _check(name: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise OptionError(f"{name}: got {value}, expected a number from {least:g} to {most:g}")
