"""Columns that are there and hold nothing: a bundle's features of them are missing in every row."""

from collections.abc import Iterable

from risk.block import Block
from risk.bundle import Manifest
from risk.catalogue import FeatureSet


class Unseen:
    """Which of the wanted fields no transaction had so far. Soon there are none, so looking costs nothing."""

    def __init__(self, wanted: Iterable[FeatureSet]) -> None:
        self.fields: set[str] = set()
        self.attributes: set[str] = set()
        for feature_set in wanted:
            self.fields |= feature_set.fields
            self.attributes |= {*feature_set.number_attributes, *feature_set.category_attributes}

    def look(self, block: Block) -> None:
        self.fields -= {name for name in self.fields if any(value is not None for value in getattr(block, name))}
        self.attributes -= {name for name in self.attributes if any(name in present for present in block.attributes)}


def features_without(manifest: Manifest, fields: Iterable[str], attributes: Iterable[str]) -> list[str]:
    """The bundle's features that cannot be had without these fields and attributes."""
    whole, gone = manifest.feature_set, set(attributes)
    left = FeatureSet(
        whole.fields - set(fields),
        tuple(name for name in whole.number_attributes if name not in gone),
        tuple(name for name in whole.category_attributes if name not in gone),
    )
    there = {feature.name for feature in (*left.numbers, *left.categories)}
    return [feature.name for feature in manifest.features if feature.name not in there]
