"""What reading a whole file with a map brings to light: counts, times, repeated ids, bad rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from risk.clock import to_text
from risk.dataset import BadRows, Dataset

FEW_ROWS = 1_000
FEW_FRAUDS = 20


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
    optional = [name for name in (*fields, "amount") if name not in ("transaction_id", "customer_id", "currency")]
    ids, customers, merchants = _Codes(), _Codes(), _Codes()
    rows = frauds = genuine = labelled = early = 0
    first = last = None
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
        said.append(f"very small: {found.rows:,} readable rows; below {FEW_ROWS:,} any result is mostly chance")
    if dataset.column_map.is_fraud is not None:
        if not found.frauds or not found.genuine:
            kind = "not known" if not found.frauds + found.genuine else "fraud" if found.frauds else "genuine"
            said.append(f"one class only: every label is {kind}; nothing can be learned from it")
        elif found.frauds < FEW_FRAUDS:
            said.append(f"hardly any frauds: {found.frauds:,}; below {FEW_FRAUDS} none can be held back for judging")
        unknown = found.rows - found.frauds - found.genuine
        if unknown:
            said.append(f"{unknown:,} rows have no label")
    if found.repeated_ids:
        said.append(f"duplicate ids: {found.repeated_ids:,} rows have a transaction_id that another row has too")
    said += [
        f"missing values: {name} in {count:,} rows ({count / found.rows:.2%})" for name, count in found.missing.items()
    ]
    if found.label_before_event:
        said.append(f"{found.label_before_event:,} rows were labelled before they happened: check labelled_at")
    for reason, count in found.bad.by_reason.most_common():
        said.append(
            f"unreadable: {count:,} rows with reason {reason.value}; the first: {_first(found.bad, reason.value)}"
        )
    return said + [notice.removeprefix(f"{dataset.path}: ") for notice in dataset.notices]


def _first(bad: BadRows, reason: str) -> str:
    row = next((row for row in bad.first if row.reason.value == reason), None)
    if row is None:
        return "see the rows further down"
    return f"row {row.row}{f' (line {row.line})' if row.line else ''}, {row.detail}"
