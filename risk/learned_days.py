"""Which days a bundle learned from, counted from 1970-01-01: there its figures flatter it."""

from risk.bundle import Days, Manifest
from risk.clock import date_ms, day_of


def days_of(period: Days) -> range:
    return range(day_of(date_ms(period.first)), day_of(date_ms(period.until)))


def learned_days_of(manifest: Manifest) -> tuple[range, ...]:
    """Those of fit come first."""
    training, data = manifest.training, manifest.training_data
    fit, validation = (None if period is None else days_of(period) for period in (training.fit, training.validation))
    whole = range(day_of(data.first_event), day_of(data.last_event) + 1)
    return learned_days(fit, validation, whole, is_refit=training.refit)


def seen_days_of(manifest: Manifest) -> tuple[range, ...]:
    """With those of its test: whoever puts a bundle somewhere because of its test has chosen it by these days."""
    test = manifest.training.test
    return learned_days_of(manifest) if test is None else (*learned_days_of(manifest), days_of(test))


def learned_days(fit: range | None, validation: range | None, whole: range, *, is_refit: bool) -> tuple[range, ...]:
    """The days that a model was fitted or its thresholds chosen on. A model that was fitted again learned from those
    between fit and validation, too; where rows were drawn, they are of all days (`whole`)."""
    if fit is None or validation is None:
        return (whole,)
    if is_refit:
        return (range(min(fit.start, validation.start), max(fit.stop, validation.stop)),)
    return fit, validation
