"""Hyper-parameters out of a file: what --params may say, checked before anything is read."""

from pathlib import Path
from typing import Any

from risk.errors import OptionError
from risk.small_file import read_small, read_toml
from trainer.training.estimators import DEFAULTS, RANGES


def read_parameters(path: Path | None) -> dict[str, dict[str, Any]]:
    """For each model its parameters: the file's before the defaults."""
    chosen = {kind: dict(defaults) for kind, defaults in DEFAULTS.items()}
    if path is None:
        return chosen
    for kind, table in _read(path).items():
        if kind not in chosen or not isinstance(table, dict):
            raise OptionError(f"--params {path}: got [{kind}], expected tables named {', '.join(chosen)}")
        for name, value in table.items():
            if name not in chosen[kind]:
                raise OptionError(
                    f"--params {path}: got {name!r} in [{kind}], expected one of {', '.join(chosen[kind])}"
                )
            if not _fits(value, chosen[kind][name]):
                raise OptionError(
                    f"--params {path}: got {name} = {value!r} in [{kind}], expected a value such as "
                    f"{chosen[kind][name]!r}"
                )
            least, most = RANGES[kind][name]
            if not isinstance(value, str) and not least <= value <= most:
                raise OptionError(
                    f"--params {path}: got {name} = {value!r} in [{kind}], expected a number from {least:g} to {most:g}"
                )
            chosen[kind][name] = value
    return chosen


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(read_small(path).decode())
    except OSError as error:
        raise OptionError(f"--params {path}: {error.strerror}, expected a TOML file with a table for a model") from None
    except ValueError as error:
        raise OptionError(f"--params {path}: is not TOML ({error}), expected lines such as [lightgbm] and "
                          "n_estimators = 100") from None  # fmt: skip


def _fits(value: object, default: object) -> bool:
    """Numbers for numbers; max_features is a word or a share."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, str):
        return is_number or value in ("sqrt", "log2")
    return is_number and (isinstance(default, float) or isinstance(value, int))
