"""replay: the command."""

import argparse
import asyncio
import logging
import tempfile
from pathlib import Path

from console.options import settings_of
from console.terminal import notice, warn
from producer.replay.assembly import replay
from producer.replay.beginning import check_days
from producer.replay.clock import Clock
from producer.replay.position import state_folder
from producer.replay.refused import RefusedRows
from producer.replay.replay_options import ReplayOptions, replay_options_of
from producer.replay.world_file import world_file
from risk.catalogue import LEDGER_FEATURES, label_features
from risk.dataset import Dataset, open_dataset
from risk.dataset.map_file import load_map
from risk.errors import OptionError
from worlds.options import refuse_size_options, world_options


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    file = _file(options)
    replay_options = replay_options_of(options, file)
    state = state_folder(settings.state, options.environment)
    refused = RefusedRows()
    column_map = load_map(replay_options.columns) if replay_options.columns else None
    dataset = open_dataset(file, column_map, chunk_rows=settings.chunk_rows, on_bad=refused.note)
    for text in dataset.notices:
        notice(text)
    check_days(dataset, replay_options)
    warn_of_missing_labels(dataset, replay_options)
    # What the client says of a broker that is away, it says ten times a second; we say it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)
    return asyncio.run(replay(replay_options, state, dataset, refused, settings, Clock()))


def warn_of_missing_labels(dataset: Dataset, options: ReplayOptions) -> None:
    """What the workers' bundles read is not known here; that nothing shows it there, is."""
    if "merchant_id" not in dataset.feature_set.fields or (options.labels and dataset.column_map.is_fraud is not None):
        return
    reads = ", ".join(label_features(feature.name for feature in LEDGER_FEATURES))
    why = "--no-labels" if dataset.column_map.is_fraud is not None else f"{dataset.path} has no labels"
    warn(
        f"{why}: no label is sent, so the workers' merchant ledger sees no fraud, unless labels come from elsewhere. A "
        f"bundle that reads {reads} scores lower than it should, and nothing there shows it"
    )


def _file(options: argparse.Namespace) -> Path:
    if options.world is None:
        if options.file is None:
            raise OptionError("got neither a file nor a world, expected FILE or --world; name one")
        refuse_size_options(options, "sizes and seed are of a world, and none is asked for")
        return Path(options.file)
    if options.file is not None or options.columns is not None:
        raise OptionError("--world: got a file or its columns too, expected one or the other; leave one out")
    path = world_file(world_options(options.world, options), Path(tempfile.gettempdir()))
    notice(f"the world is in {path}")
    return path
