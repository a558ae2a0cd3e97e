"""score: the command."""

import argparse
from contextlib import ExitStack

from console.options import checked_target, settings_of
from console.terminal import notice, progress, say, warn
from risk.bundle import read_bundle
from risk.dataset import Dataset, open_dataset
from risk.dataset.map_file import load_map
from risk.decision import LEVELS
from risk.errors import OptionError
from risk.words import counted
from trainer.backtest.checks import (
    check_currency,
    warn_of_cold_start,
    warn_of_lacking_columns,
    warn_of_sensitive_features,
)
from trainer.backtest.labels import Missing, check_labels, labels_beside
from trainer.backtest.period import Period, check_period
from trainer.score.results import Results
from trainer.score.scored_file import ENDINGS, NEW_COLUMNS, columns_kept, write_scored
from trainer.score.scoring import scored


def run(options: argparse.Namespace) -> int:
    inputs = [path for path in (options.file, options.columns, options.labels) if path is not None]
    target = checked_target("--out", options.out, ENDINGS, force=options.force, inputs=inputs)
    bundle = read_bundle(options.bundle)
    column_map = load_map(options.columns) if options.columns else None
    dataset = open_dataset(options.file, column_map, chunk_rows=settings_of(options).chunk_rows)
    _check_names(dataset, options.prefix)
    for text in dataset.notices:
        notice(text)
    ends = check_period(dataset, Period(None, None))
    check_currency(dataset, [bundle])
    warn_of_lacking_columns(dataset, [bundle])
    warn_of_sensitive_features(dataset, [bundle])
    warn_of_cold_start([bundle], ends, ends)
    labels = None if options.labels is None else labels_beside(dataset, options.labels)
    missing = check_labels(dataset, [bundle], labels, ends, may_lack=options.without_labels)
    with ExitStack() as stack:
        with progress("scores", dataset.row_count) as advance:
            results = stack.enter_context(scored(dataset, bundle, labels, advance, lacks_labels=bool(missing)))
        with progress("writing", dataset.row_count) as advance:
            write_scored(dataset.source, results, target, options.prefix, advance)
        _say(dataset, results, missing)
    say(f"wrote {target}")
    return 0


def _check_names(dataset: Dataset, prefix: str) -> None:
    kept, lost = columns_kept(dataset.source)
    taken = [prefix + name for name in NEW_COLUMNS.names if prefix + name in kept]
    if taken:
        raise OptionError(
            f"--prefix: got {prefix!r}, but {dataset.path} has the column {taken[0]!r} already, expected a text that "
            f"makes other names, such as --prefix new_{prefix}"
        )
    if lost:
        warn(f"not written again, for they hold lists or have a name that is there twice: {', '.join(lost)}")


def _say(dataset: Dataset, results: Results, missing: list[Missing]) -> None:
    for each in missing:
        say(each.headline)
        say()
    levels = ", ".join(f"{results.count(level):,} {level.value}" for level in reversed(LEVELS))
    version, rows = results.manifest.version, counted(dataset.row_count, "row", "rows")
    say(f"{version}: {rows}, {results.digest.count:,} scored: {levels}")
    if results.digest.count < dataset.row_count:
        reasons = ", ".join(f"{count:,} {why}" for why, count in results.not_scored.most_common())
        say(f"not scored: {reasons}; the column {NEW_COLUMNS.names[5]} says why of each")
    few = int((results.history_days >= 0).sum())
    if few:
        say(f"with less of the past than the bundle looks at (history_days): {few:,}")
    say(f"digest {results.digest}")
