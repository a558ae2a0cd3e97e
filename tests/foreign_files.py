"""Files with names and habits that are not ours."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from risk.dataset.kinds import open_source
from trainer.inspection.facts import survey
from trainer.inspection.proposal import Proposal, propose

ROWS = 1_000


class World:
    """Columns to make files of: the same every time."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        self.seconds = np.sort(random.integers(0, 30 * 86_400, ROWS))
        self.moments = pd.Timestamp("2023-05-01") + pd.to_timedelta(self.seconds, unit="s")
        self.customer = random.integers(0, 300, ROWS)
        self.merchant = random.integers(0, 80, ROWS)
        self.amount = np.round(random.lognormal(3, 1, ROWS), 2)
        self.fraud = (random.random(ROWS) < 0.03).astype(int)
        self.noise = random.normal(size=ROWS)
        self.unique = random.permutation(10**7)[:ROWS]
        self.scenario = self.fraud * random.integers(1, 4, ROWS)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def saved(tmp_path: Path, name: str = "file.csv", separator: str = ",", **columns: Any) -> Path:
    path = tmp_path / name
    pd.DataFrame(columns).to_csv(path, index=False, sep=separator)
    return path


def proposed(path: Path) -> Proposal:
    return propose(survey(open_source(path)).sample, "proposed")


def own(world: World, **changes: object) -> dict[str, Any]:
    """A clean file, in which some columns are other ones."""
    columns: dict[str, Any] = {
        "transaction_id": [f"T{x}" for x in world.unique],
        "event_time": world.moments.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "customer_id": [f"C{x}" for x in world.customer],
        "merchant_id": [f"M{x}" for x in world.merchant],
        "amount": world.amount,
        "currency": "EUR",
        "is_fraud": world.fraud,
        "age": world.customer % 60 + 18,
    }
    return {**columns, **changes}


def german_bank(world: World) -> dict[str, Any]:
    """An export as banks write it, for a semicolon between the columns; no time is finer than a minute."""
    return {
        "Buchungsnummer": [f"B{x}" for x in world.unique],
        "Buchungsdatum": world.moments.strftime("%d.%m.%Y"),
        "Uhrzeit": world.moments.strftime("%H:%M"),
        "Kundennummer": [f"K{x}" for x in world.customer],
        "Händler": [f"Laden {x}" for x in world.merchant],
        "Land": np.array(["DE", "AT"])[world.customer % 2],
        "Betrag": [comma(x) for x in world.amount],
        "Währung": "EUR",
        "Kontostand": [comma(x * 7) for x in world.amount],
        "Betrug": np.where(world.fraud == 1, "ja", "nein"),
    }


def comma(value: float) -> str:
    """1.234,50"""
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
