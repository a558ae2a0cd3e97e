"""What a bundle's manifest says of labels, of costs and of what it was made from."""

from datetime import date
from typing import NamedTuple

import msgspec
from msgspec import Struct

from risk.clock import day_of, day_of_date
from risk.learned_days import learned_days
from risk.money import EXPONENTS


class _Thresholds(Struct):
    review_cost: float
    loss_rate: float


class _Days(Struct):
    first: date
    until: date

    @property
    def numbers(self) -> range:
        return range(day_of_date(self.first), day_of_date(self.until))


class _Training(Struct):
    fit: _Days | None
    validation: _Days | None
    test: _Days | None = None
    refit: bool = False


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
    tested: range = range(0)

    def has_learned(self, day: int) -> bool:
        return any(day in days for days in self.learned)

    @property
    def seen(self) -> tuple[range, ...]:
        return *self.learned, self.tested


_manifests = msgspec.json.Decoder(_Manifest)


def terms_of(manifest: str) -> Terms | None:
    """None where the manifest cannot be read, by a program as old as this one."""
    try:
        said = _manifests.decode(manifest)
    except msgspec.DecodeError:
        return None
    if said.currency not in EXPONENTS:
        return None
    costs, test = said.thresholds, None if said.training is None else said.training.test
    return Terms(
        said.label_delay_days,
        said.currency,
        costs.review_cost,
        costs.loss_rate,
        _learned(said),
        range(0) if test is None else test.numbers,
    )


def _learned(said: _Manifest) -> tuple[range, ...]:
    if said.training is None:
        return ()
    fit, validation = (None if one is None else one.numbers for one in (said.training.fit, said.training.validation))
    data = said.training_data
    whole = range(0) if data is None else range(day_of(data.first_event), day_of(data.last_event) + 1)
    return learned_days(fit, validation, whole, is_refit=said.training.refit)
