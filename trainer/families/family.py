"""What a family of models is: all that the trainer asks of one. Each stands in a file of its own beside this one."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import onnx

from risk.codes import Array
from risk.errors import OptionError
from trainer.families import FAMILIES, HYBRID, MADE_OF_OTHERS
from trainer.reproducible import one_thread

Parameters = Mapping[str, Any]

TINY, HUGE = 1e-12, 1e9  # bounds of what has no other


class Searched(NamedTuple):
    """What --search draws from, both ends included: evenly, or evenly on a logarithmic scale."""

    low: float
    high: float
    is_logarithmic: bool = False


class Parameter(NamedTuple):
    """A hyper-parameter of a family: what --params may set, and --search draws."""

    name: str
    default: float | str  # a whole number where only whole ones are allowed
    least: float  # both ends allowed; what has no sense beyond is left to the library
    most: float
    searched: Searched | None = None
    words: tuple[str, ...] = ()  # allowed beside numbers
    is_of_rows: bool = False  # a number of rows: of half the rows, half as many mean the same
    enough_to_compare: int | None = None  # more only make it slower to see which of two settings is better

    @property
    def is_whole(self) -> bool:
        return isinstance(self.default, int)


class Rows(NamedTuple):
    """What a model is fitted on: prepared rows, without gaps."""

    values: Array  # float32
    is_fraud: Array  # bool
    weights: Array | None  # how much each row counts; None: all the same
    categories: Sequence[int]  # the columns that hold codes
    detectors: Mapping[str, Any] | None = None  # of a hybrid: fitted, by family; what they say are the last columns

    @property
    def labels(self) -> Array:
        """0 and 1."""
        return self.is_fraud.astype(np.int64)


class Family(Protocol):
    name: str
    parameters: tuple[Parameter, ...]
    balances: tuple[str, ...]  # which ways to balance its fit can bear
    libraries: tuple[str, ...]  # distributions whose versions decide what it fits: a bundle names them
    refusals: tuple[type[Exception], ...]  # what its library raises where it refuses a parameter

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> Any:
        """The fitted model. The same seed must give the same one on every machine, however many cores it has."""

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        """The form that is served: rows of so many float32 in, labels and two probabilities out."""

    def own_scores(self, model: Any, values: Array) -> Array:
        """The probability of fraud as the fitted model itself says it, to check the served one against."""


@runtime_checkable
class Explaining(Protocol):
    """A family whose library computes exact contributions."""

    def contributions(self, model: Any, values: Array) -> Array:
        """What each column adds to the log odds of each row (TreeSHAP). A hybrid has a column for each detector behind
        those of the rows."""


def family_of(name: str) -> Family:
    """Loaded when it is first asked for. OptionError where it is not known, or what it needs is not installed."""
    if name.startswith(HYBRID):
        hybrid: Family = import_module("trainer.families.hybrid").hybrid_of(family_of(name.removeprefix(HYBRID)))
        return hybrid
    module = {**FAMILIES, **MADE_OF_OTHERS}.get(name)
    if module is None:
        raise OptionError(f"got the model {name!r}, expected one of {', '.join(FAMILIES)}")
    try:
        family: Family = import_module(module).FAMILY
        for distribution in family.libraries:
            version(distribution)  # a bundle names it; another distribution may have brought the same module
    except ModuleNotFoundError as error:
        raise OptionError(
            f"{name}: needs the package {error.name}, which is not installed; "
            "`python -m pip install 'trustlens[boosters]'` installs it"
        ) from error
    return family


def fitted(family: Family, parameters: Parameters, rows: Rows, seed: int) -> Any:
    """In one thread; what the library refuses is said with the values that it was given."""
    try:
        with one_thread():
            return family.fit(parameters, rows, seed)
    except family.refusals as error:
        said = ", ".join(f"{name} = {value!r}" for name, value in parameters.items())
        raise OptionError(
            f"[{family.name}]: got {said}, which the library refuses ({error}); expected values that it takes. Change "
            "them with --params."
        ) from error
