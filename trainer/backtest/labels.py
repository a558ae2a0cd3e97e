"""Which labels a backtest reads, and what is wrong with its result where they are missing."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from console.terminal import notice
from risk.bundle import Bundle
from risk.catalogue import label_features
from risk.clock import DAY
from risk.dataset import Dataset
from risk.dataset.labels_file import LabelsFile, read_labels_file
from risk.errors import DatasetError
from risk.ledger_day import label_cutoff
from trainer.unlabelled import Gaps, LabelledDays, Span


class Missing(NamedTuple):
    """What is wrong with a result, because labels are missing."""

    version: str
    features: tuple[str, ...]
    gaps: Gaps

    @property
    def headline(self) -> str:
        return f"{self.version}: {self.gaps.headline}: {self.gaps.sentence(self.features)}"


def labels_beside(dataset: Dataset, path: Path) -> LabelsFile:
    labels = read_labels_file(path, has_customers="customer_id" in dataset.column_map.texts)
    if dataset.column_map.is_fraud is not None:
        notice(f"--labels {path}: the labels in {dataset.path} are not read")
    return labels


def check_labels(
    dataset: Dataset, bundles: Sequence[Bundle], labels: LabelsFile | None, ends: tuple[int, int], *, may_lack: bool
) -> list[Missing]:
    """Refused where the merchant ledger would see fewer frauds than a worker did, unless that may be.

    `ends`: the first and the last time that is counted.
    """
    reading = [bundle for bundle in bundles if _label_features(bundle)]
    if not reading:
        return []
    days = {delay: LabelledDays(delay) for delay in {bundle.manifest.label_delay_days for bundle in reading}}
    for marks in dataset.marks(with_ids=labels is not None):
        for delay, labelled in days.items():
            is_fraud, labelled_at = marks.is_fraud, marks.labelled_at
            if labels is not None and marks.customer_ids is not None and marks.transaction_ids is not None:
                # Of several labels the ledger knows the newest before a day's closing, whatever is confirmed later.
                cutoffs = label_cutoff(marks.times // DAY, delay)
                is_fraud, labelled_at = labels.newest(marks.customer_ids, marks.transaction_ids, cutoffs)
            labelled.add(marks.times, is_fraud, labelled_at)
    if labels is not None and labels.without_transaction == labels.transactions and not may_lack:
        raise DatasetError(
            f"--labels {labels.path}: none of the {labels.transactions:,} transactions that it names is in"
            f" {dataset.path}; the first is {labels.first}: expected ids as they stand there. Correct them, or go on"
            " all the same with --without-labels."
        )
    span = Span(ends[0] // DAY, ends[1] // DAY)
    found = []
    for bundle in reading:
        gaps = days[bundle.manifest.label_delay_days].gaps(span)
        if gaps is not None:
            found.append(Missing(bundle.manifest.version, _label_features(bundle), gaps))
    refused = [missing for missing in found if missing.gaps.is_sure]
    if refused and not may_lack:
        first = refused[0]
        path, bring = (
            (dataset.path, "Bring the labels with --labels FILE")
            if labels is None
            else (f"--labels {labels.path}", "Bring the lacking labels in that file")
        )
        if not first.gaps.runs:
            bring = "Fill in labelled_at"
        raise DatasetError(
            f"{path}: {first.gaps.sentence(first.features)}, which {first.version} reads. {bring}, or go on all the"
            " same with --without-labels."
        )
    return found


def _label_features(bundle: Bundle) -> tuple[str, ...]:
    return label_features(feature.name for feature in bundle.manifest.features)
