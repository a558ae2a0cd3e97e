"""The generated worlds. To add one: a file here that makes a `World`, and its name in `WORLDS`."""

from worlds.cards import CARDS
from worlds.trustlens import TRUSTLENS
from worlds.world import World

WORLDS: dict[str, World] = {world.name: world for world in (TRUSTLENS, CARDS)}
