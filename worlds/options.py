"""A world as a person asks for it: its name, its sizes, its seed."""

import argparse
from typing import NamedTuple

from risk.errors import OptionError
from risk.settings import whole
from worlds import WORLDS
from worlds.world import World

DEFAULT_SEED = 42
LARGEST_SEED = 2**63 - 1

MEANINGS = "; ".join(f"{world.name}: {world.meaning}" for world in WORLDS.values())


class WorldOptions(NamedTuple):
    world: World
    sizes: dict[str, int]
    seed: int


def add_size_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--seed", type=_whole, metavar="N", help=f"another number, another history (default {DEFAULT_SEED})"
    )
    for world in WORLDS.values():
        for option in world.options:
            text = f"{world.name}: {option.meaning} (default {option.default})"
            command.add_argument(f"--{option.name}", type=_whole, metavar="N", help=text)


def _whole(text: str) -> int:
    try:
        return whole(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected {error}") from None


def world_options(name: str, options: argparse.Namespace) -> WorldOptions:
    if name not in WORLDS:
        raise OptionError(f"there is no world {name!r}; expected one of {', '.join(WORLDS)}")
    world = WORLDS[name]
    return WorldOptions(world, _sizes(world, options), _seed(options.seed))


def refuse_size_options(options: argparse.Namespace, why: str) -> None:
    """Where no world is asked for."""
    names = ["seed", *(option.name for world in WORLDS.values() for option in world.options)]
    given = [f"--{name}" for name in names if getattr(options, name) is not None]
    if given:
        raise OptionError(f"{', '.join(given)}: {why}; leave it out")


def _seed(given: int | None) -> int:
    seed = DEFAULT_SEED if given is None else given
    if not 0 <= seed <= LARGEST_SEED:
        raise OptionError(f"--seed is {seed}; expected a whole number from 0 to {LARGEST_SEED}")
    return seed


def _sizes(world: World, options: argparse.Namespace) -> dict[str, int]:
    """The world's sizes as asked for. An option of another world is refused, not ignored."""
    own = {option.name for option in world.options}
    for other in WORLDS.values():
        for option in other.options:
            if option.name not in own and getattr(options, option.name) is not None:
                raise OptionError(
                    f"--{option.name} is an option of the world {other.name} and means nothing to {world.name}; "
                    f"expected {', '.join(f'--{name}' for name in sorted(own))}; leave it out"
                )
    sizes: dict[str, int] = {}
    for option in world.options:
        given = getattr(options, option.name)
        value = option.default if given is None else given
        if not 1 <= value <= option.largest:
            raise OptionError(f"--{option.name} is {value}; expected a whole number from 1 to {option.largest}")
        sizes[option.name] = value
    return sizes
