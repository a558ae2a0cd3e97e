"""What drift says of a `cards` world that stays as it is for sixty days, and of one that changes.

    python -m bench.drift [--customers 800]

A model learns from the first 130 days. From day 150 on, amounts are 30 % higher, or one payment in thirty is in a
country that was never seen, or no device is sent. Exits with 1 where a feature or the score counts as changed on any of
the sixty days of the unchanged world, or where a change is not found once seven whole days have it. One in ten rows is
a sample.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.alone import run_alone
from bench.stream.system import generated, trained
from console.start import EXIT_FAILED, EXIT_OK
from evaluation.drift import drift_of, limit_of, references_of, score_reference
from risk.bundle import Bundle, read_bundle
from risk.clock import DAY
from risk.codes import Array
from risk.dataset import open_dataset
from risk.scorer import Scorer
from scorer.log.outputs import SAMPLE_EVERY
from trainer.matrix import read_matrix
from trainer.replay import Replay

LEARNED_DAYS, CHANGED_FROM, DAYS = 130, 150, 210
WINDOW = 7


def days_of(history: pd.DataFrame) -> Array:
    """Of each row, since the history began."""
    days = (history["event_time"].astype("int64") // DAY).to_numpy()
    since: Array = days - days[0]
    return since


def higher_amounts(history: pd.DataFrame, late: Array) -> None:
    history.loc[late, "amount"] = (history["amount"][late] * 1.3).round(2)


def new_country(history: pd.DataFrame, late: Array) -> None:
    history.loc[late & (np.random.default_rng(1).random(len(history)) < 1 / 30), "country"] = "XK"


def dead_field(history: pd.DataFrame, late: Array) -> None:
    history.loc[late, "device_id"] = None


WORLDS: dict[str, Callable[[pd.DataFrame, Array], None] | None] = {
    "unchanged": None,
    "amounts + 30 %": higher_amounts,
    "a new country": new_country,
    "no device": dead_field,
}


class Samples(NamedTuple):
    features: Array
    scores: Array
    days: Array  # since the history began


def samples_of(path: Path, bundle: Bundle) -> Samples:
    scorer = Scorer(bundle)
    matrix = read_matrix(Replay(open_dataset(path), bundle.manifest.terms))
    chosen = np.arange(0, matrix.row_count, SAMPLE_EVERY)
    parts = [scorer.prepare(batch) for batch in matrix.batches(chosen)]
    features = np.concatenate([part.with_gaps(np.arange(len(part.values))) for part in parts])
    scores = np.concatenate([scorer.scores(part.values) for part in parts])
    days = matrix.event_times[chosen] // DAY
    return Samples(features, scores, days - matrix.event_times[0] // DAY)


def indices(bundle: Bundle, samples: Samples, end: int) -> dict[str, float]:
    """Of each feature and the score, over the week before that day."""
    manifest = bundle.manifest
    rows = (samples.days >= end - WINDOW) & (samples.days < end)
    references = references_of(manifest.features, manifest.drift)
    columns = {one.name: (one, samples.features[rows, place]) for place, one in enumerate(references)}
    columns["score"] = score_reference(manifest.score_histogram), samples.scores[rows]
    found = {name: drift_of(one, one.counts(values)).psi for name, (one, values) in columns.items()}
    if None in found.values():
        raise SystemExit(f"got {np.count_nonzero(rows)} samples in a week, expected 1,000; take more --customers")
    return {name: psi for name, psi in found.items() if psi is not None}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=800)
    options = parser.parse_args()
    is_right = True
    with tempfile.TemporaryDirectory() as name:
        whole, learned, models = (Path(name) / each for each in ("whole.parquet", "learned.parquet", "models"))
        generated(whole, options.customers, DAYS)
        history = pd.read_parquet(whole)
        days = days_of(history)
        history[days < LEARNED_DAYS].to_parquet(learned)
        trained(learned, models)
        bundle = read_bundle(models)
        for world, change in WORLDS.items():
            changed, path = history.copy(), Path(name) / "changed.parquet"
            if change is not None:
                change(changed, days >= CHANGED_FROM)
            changed.to_parquet(path)
            samples = samples_of(path, bundle)
            ends = range(CHANGED_FROM, DAYS) if change is None else (CHANGED_FROM + WINDOW,)
            is_right &= said(world, [indices(bundle, samples, end) for end in ends], is_changed=change is not None)
    return EXIT_OK if is_right else EXIT_FAILED


def said(world: str, found: list[dict[str, float]], *, is_changed: bool) -> bool:
    """Whether it is as it should be. Features of labels move with frauds, and count as no change."""
    most = {name: max(each[name] for each in found) for name in found[0]}
    over = {name: most[name] / limit for name in most if (limit := limit_of(name)) is not None}
    worst = sorted(over, key=lambda name: -over[name])[:4]
    figures = ", ".join(f"{name} {most[name]:.3f} of {limit_of(name)}" for name in worst)
    of_labels = max((value for name, value in most.items() if name not in over), default=0.0)
    weeks = "most of sixty days" if len(found) > 1 else "after seven days"
    print(f"{world}, {weeks}: {figures}; of labels up to {of_labels:.3f}", flush=True)
    return (over[worst[0]] >= 1) == is_changed


if __name__ == "__main__":
    run_alone(main)
