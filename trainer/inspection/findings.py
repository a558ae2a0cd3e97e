"""What reading a whole file with a map brings to light: counts, times, repeated ids, bad rows."""

import re
from collections import Counter
from collections.abc import Callable
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from risk.block import NO_AMOUNT
from risk.catalogue import label_features
from risk.clock import DAY, to_text
from risk.dataset import BadRow, BadRows, Dataset
from risk.errors import DatasetError
from risk.words import counted
from trainer.matrix import Matrix
from trainer.replay import currency_of
from trainer.splits import LEAST_FRAUDS, check_labels, check_parts, check_rows, parts_by_time, split_days
from trainer.unlabelled import LabelledDays, Span, Unlabelled

FEW_ROWS = 1_000
MOSTLY_NEW = 0.9  # different customers per row; more, and hardly one has a past
FEWEST_TO_JUDGE = 20
MOST_PARTS = 100  # put together then, so that what is the same in every row is one number


class Findings(NamedTuple):
    """Counts over all readable rows."""

    rows: int
    bad: BadRows
    first: int | None
    last: int | None
    customers: int | None
    merchants: int | None
    frauds: int
    genuine: int
    labelled_frauds: int
    repeated_ids: int
    missing: dict[str, int]
    currency: str | None  # the one that train would take amounts in
    currencies: Counter[str]
    label_before_event: int
    has_time_of_day: bool
    unlabelled: Unlabelled
    stops_train: str | None  # what train would refuse the file with, in its words
    stops_scores: str | None  # what the merchant ledger lacks, so that no score is what a worker's would be


