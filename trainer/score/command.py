"""score: the command."""

import argparse
from contextlib import ExitStack

from console.options import checked_target, settings_of
from console.terminal import progress, say
from risk.bundle import read_bundle
from risk.dataset import Dataset
from risk.errors import OptionError
from risk.events import DECISIONS, LEVELS
from risk.words import counted
from trainer.backtest.checks import opened
from trainer.backtest.labels import Missing
from trainer.rules.saved import rules_of_options
from trainer.score.results import Results, scored
from trainer.score.scored_file import ENDINGS, check_names, dialect_of, warn_of_lost_columns, write_scored


def run(options: argparse.Namespace) -> int:
    inputs = [path for path in (options.file, options.columns, options.labels) if path is not None]
    target = checked_target("--out", options.out, ENDINGS, force=options.force, inputs=inputs)
    is_csv = target.suffix.lower() == ".csv"
    if options.bom and not is_csv:
        raise OptionError(f"--bom: got --out {target}, expected a .csv: no other kind of file has a byte order mark")
    bundle, rules = read_bundle(options.bundle), rules_of_options(options)
    chunk_rows = settings_of(options).chunk_rows
    ready = opened(
        options.file,
        [bundle],
        options.columns,
        options.labels,
        without_labels=options.without_labels,
        chunk_rows=chunk_rows,
    )
    dataset = ready.dataset
    check_names(dataset, options.prefix, has_rules=rules is not None)
    warn_of_lost_columns(dataset)
    dialect = dialect_of(dataset, with_mark=options.bom)
    with ExitStack() as stack:
        with progress("scores", dataset.row_count) as advance:
            results = stack.enter_context(scored(ready, bundle, advance, rules))
        with progress("writing", dataset.row_count) as advance:
            write_scored(dataset.source, results, target, options.prefix, dialect, advance)
        _say(dataset, results, ready.missing, options.prefix)
    say(f"wrote {target}" + (f": {dialect}" if is_csv else ""))
    return 0


def _say(dataset: Dataset, results: Results, missing: list[Missing], prefix: str) -> None:
    for each in missing:
        say(each.headline)
        say()
    levels = ", ".join(f"{results.count(level):,} {level.value}" for level in reversed(LEVELS))
    version, rows = results.manifest.version, counted(dataset.row_count, "row", "rows")
    say(f"{version}: {rows}, {results.digest.count:,} scored: {levels}")
    if results.rules_version is not None:
        counts = [(one, int((results.decisions == place).sum())) for place, one in enumerate(DECISIONS)]
        decisions = ", ".join(f"{count:,} {one.value}" for one, count in reversed(counts))
        say(f"decided with {results.rules_version}: {decisions}")
    if results.digest.count < dataset.row_count:
        say(f"not scored: {results.why_not_scored}; the column {prefix}not_scored says why of each")
    few = int((results.history_days >= 0).sum())
    if few:
        say(f"with less of the past than the bundle looks at ({prefix}history_days): {few:,}")
    say(f"digest {results.digest}")
