"""Proposes a column map for a file, by the names of its columns and by what is in them."""

from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa

from risk.dataset.column_map import (
    ALL_NAMES,
    TEXT_FIELDS,
    Attribute,
    ColumnMap,
    Constant,
    RowNumber,
    TextColumn,
    TextSource,
    TimeColumn,
)
from risk.dataset.names import kind_of
from risk.dataset.values import as_labels
from trainer.inspection.facts import column_of
from trainer.inspection.giveaway import gives_away
from trainer.inspection.named import Look, fitness_as_party, fitness_as_transaction, look_at
from trainer.inspection.words import (
    AMOUNT,
    AMOUNT_NOT,
    CATEGORY,
    CHANNEL,
    COUNTRY,
    CURRENCY,
    CUSTOMER,
    DEVICE,
    FRAUD_KIND,
    LABEL,
    LABEL_NOT,
    LABEL_TIME,
    MERCHANT,
    PERSONAL,
    TIME_NOT,
)

ASSUMED_CURRENCY = "USD"
LIKELY_FRAUD_SHARE = 0.2  # a column of 0 and 1 without a telling name is the label only if 1 is rare


class Proposal(NamedTuple):
    """A map, or None where no column can be the time; what was decided on thin grounds; what was left out and why."""

    column_map: ColumnMap | None
    remarks: list[str]
    giveaways: dict[str, str]  # column, how it gives the label away


def propose(sample: pa.Table, path: str) -> Proposal:
    """Fields are given out one after the other, the surest first; a column is given out once."""
    return _Proposer(sample, path).propose()


