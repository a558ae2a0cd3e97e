"""What reading a whole file with a map brings to light: counts, times, repeated ids, bad rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from risk.clock import DAY, to_text
from risk.dataset import BadRow, BadRows, Dataset
from risk.words import counted

FEW_ROWS = 1_000
FEW_FRAUDS = 20
MOSTLY_NEW = 0.9  # different customers per row; more, and hardly one has a past
FEWEST_TO_JUDGE = 20


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
    label_before_event: int
    has_time_of_day: bool


class _Codes:
    """How many different texts: by their 64-bit hashes, so that five million of them are 40 MB."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []

    def add(self, texts: list[str]) -> None:
        self._parts.append(np.fromiter(map(hash, texts), np.int64, len(texts)))

    def different(self) -> int:
        return len(np.unique(np.concatenate(self._parts))) if self._parts else 0


def find(dataset: Dataset, advance: Callable[[int], None]) -> Findings:
    """Reads all rows once."""
    fields = dataset.column_map.texts
    optional = [name for name in fields if name not in ("transaction_id", "customer_id", "currency")]
    if dataset.column_map.amount is not None:
        optional.append("amount")
    ids, customers, merchants = _Codes(), _Codes(), _Codes()
    rows = frauds = genuine = labelled = early = 0
    first = last = None
    has_time_of_day = False
    missing = dict.fromkeys(optional, 0)
    for chunk in dataset.rows():
        made = chunk.transactions
        rows += len(made)
        ids.add([one.transaction_id for one in made])
        customers.add([one.customer_id for one in made])
        merchants.add([one.merchant_id for one in made if one.merchant_id is not None])
        for name in optional:
            missing[name] += sum(1 for one in made if getattr(one, name) is None)
        times = np.array([one.event_time for one in made])
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
        label_before_event=early,
        has_time_of_day=has_time_of_day,
    )


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
    if found.rows < FEW_ROWS:
        rows = counted(found.rows, "readable row", "readable rows")
        said.append(f"very small: {rows}; below {FEW_ROWS:,} any result is mostly chance")
    if dataset.column_map.is_fraud is not None:
        if not found.frauds or not found.genuine:
            kind = "not known" if not found.frauds + found.genuine else "fraud" if found.frauds else "genuine"
            said.append(f"one class only: every label is {kind}; nothing can be learned from it")
        elif found.frauds < FEW_FRAUDS:
            said.append(f"hardly any frauds: {found.frauds:,}; below {FEW_FRAUDS} none can be held back for judging")
        unknown = found.rows - found.frauds - found.genuine
        if unknown:
            said.append(f"{counted(unknown, 'row has', 'rows have')} no label")
    if found.repeated_ids:
        have = counted(found.repeated_ids, "row has", "rows have")
        said.append(f"duplicate ids: {have} a transaction_id that another row has too")
    said += [
        f"missing values: {name} in {counted(count, 'row', 'rows')} ({count / found.rows:.2%})"
        for name, count in found.missing.items()
    ]
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
    return said + [notice.removeprefix(f"{dataset.path}: ") for notice in dataset.notices]


def _shown(row: BadRow) -> str:
    return f"row {row.row}{f' (line {row.line})' if row.line else ''}, {row.detail}"
