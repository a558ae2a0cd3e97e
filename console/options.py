"""Options as a person types them: whole names, likely slips named, an option before the setting that it stands for."""

import argparse
import difflib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from console.help import filled
from console.output import unfinished_name
from risk.clock import date_ms
from risk.errors import OptionError
from risk.settings import Settings, read_settings

A_FILE = "CSV, Parquet or NDJSON, or a folder of such files, which are read as one"  # help of FILE
# Options that stand for a setting in one run.
STAND_FOR = {"--label-delay": "LABEL_DELAY", "--bucket": "BUCKET"}


class Parser(argparse.ArgumentParser):
    """Refuses shortened options: `--label` would mean another option as soon as there are two. Shows examples as they
    are typed, and what is said of a command in lines as wide as the terminal."""

    def __init__(self, *, description: str = "", **keywords: Any) -> None:
        super().__init__(
            description=filled(description),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **keywords,
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Of commands and choices, as `refuse` of options."""
        if action.choices is not None and value not in action.choices:
            known = list(map(str, action.choices))
            raise argparse.ArgumentError(
                action, f"got {value!r}, expected one of {', '.join(known)}{_hint([value], known)}"
            )

    def refuse(self, unknown: list[str]) -> NoReturn:
        """Names what is not known, and what was likely meant."""
        known = [option for action in self._actions for option in action.option_strings]
        self.error(f"not known: {' '.join(unknown)}{_hint([word.split('=')[0] for word in unknown], known)}")


def _hint(unknown: Sequence[str], known: Sequence[str]) -> str:
    near = [m for word in unknown for m in difflib.get_close_matches(word, known, n=1)]
    return f"; did you mean {' '.join(near)}?" if near else ""


_Value = TypeVar("_Value")


def option_of(parse: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """An option's type out of what reads a setting: its error says what was expected."""

    def parse_option(text: str) -> _Value:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"got {text!r}, expected {error}") from None

    return parse_option


# What `option_of` takes, beside the readers of settings


def day(text: str) -> int:
    """When a day begins."""
    try:
        return date_ms(text)
    except ValueError:
        raise ValueError("a day such as 2024-12-01") from None


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings of the environment; where an option stands for one, the option alone is read."""
    environment: Mapping[str, str] = options.environment
    said = {}
    for option, name in STAND_FOR.items():
        text = getattr(options, option.removeprefix("--").replace("-", "_"), None)
        if text is not None:
            said[name] = (option, text)
    return read_settings(environment, said)


def add_bundle(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--bundle",
        type=Path,
        default=Path("models/current"),
        metavar="DIR",
        help="a bundle's folder, or a folder of models for the one in use there (default: models/current)",
    )


def checked_target(
    option: str, path: Path, suffix: str | tuple[str, ...] = (), *, force: bool, inputs: Sequence[Path] = ()
) -> Path:
    """A file to write, refused before any work is done: another suffix, no folder or one that cannot be written,
    something there, an input, or a place in a folder that is read."""
    try:
        _check_target(option, path, (suffix,) if isinstance(suffix, str) else suffix, force, inputs)
        # Tried, not asked: rights, a full disk or a read-only place have many causes. By a file that never has a name,
        # so that an interrupt leaves none behind; a name that is too long is another question.
        with tempfile.TemporaryFile(dir=path.parent), suppress(FileNotFoundError):
            unfinished_name(path).lstat()
    except OSError as error:
        raise OptionError(
            f"{option}: got {path}, which cannot be written ({error.strerror}), expected a place where files may be "
            "written; name another"
        ) from None
    return path


def _check_target(option: str, path: Path, suffixes: tuple[str, ...], force: bool, inputs: Sequence[Path]) -> None:
    if suffixes and path.suffix.lower() not in suffixes:
        raise OptionError(f"{option}: got {path}, expected a name that ends in {' or '.join(suffixes)}")
    if path.is_dir():
        raise OptionError(f"{option}: got {path}, which is a folder, expected a file; name one in it")
    if not path.parent.is_dir():
        raise OptionError(f"{option}: got {path}, expected a folder that is there; create {path.parent} first")
    for other in inputs:
        if path.exists() and other.exists() and path.samefile(other):
            raise OptionError(f"{option}: got {path}, which is the file to read, expected another name")
        if other.is_dir() and path.parent.samefile(other):
            raise OptionError(
                f"{option}: got {path}, which is in the folder to read, expected another place: all files of {other} "
                "are read as one"
            )
    if path.exists() and not force:
        raise OptionError(f"{option}: got {path}, which is there already; name another, or add --force to replace it")