class _Proposer:
    def __init__(self, sample: pa.Table, path: str) -> None:
        self._sample, self._path = sample, path
        self._free = {name: look_at(name, column_of(sample, name)) for name in sample.column_names}
        self._remarks: list[str] = []

    def propose(self) -> Proposal:
        own = {name for name in ALL_NAMES if name in self._free}
        label = self._take("is_fraud", self._label())
        kind = self._take("fraud_kind", self._fraud_kind()) if label else None
        if kind and kind != "fraud_kind":
            self._remarks.append(f"{kind}: taken for the kind of fraud, which no feature ever reads")
        labelled_at = self._labelled_at() if label else None
        time = self._event_time()
        giveaways = self._giveaways(label)
        if time is None:
            return Proposal(None, self._remarks, giveaways)
        amount = self._take("amount", self._amount())
        if amount is None:
            self._remarks.append("no column looks like the amount: every amount would be missing")
        texts = self._texts(own)
        attributes = self._attributes(giveaways)
        made = ColumnMap(
            texts={name: texts[name] for name in TEXT_FIELDS if name in texts},
            event_time=time,
            amount=amount,
            is_fraud=label,
            labelled_at=labelled_at,
            fraud_kind=kind,
            attributes=attributes,
            path=self._path,
        )
        return Proposal(made, self._remarks, giveaways)

    def _take(self, field: str, found: str | None) -> str | None:
        """The column of the field's own name before any other; it is then no longer free."""
        name = field if field in self._free else found
        if name is not None:
            self._free.pop(name, None)
        return name

    def _best(self, scores: dict[str, float], least: float) -> str | None:
        """The highest score; of equals, the first column."""
        best = max(scores, key=scores.__getitem__, default=None)
        return best if best is not None and scores[best] >= least else None

    def _label(self) -> str | None:
        binary = {name: look for name, look in self._free.items() if look.is_binary}
        named = {
            name: 2.0 * bool(look.words & LABEL) + ("fraud" in look.squeezed) - 3 * bool(look.words & LABEL_NOT)
            for name, look in binary.items()
        }
        found = self._best(named, 1)
        if found is not None:
            return found
        rare: list[str] = [name for name, look in binary.items() if 0 < look.share_of_ones <= LIKELY_FRAUD_SHARE]
        if len(rare) == 1 and not self._free[rare[0]].words & LABEL_NOT and "is_fraud" not in self._free:
            self._remarks.append(f"{rare[0]}: taken for the label because it is the only column of 0 and 1 with few 1")
            return rare[0]
        if "is_fraud" not in self._free:
            self._remarks.append("no column looks like the label: nothing could be learned from this file")
        return None

    def _fraud_kind(self) -> str | None:
        fits = [n for n, look in self._free.items() if "fraud" in look.squeezed and look.words & FRAUD_KIND]
        return fits[0] if fits else None

    def _labelled_at(self) -> TimeColumn | None:
        fits = {n: 1.0 for n, look in self._free.items() if look.time is not None and look.words & LABEL_TIME}
        name = "labelled_at" if "labelled_at" in self._free else self._best(fits, 1)
        if name is None:
            return None
        look = self._free.pop(name)
        return look.time.source if look.time is not None else TimeColumn(name)

    def _event_time(self) -> TimeColumn | None:
        scores = {name: float(look.time.score) for name, look in self._free.items() if look.time is not None}
        if scores.get("event_time", 0) > 0:
            scores["event_time"] += 10
        name = self._best(scores, 3)
        if name is None:
            self._remarks.append("no column looks like a time: write the map by hand, docs/datasets.md shows how")
            return None
        time = self._free.pop(name).time
        assert time is not None
        if time.remark:
            self._remarks.append(time.remark)
        others = [other for other, look in self._free.items() if look.is_time]
        for other in others:
            del self._free[other]
        if others:
            self._remarks.append(f"{', '.join(others)}: left out, for {name} is the time")
        return time.source

    def _giveaways(self, label: str | None) -> dict[str, str]:
        """Judged for every column that is not a label; what becomes a field is kept and warned of."""
        if label is None:
            return {}
        labels = as_labels(column_of(self._sample, label), {})
        found = {name: gives_away(column_of(self._sample, name), labels) for name in self._free}
        return {name: how for name, how in found.items() if how is not None}

    def _amount(self) -> str | None:
        named: dict[str, float] = {}
        plain: dict[str, float] = {}
        for name, look in self._free.items():
            if not look.is_number or look.share_negative > 0.5 or look.is_binary:
                continue
            named[name] = 3.0 * bool(look.words & AMOUNT) - 3 * bool(look.words & AMOUNT_NOT) + look.has_cents
            if look.has_cents and look.different > 20 and not look.words & AMOUNT_NOT:
                plain[name] = float(look.different)
        found = self._best(named, 3)
        if found is None and "amount" not in self._free:
            found = self._best(plain, 1)
            if found is not None:
                self._remarks.append(f"{found}: taken for the amount because it looks like money")
        return found

    def _texts(self, own: set[str]) -> dict[str, TextSource]:
        texts: dict[str, TextSource] = {}
        for field in TEXT_FIELDS:
            if field in own:
                self._free.pop(field)
                texts[field] = TextColumn(field)
        searches: dict[str, Callable[[Look], float]] = {
            "currency": lambda look: 1.0 * look.is_currency + bool(look.words & CURRENCY) * look.is_currency,
            "transaction_id": fitness_as_transaction,
            "customer_id": lambda look: fitness_as_party(look, CUSTOMER),
            "merchant_id": lambda look: fitness_as_party(look, MERCHANT),
            "device_id": lambda look: 1.0 * (bool(look.words & DEVICE) and look.is_id),
            "merchant_category": lambda look: 1.0 * (bool(look.words & CATEGORY) and look.is_category),
            "country": lambda look: 1.0 * (bool(look.words & COUNTRY) and look.is_category),
            "channel": lambda look: (
                1.0 * (bool(look.words & CHANNEL) and look.is_category and not look.words & {"card", "fraud"})
            ),
        }
        for field, fitness in searches.items():
            if field not in texts:
                scores = {name: fitness(look) for name, look in self._free.items() if look.time is None or look.is_id}
                found = self._best(scores, 1)
                if found is not None:
                    self._free.pop(found)
                    texts[field] = TextColumn(found)
        self._parties_by_content(texts)
        if "transaction_id" not in texts:
            texts["transaction_id"] = RowNumber()
            self._remarks.append("no column looks like the transaction's id: the number of the row is taken")
        if "currency" not in texts:
            texts["currency"] = Constant(ASSUMED_CURRENCY)
            self._remarks.append(
                f"no column holds the currency: {ASSUMED_CURRENCY} is assumed, correct it where it is not"
            )
        return texts

    def _parties_by_content(self, texts: dict[str, TextSource]) -> None:
        """Ids that come again and again are of customers (the more different ones) or of merchants."""
        for field in ("customer_id", "merchant_id"):
            if field in texts:
                continue
            scores = {name: float(look.different) for name, look in self._free.items() if look.is_repeated_id}
            found = self._best(scores, 1)
            if found is not None:
                self._free.pop(found)
                texts[field] = TextColumn(found)
                self._remarks.append(f"{found}: taken for {field} because its values look like ids that come again")

    def _attributes(self, giveaways: dict[str, str]) -> tuple[Attribute, ...]:
        attributes = []
        for name, look in self._free.items():
            kind = kind_of(column_of(self._sample, name))
            if name in giveaways:
                self._remarks.append(f"{name}: left out, for it gives the label away: {giveaways[name]}")
            elif look.words & LABEL or "fraud" in look.squeezed:
                self._remarks.append(f"{name}: left out, for its name says that it knows about fraud")
            elif look.words & PERSONAL:
                self._remarks.append(f"{name}: left out, for it names a person rather than a behaviour")
            elif kind is None or look.different < 2 or look.is_running_number or look.words & TIME_NOT - {"since"}:
                self._remarks.append(f"{name}: left out, for it is neither a number nor a category to learn from")
            else:
                attributes.append(Attribute(name, name, kind))
        return tuple(attributes)
