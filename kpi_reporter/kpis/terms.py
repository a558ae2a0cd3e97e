"""What a bundle's manifest says of labels, of costs and of what it was made from."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import msgspec
from msgspec import Struct

from risk.clock import day_of, day_of_date
from risk.money import EXPONENTS


class _Thresholds(Struct):
    review_cost: float
    loss_rate: float


class _Days(Struct):
    first: date
    until: date


class _Training(Struct):
    fit: _Days | None
    validation: _Days | None


class _TrainingData(Struct):
    first_event: int
    last_event: int


class _Manifest(Struct):
    label_delay_days: int
    currency: str
    thresholds: _Thresholds
    training: _Training | None = None
    training_data: _TrainingData | None = None


class Terms(NamedTuple):
    label_delay_days: int
    currency: str
    review_cost: float
    loss_rate: float
    learned: tuple[range, ...] = ()  # the days that it was trained or its thresholds chosen on

    def has_learned(self, day: int) -> bool:
        return any(day in days for days in self.learned)


_manifests = msgspec.json.Decoder(_Manifest)


def terms_of(manifest: str) -> Terms | None:
    """None where the manifest cannot be read, by a program as old as this one."""
    try:
        said = _manifests.decode(manifest)
    except msgspec.DecodeError:
        return None
    if said.currency not in EXPONENTS:
        return None
    costs = said.thresholds
    return Terms(said.label_delay_days, said.currency, costs.review_cost, costs.loss_rate, tuple(_learned(said)))


def _learned(said: _Manifest) -> Iterator[range]:
    periods = () if said.training is None else (said.training.fit, said.training.validation)
    for period in periods:
        if period is not None:
            yield range(day_of_date(period.first), day_of_date(period.until))
        elif said.training_data is not None:  # rows were drawn at random, from all of the days
            yield range(day_of(said.training_data.first_event), day_of(said.training_data.last_event) + 1)
