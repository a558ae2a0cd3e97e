"""What a bundle's manifest says of labels and costs."""

import sqlite3
from typing import NamedTuple

import msgspec
from msgspec import Struct

from risk.money import EXPONENTS


class _Thresholds(Struct):
    review_cost: float
    loss_rate: float


class _Manifest(Struct):
    label_delay_days: int
    currency: str
    thresholds: _Thresholds


class Terms(NamedTuple):
    label_delay_days: int
    currency: str
    review_cost: float
    loss_rate: float


_manifests = msgspec.json.Decoder(_Manifest)


def terms_of(manifest: bytes) -> Terms | None:
    """None where the manifest cannot be read, by a program as old as this one."""
    try:
        said = _manifests.decode(manifest)
    except msgspec.DecodeError:
        return None
    if said.currency not in EXPONENTS:
        return None
    return Terms(said.label_delay_days, said.currency, said.thresholds.review_cost, said.thresholds.loss_rate)


def new_terms(connection: sqlite3.Connection, known: dict[str, Terms | None]) -> dict[str, Terms | None]:
    """Of the bundles that are not known yet."""
    versions = [version.decode() for (version,) in connection.execute("select version from bundles")]
    found = {}
    for version in versions:
        if version not in known:
            [manifest] = connection.execute("select manifest from bundles where version = ?", (version,)).fetchone()
            found[version] = terms_of(manifest)
    return found
