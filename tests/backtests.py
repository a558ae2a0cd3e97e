"""What tests of `backtest` share: a small history, and two bundles written by hand."""

import shutil
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from console.start import EXIT_OK
from risk.bundle import MANIFEST, Days, Learned, LearnedCategory, LearnedNumber, read_bundle, sealed, version_of
from risk.catalogue import FeatureSet
from testing.bundles import write_bundle
from trainer.__main__ import main

FIELDS = FeatureSet(frozenset({"customer_id", "merchant_id", "merchant_category", "channel", "device_id", "country"}))
LEARNED: tuple[Learned, ...] = (
    LearnedNumber("amount", 20.0, 0.0, 5000.0, 20.0),
    LearnedNumber("customer_count_1h", 0.0, 0.0, 20.0, 0.0),
    LearnedNumber("new_device_30d", 0.0, 0.0, 1.0, 0.0),
    LearnedNumber("merchant_risk_30d", 0.0, 0.0, 1.0, 0.0),
    LearnedCategory("channel", ("online",), None),
)


def make_home(folder: Path) -> Path:
    """cards.parquet from 2024-11-02 to 2024-12-31, in EUR, and the bundles a and b."""
    words = ["--customers", "60", "--merchants", "40", "--days", "60"]
    assert main(["generate", "cards", str(folder / "cards.parquet"), *words], {}) == EXIT_OK
    write_bundle(folder / "a", FIELDS, LEARNED, [0.003, 0.4, 1.0, 5.0, 0.5], bias=-4.0, medium=0.05, high=0.2)
    write_bundle(folder / "b", FIELDS, LEARNED, [0.002, 0.9, 1.0, 5.0, 0.5], bias=-4.0, medium=0.05, high=0.2)
    return folder


def backtest(home: Path, *words: str, settings: dict[str, str] | None = None, file: Path | None = None) -> int:
    return main(["backtest", str(file or home / "cards.parquet"), "--bundle", str(home / "a"), *words], settings or {})


def compare(home: Path, *words: str, second: str = "b") -> int:
    """Of the bundles a and b."""
    bundles = [str(home / "a"), str(home / second)]
    return main(["compare", *bundles, str(home / "cards.parquet"), "--resamples", "50", *words], {})


def history(home: Path) -> pa.Table:
    return pq.read_table(home / "cards.parquet")


def trained_on(bundle: Path, folder: Path, fit: Days, validation: Days, test: Days) -> Path:
    """The same model, as if it had learned in other periods: a bundle of its own version."""
    shutil.copytree(bundle, folder)
    whole = read_bundle(folder)
    training = msgspec.structs.replace(whole.manifest.training, fit=fit, validation=validation, test=test)
    manifest = msgspec.structs.replace(whole.manifest, training=training)
    manifest = sealed(msgspec.structs.replace(manifest, version=version_of(manifest, whole.onnx)))
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return folder
