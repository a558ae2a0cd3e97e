"""Whether bundles and data fit each other: asked before anything is scored, and once more of what was seen."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from console.terminal import notice, warn
from risk.bundle import Bundle, Manifest
from risk.clock import DAY, day_of
from risk.dataset import Dataset, open_dataset
from risk.dataset.column_map import ColumnMap, Constant, mistake
from risk.dataset.kinds import open_source
from risk.dataset.labels_file import LabelsFile
from risk.dataset.map_file import load_map
from risk.dataset.opened import CHUNK_ROWS
from risk.engine import Verdict
from risk.errors import DatasetError, OptionError
from risk.learned_days import days_of, learned_days_of
from risk.warming_up import LogStart, warm_from
from risk.words import counted
from trainer.backtest.labels import Missing, check_labels, labels_beside
from trainer.backtest.passing import Passing
from trainer.backtest.period import ALWAYS, TimeRange, check_period, day_of_time
from trainer.backtest.run import Backtest
from trainer.backtest.unseen import features_without

NAMED = 8  # features or columns in one warning


class Ready(NamedTuple):
    """A file that may be scored."""

    dataset: Dataset
    labels: LabelsFile | None  # instead of the dataset's own
    missing: list[Missing]  # what is wrong with every score, for want of labels
    within: tuple[int, int]  # the first and the last time of the data that may be in the period


def opened(
    file: Path,
    bundles: Sequence[Bundle],
    columns: Path | None,
    labels: Path | None,
    *,
    without_labels: bool,
    period: TimeRange = ALWAYS,
    chunk_rows: int = CHUNK_ROWS,
) -> Ready:
    """Everything that is asked before anything is scored."""
    column_map = None if columns is None else load_map(columns)
    if column_map is not None:
        column_map = _without_labels_that_are_not_there(column_map, file, may_lack=without_labels or labels is not None)
    dataset = open_dataset(file, column_map, chunk_rows=chunk_rows)
    for text in dataset.notices:
        notice(text)
    ends = check_period(dataset, period)
    within = period.within(ends)
    check_currency(dataset, bundles)
    warn_of_lacking_columns(dataset, bundles)
    warn_of_sensitive_features(dataset, bundles)
    warn_of_cold_start(bundles, ends, within)
    beside = None if labels is None else labels_beside(dataset, labels)
    return Ready(dataset, beside, check_labels(dataset, bundles, beside, within, may_lack=without_labels), within)


def _without_labels_that_are_not_there(column_map: ColumnMap, file: Path, *, may_lack: bool) -> ColumnMap:
    """What happened last has no labels yet, and mostly no column for them; the map is that of the training."""
    label, there = column_map.is_fraud, open_source(file).columns
    if label is None or label.column in there:
        return column_map
    if may_lack:
        return column_map.without_labels
    raise mistake(
        column_map.path,
        "is_fraud",
        label.column,
        f"a column of {file}",
        " A file without labels is scored with --without-labels, or with --labels FILE, which has them. The columns"
        f" are: {', '.join(there[:40])}.",
    )


def check_two(bundles: Sequence[Bundle]) -> None:
    versions = [bundle.manifest.version for bundle in bundles]
    if len(set(versions)) < len(versions):
        raise OptionError(
            f"B: got {bundles[1].folder}, which is {versions[1]} as A is, expected another; the same model scores the "
            "same. Name another version."
        )


def check_currency(dataset: Dataset, bundles: Iterable[Bundle]) -> None:
    """A bundle of another currency would see no amount at all. Some rows in others are as in training: a warning."""
    source = dataset.column_map.texts["currency"]
    there = [source.value] if isinstance(source, Constant) else [name for name, _ in dataset.currencies()]
    for bundle in bundles:
        manifest = bundle.manifest
        if there and manifest.currency not in there:
            raise DatasetError(
                f"{dataset.path}: got amounts in {', '.join(there[:NAMED])}, expected {manifest.currency} as "
                f"{manifest.version} was trained with; its amounts and thresholds would mean something else. Convert "
                "them, or name the currency that they are in by a map (--columns)."
            )


def warn_of_lacking_columns(dataset: Dataset, bundles: Iterable[Bundle]) -> None:
    """A bundle can be fed without a field that it was trained with, but the user must know."""
    has = dataset.feature_set
    attributes = {*has.number_attributes, *has.category_attributes}
    for manifest in (bundle.manifest for bundle in bundles):
        wanted = {*manifest.number_attributes, *manifest.category_attributes}
        fields, lacking = set(manifest.fields) - has.fields, wanted - attributes
        features = features_without(manifest, fields, lacking)
        if fields or lacking:
            gone = _listed(sorted(fields) + sorted(lacking))
            warn(
                f"{manifest.version}: {len(features)} of its {len(manifest.features)} features cannot be had, because "
                f"no column of {dataset.path} is read as {gone}: {_listed(features)}. Its scores mean less here than "
                "where it was trained. A column that is there under another name is read where the map (--columns) "
                "names it"
            )


def warn_of_sensitive_features(dataset: Dataset, bundles: Iterable[Bundle]) -> None:
    """A bundle may be older than what the map says of these columns."""
    kept = dataset.column_map.not_learned
    for manifest in (bundle.manifest for bundle in bundles):
        learned = [name for name in kept if name in (*manifest.number_attributes, *manifest.category_attributes)]
        learned += [name for name in kept if name in manifest.fields]
        if learned:
            warn(
                f"{manifest.version} has learned from {_listed(learned)}, of which {dataset.column_map.path} says that "
                "no model may (sensitive). Train again with that map, or let it say learn_sensitive"
            )


def warn_of_training_data(bundles: Iterable[Bundle], counted: tuple[int, int]) -> None:
    """What a model has learned from, it knows by heart."""
    first, last = counted
    for manifest in (bundle.manifest for bundle in bundles):
        if any(first < days.stop * DAY and last >= days.start * DAY for days in learned_days_of(manifest)):
            begin, end, honest = _learned(manifest)
            warn(
                f"{manifest.version} was fitted and its thresholds were chosen on data from {day_of_time(begin)} to "
                f"{day_of_time(end - 1)}, of which {day_of_time(max(first, begin))} to "
                f"{day_of_time(min(last, end - 1))} is counted here: if this is that data, the figures flatter the "
                f"model. They are honest with --from {day_of_time(honest)}"
            )


def warn_of_cold_start(bundles: Iterable[Bundle], ends: tuple[int, int], counted: tuple[int, int]) -> None:
    """A worker whose log begins earlier than the file does scores these days otherwise."""
    begin, (first, last) = ends[0], counted
    for manifest in (bundle.manifest for bundle in bundles):
        horizon = manifest.horizon
        warm = warm_from(horizon, LogStart(begin, day_of(begin)))
        if first < warm:
            warn(
                f"cold start: scores of {manifest.version} from {day_of_time(first)} to "
                f"{day_of_time(min(last, warm - 1))} see less than {horizon.longest} days of the past, because the "
                f"file begins on {day_of_time(begin)}; a worker that knows more scores them otherwise"
            )


def _learned(manifest: Manifest) -> tuple[int, int, int]:
    """Where what was learned from begins and ends, and from when on the data is new to the model."""
    learned, test = learned_days_of(manifest), manifest.training.test
    begin, end = min(days.start for days in learned), max(days.stop for days in learned)
    return begin * DAY, end * DAY, (end if test is None else max(end, days_of(test).start)) * DAY


def warn_of_what_was_seen(dataset: Dataset, backtest: Backtest) -> None:
    """What was left out, and what was missing in every row."""
    for passing in backtest.passings:
        _warn_of_empty_columns(dataset, passing.manifest, backtest)
        _warn_of_rows(passing)
    warn_of_labels(dataset, backtest.labels)
    if backtest.too_large:
        warn(f"not scored, too large for a message: {counted(backtest.too_large, 'transaction', 'transactions')}")
    if dataset.bad.count:
        rows = counted(dataset.bad.count, "row", "rows")
        warn(f"{rows} could not be read; `python -m trainer inspect {shlex.quote(str(dataset.path))}` tells why")


def warn_of_labels(dataset: Dataset, labels: LabelsFile | None) -> None:
    """Those that belong to nothing: their frauds, if the ids are wrong, are not known to the merchant ledger."""
    if labels is not None and labels.without_transaction:
        warn(
            f"--labels {labels.path}: {labels.without_transaction:,} of the {labels.transactions:,} transactions that "
            f"it names were not in {dataset.path}"
        )


def _warn_of_empty_columns(dataset: Dataset, manifest: Manifest, backtest: Backtest) -> None:
    has = dataset.feature_set
    fields = backtest.unseen.fields & set(manifest.fields) & has.fields
    attributes = backtest.unseen.attributes & {*has.number_attributes, *has.category_attributes}
    features = features_without(manifest, fields, attributes)
    if features:
        warn(
            f"{manifest.version}: {len(features)} of its {len(manifest.features)} features were missing in every row, "
            f"because the columns for {_listed(sorted(fields) + sorted(attributes))} hold nothing: {_listed(features)}"
        )


def _warn_of_rows(passing: Passing) -> None:
    version, skipped = passing.manifest.version, passing.verdicts
    if skipped[Verdict.DUPLICATE] or skipped[Verdict.LATE]:
        warn(f"{version}: not scored: {skipped[Verdict.DUPLICATE]:,} duplicates, {skipped[Verdict.LATE]:,} too late")
    for currency, count in passing.other_currencies.most_common(5):
        warn(
            f"{version}: {count:,} transactions in {currency} were scored with their amount missing, and count as 0 in "
            f"money; it was trained with {passing.manifest.currency}"
        )
    total = passing.tallies.total
    if 0 < total.labelled < total.transactions:
        warn(
            f"{version}: {passing.tallies.unlabelled}. Frauds among them are not counted, and a case that only they "
            "raised is neither right nor wrong"
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
