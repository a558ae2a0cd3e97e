"""Hyper-parameters: what each may be, and what --params says of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from risk.errors import OptionError
from risk.small_file import read_small, read_toml
from trainer.families import FAMILIES, USUAL_FAMILIES
from trainer.families.family import Family, Parameter, family_of


def read_parameters(path: Path | None, names: Iterable[str] = USUAL_FAMILIES) -> dict[str, dict[str, Any]]:
    """For each of these families its parameters: the file's before the defaults. What the file says of others is
    checked as well."""
    chosen = {name: _defaults(family_of(name)) for name in names}
    if path is None:
        return chosen
    for name, table in _read(path).items():
        if not isinstance(table, dict):
            raise OptionError(
                f"--params {path}: got {name[:80]} outside of a table, expected it below a line such as [lightgbm]"
            )
        if name not in FAMILIES:
            raise OptionError(f"--params {path}: got [{name[:80]}], expected tables named {', '.join(FAMILIES)}")
        family = family_of(name)
        known = {parameter.name: parameter for parameter in family.parameters}
        for key, value in table.items():
            if key not in known:
                raise OptionError(f"--params {path}: got {key[:80]!r} in [{name}], expected one of {', '.join(known)}")
            _check(f"--params {path}: got {key} = {repr(value)[:80]} in [{name}]", known[key], value)
        if name in chosen:
            chosen[name].update(table)
    return chosen


def _defaults(family: Family) -> dict[str, Any]:
    return {parameter.name: parameter.default for parameter in family.parameters}


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(read_small(path).decode())
    except OSError as error:
        raise OptionError(f"--params {path}: {error.strerror}, expected a TOML file with a table for a model") from None
    except ValueError as error:
        raise OptionError(f"--params {path}: is not TOML ({error}), expected lines such as [lightgbm] and "
                          "n_estimators = 100") from None  # fmt: skip


def _check(said: str, parameter: Parameter, value: object) -> None:
    """Numbers for numbers, whole ones for whole ones; words only where there are some."""
    if isinstance(value, str) and value in parameter.words:
        return
    types = (int,) if parameter.is_whole else (int, float)
    if isinstance(value, types) and not isinstance(value, bool) and parameter.least <= value <= parameter.most:
        return
    kind = "a whole number" if parameter.is_whole else "a number"
    words = "".join(f" or {word!r}" for word in parameter.words)
    raise OptionError(f"{said}, expected {kind} from {parameter.least:g} to {parameter.most:g}{words}")