class _Codes:
    """How many different texts: by their 64-bit hashes, so that five million of them are 40 MB."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []

    def add(self, texts: list[str]) -> None:
        self._parts.append(np.unique(np.fromiter(map(hash, texts), np.int64, len(texts))))
        if len(self._parts) > MOST_PARTS:
            self._parts = [np.unique(np.concatenate(self._parts))]

    def different(self) -> int:
        return len(np.unique(np.concatenate(self._parts))) if self._parts else 0


def find(dataset: Dataset, advance: Callable[[int], None], label_delay: int) -> Findings:
    """Reads all rows once."""
    fields = dataset.column_map.texts
    optional = [name for name in fields if name not in ("transaction_id", "customer_id", "currency")]
    if dataset.column_map.amount is not None:
        optional.append("amount")
    ids, customers, merchants = _Codes(), _Codes(), _Codes()
    currencies: Counter[str] = Counter()
    rows = frauds = genuine = labelled = early = 0
    first = last = None
    has_time_of_day = False
    labels: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    days = LabelledDays(label_delay)
    missing = dict.fromkeys(optional, 0)
    for chunk in dataset.rows():
        made = chunk.block
        rows += len(made)
        ids.add(made.transaction_id)
        customers.add(made.customer_id)
        merchants.add([merchant for merchant in made.merchant_id if merchant is not None])
        currencies.update(compress(made.currency, (made.amount != NO_AMOUNT).tolist()))
        for name in optional:
            missing[name] += made.missing(name)
        times = made.event_time
        labels.append((times, chunk.is_fraud, chunk.labelled_at))
        days.add(*labels[-1])
        first = int(times[0]) if first is None else first
        last = int(times[-1])
        has_time_of_day = has_time_of_day or bool((times % DAY != 0).any())
        frauds += int((chunk.is_fraud == 1).sum())
        genuine += int((chunk.is_fraud == 0).sum())
        labelled += int(((chunk.is_fraud == 1) & (chunk.labelled_at >= 0)).sum())
        early += int(((chunk.labelled_at >= 0) & (chunk.labelled_at < times)).sum())
        advance(len(made))
    return Findings(
        rows=rows,
        bad=dataset.bad,
        first=first,
        last=last,
        customers=customers.different() if "customer_id" in fields else None,
        merchants=merchants.different() if "merchant_id" in fields else None,
        frauds=frauds,
        genuine=genuine,
        labelled_frauds=labelled,
        repeated_ids=rows - ids.different(),
        missing={name: count for name, count in missing.items() if count},
        currency=currency_of(dataset) if rows else None,
        currencies=currencies,
        label_before_event=early,
        has_time_of_day=has_time_of_day,
        unlabelled=days.unlabelled,
        stops_train=_stops_train(dataset, labels, label_delay) if rows else None,
        stops_scores=_stops_scores(dataset, days),
    )


def _stops_train(
    dataset: Dataset, labels: list[tuple[np.ndarray, np.ndarray, np.ndarray]], label_delay: int
) -> str | None:
    """The very checks of train, with its usual split, on all readable rows."""
    times, is_fraud, labelled_at = (np.concatenate(parts) for parts in zip(*labels, strict=True))
    nothing = np.zeros((len(times), 0))
    matrix = Matrix(dataset.learnable, nothing, {}, times, times, times, is_fraud, labelled_at, None, ())
    try:
        check_rows(matrix, dataset.path)
        check_labels(matrix, dataset.path)
        check_parts(parts_by_time(matrix, split_days(*matrix.days, label_delay), label_delay), dataset.path)
    except DatasetError as error:
        return str(error).removeprefix(f"{dataset.path}: ")
    return None


def _stops_scores(dataset: Dataset, days: LabelledDays) -> str | None:
    """The very check of score, backtest and compare, for a bundle that learned from all that this file has."""
    reads_labels = label_features(feature.name for feature in dataset.learnable.numbers)
    if dataset.ends is None or not reads_labels:
        return None
    gaps = days.gaps(Span(dataset.ends[0] // DAY, dataset.ends[1] // DAY))
    return gaps.reason if gaps is not None and gaps.is_sure else None


def facts(found: Findings, file_rows: int) -> list[tuple[str, str]]:
    """Name and value, for people."""
    lines = [("rows", f"{file_rows:,}"), ("readable", f"{found.rows:,}")]
    if found.first is not None and found.last is not None:
        lines.append(("time", f"{to_text(found.first)} to {to_text(found.last)}"))
    lines.append(("customers", "no column" if found.customers is None else f"{found.customers:,}"))
    lines.append(("merchants", "no column" if found.merchants is None else f"{found.merchants:,}"))
    known = found.frauds + found.genuine
    if known:
        lines.append(("frauds", f"{found.frauds:,} of {known:,} labelled rows, {found.frauds / known:.3%}"))
    if found.labelled_frauds < found.frauds:
        lines.append(("never reported", f"{found.frauds - found.labelled_frauds:,} frauds"))
    return lines


def warnings(found: Findings, dataset: Dataset) -> list[str]:
    """What a person should know before trusting a model made from this."""
    said = []
    alike = named_alike(dataset.path)
    if alike:
        are = counted(len(alike), "file is", "files are")
        said.append(
            f"one file of several: {are} named like it, such as {alike[0].name}; if they are one history, put them"
            " into a folder and name the folder, which is read as one file"
        )
    if found.rows < FEW_ROWS:
        rows = counted(found.rows, "readable row", "readable rows")
        said.append(f"very small: {rows}; below {FEW_ROWS:,} any result is mostly chance")
    if dataset.column_map.is_fraud is not None:
        if not found.frauds or not found.genuine:
            kind = "not known" if not found.frauds + found.genuine else "fraud" if found.frauds else "genuine"
            said.append(f"one class only: every label is {kind}; nothing can be learned from it")
        elif found.frauds < LEAST_FRAUDS:
            said.append(f"hardly any frauds: {found.frauds:,}; below {LEAST_FRAUDS} none can be held back for judging")
        if found.unlabelled.transactions:
            said.append(str(found.unlabelled))
    if found.repeated_ids:
        have = counted(found.repeated_ids, "row has", "rows have")
        said.append(f"duplicate ids: {have} a transaction_id that another row has too")
    said += [
        f"missing values: {name} in {counted(count, 'row', 'rows')} ({count / found.rows:.2%})"
        for name, count in found.missing.items()
    ]
    others = [(currency, count) for currency, count in found.currencies.most_common() if currency != found.currency]
    if others:
        taken = [f"{counted(count, 'transaction', 'transactions')} in {currency}" for currency, count in others[:5]]
        said.append(
            f"several currencies: train takes {found.currency}, and {', '.join(taken)} without the amount; bring them"
            " to one currency if their amounts should count"
        )
    if found.rows and not found.has_time_of_day:
        said.append(
            "no time has a time of day: every one is midnight, so hour, night and the windows of an hour say nothing;"
            " if another column has it, map both: event_time = { columns = [...], format = ... }"
        )
    if found.customers is not None and found.rows >= FEWEST_TO_JUDGE and found.customers > MOSTLY_NEW * found.rows:
        said.append(
            f"nearly every customer occurs once: {found.customers:,} customers in {found.rows:,} rows; without a past "
            "there are no history features to learn from: check customer_id"
        )
    if found.label_before_event:
        were = counted(found.label_before_event, "row was labelled before it", "rows were labelled before they")
        said.append(f"{were} happened: check labelled_at")
    for reason, count in found.bad.by_reason.most_common():
        rows = counted(count, "row", "rows")
        said.append(f"unreadable: {rows} with reason {reason.value}; the first: {_shown(found.bad.first_of[reason])}")
    if found.stops_train is not None and dataset.column_map.is_fraud is not None:
        said.append(f"train would refuse this file: {found.stops_train}")
    if found.stops_scores is not None and dataset.column_map.is_fraud is not None:
        said.append(
            "a bundle that reads the merchant ledger refuses this file in score, backtest, compare and rules test:"
            f" {found.stops_scores}. Bring these labels, or go on all the same with --without-labels"
        )
    return said + [notice.removeprefix(f"{dataset.path}: ") for notice in dataset.notices]


def named_alike(path: Path) -> list[Path]:
    """Files beside it whose names differ from its own in digits alone: 2024-01.csv and 2024-02.csv."""
    if path.is_dir() or not re.search(r"\d", path.name):
        return []
    pattern = re.compile(r"\d+".join(map(re.escape, re.split(r"\d+", path.name))))
    try:
        return sorted(one for one in path.parent.iterdir() if one.name != path.name and pattern.fullmatch(one.name))
    except OSError:  # a folder may let its files be read and not be listed
        return []


def _shown(row: BadRow) -> str:
    return f"row {row.row}{f' (line {row.line})' if row.line else ''}, {row.detail}"
