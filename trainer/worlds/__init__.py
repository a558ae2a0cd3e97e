"""The generated worlds. To add one: a file here that makes a `World`, and its name in `WORLDS`."""

from trainer.worlds.cards import CARDS
from trainer.worlds.trustlens import TRUSTLENS
from trainer.worlds.world import World

WORLDS: dict[str, World] = {world.name: world for world in (TRUSTLENS, CARDS)}
