"""Proposes a column map for a file, by the names of its columns and by what is in them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa
from msgspec.structs import replace

from risk.catalogue import Kind
from risk.dataset.column_map import (
    TEXT_FIELDS,
    AmountColumn,
    Attribute,
    ColumnMap,
    Constant,
    LabelColumn,
    RowNumber,
    TextColumn,
    TextSource,
    TimeColumn,
)
from risk.dataset.times import time_values
from risk.dataset.written_map import written
from trainer.inspection.facts import column_of
from trainer.inspection.future import known_afterwards
from trainer.inspection.giveaway import giveaways
from trainer.inspection.labels import ENOUGH as ENOUGH_LABELS
from trainer.inspection.left_out import attribute_kind, why_left_out
from trainer.inspection.named import Look, fitness_as_party, fitness_as_transaction, look_at
from trainer.inspection.times import TimeLook, count_not_times, lacks_zone, with_clock
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
    TIME,
    TIME_NOT,
    currency_in,
    knows_of_fraud,
    sensitive_by_name,
    words_of,
)

ENOUGH_AMOUNTS = 0.6  # of the values must be numbers under a name that says amount
ASSUMED_CURRENCY = "USD"
EXAMPLE_FORMAT = "%d.%m.%Y %H:%M"
EXAMPLE_ZONE = "Europe/Berlin"
LIKELY_FRAUD_SHARE = 0.2  # a column of 0 and 1 without a telling name is the label only if 1 is rare


class Proposal(NamedTuple):
    """What was found; a map, or None where no column can be the time."""

    column_map: ColumnMap | None
    fields: dict[str, object]  # of the map, so far as they were found
    attributes: tuple[Attribute, ...]
    remarks: list[str]  # what was decided on thin grounds, what was left out and why
    comments: dict[str, list[str]]  # the same, by the key of the map that they are about
    giveaways: dict[str, str]  # column, how it gives the label away
    future: dict[str, str]  # column, how it shows that it is known only after the transaction


def propose(sample: pa.Table, path: str, twice: Sequence[str] = (), nested: Sequence[str] = ()) -> Proposal:
    """Fields are given out one after the other, the surest first; a column is given out once.

    No map can use `twice`, the names that several columns have, nor `nested`, the columns whose values hold values.
    """
    return _Proposer(sample, path).propose(twice, nested)


class _Proposer:
    def __init__(self, sample: pa.Table, path: str) -> None:
        self._sample, self._path = sample, path
        self._free = {name: look_at(name, column_of(sample, name)) for name in sample.column_names}
        self._remarks: list[str] = []
        self._comments: dict[str, list[str]] = {}

    def propose(self, twice: Sequence[str], nested: Sequence[str]) -> Proposal:
        for name in twice:
            self._remark("attributes", f"{name}: left out, for several columns have this name: rename all but one")
        for name in nested:
            self._remark("attributes", f"{name}: left out, for it holds lists, structs or maps")
        # Not to be taken for anything else: a channel of 0 and 1 with few 1 is no label.
        own = [name for name in TEXT_FIELDS if name in self._free]
        for name in own:
            del self._free[name]
        label = self._label()
        kind = self._take("fraud_kind", self._fraud_kind()) if label else None
        if kind and kind != "fraud_kind":
            self._remark("fraud_kind", f"{kind}: taken for the kind of fraud, which no feature ever reads")
        labelled_at = self._labelled_at() if label else None
        time = self._event_time(lacks_label_time=label is not None and labelled_at is None)
        found = {} if label is None else giveaways(self._sample, label, [*own, *self._free])
        amount = self._amount()
        texts = self._texts(own, amount)
        decimals = {name: look.decimal for name, look in self._free.items()}
        if amount is not None:
            decimals[amount.column] = amount.decimal
        future = known_afterwards(self._sample, self._free, amount.column if amount else None, decimals)
        attributes = self._attributes(found, future, label is not None)
        sensitive = self._sensitive(attributes)
        fields: dict[str, object] = {
            **{name: texts[name] for name in TEXT_FIELDS if name in texts},
            "event_time": time,
            "amount": amount,
            "is_fraud": label,
            "labelled_at": labelled_at,
            "fraud_kind": kind,
            "sensitive": sensitive,
        }
        made = None
        if time is not None:
            ordered = {name: texts[name] for name in TEXT_FIELDS if name in texts}
            made = ColumnMap(ordered, time, amount, label, labelled_at, kind, attributes, sensitive, path=self._path)
        return Proposal(made, fields, attributes, self._remarks, self._comments, found, future)

    def _remark(self, key: str, text: str) -> None:
        self._remarks.append(text)
        self._comments.setdefault(key, []).append(text)

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

    def _label(self) -> LabelColumn | None:
        understood = {name: look for name, look in self._free.items() if look.label is not None}
        named = {
            name: 2.0 * bool(look.words & LABEL)
            + knows_of_fraud(name)
            - 3 * bool(look.words & LABEL_NOT)
            - 0.5 * ("flag" in look.words)  # the label is rather the one beside it
            for name, look in understood.items()
            if look.label is not None and look.label.share >= ENOUGH_LABELS
        }
        found = "is_fraud" if "is_fraud" in named else self._best(named, 0.5)
        if found is None and "is_fraud" not in self._free:
            found = self._rare_label(understood)
        label = self._free.pop(found).label if found is not None else None
        if label is None:
            self._remark("is_fraud", "no column looks like the label: nothing could be learned from this file")
            return None
        if not label.is_usual:
            fraud, genuine = (" or ".join(words) for words in (label.source.fraud, label.source.genuine))
            self._remark("is_fraud", f"{found}: {fraud} was taken for fraud, {genuine} for genuine: check it")
        if "flag" in words_of(label.source.column):
            self._remark("is_fraud", f"{found}: check that it holds what was found out, not what a rule suspected")
        return label.source

    def _rare_label(self, understood: dict[str, Look]) -> str | None:
        rare: list[str] = [
            name
            for name, look in understood.items()
            if look.is_binary and look.label is not None and 0 < look.label.share_of_frauds <= LIKELY_FRAUD_SHARE
        ]
        if len(rare) != 1:
            return None
        (name,) = rare
        is_only = "it is the only column of 0 and 1 with few 1"
        if self._free[name].words & LABEL_NOT:
            self._remark(
                "is_fraud",
                f"{name}: not taken for the label though {is_only}, for its name says that it is a guess or tells of"
                f" the past. If it is the label, write is_fraud = {written(name)}",
            )
            return None
        self._remark("is_fraud", f"{name}: taken for the label because {is_only}")
        return name

    def _fraud_kind(self) -> str | None:
        fits = [n for n, look in self._free.items() if knows_of_fraud(n) and look.words & FRAUD_KIND]
        return fits[0] if fits else None

    def _labelled_at(self) -> TimeColumn | None:
        fits = {n: 1.0 for n, look in self._free.items() if look.time is not None and look.words & LABEL_TIME}
        name = "labelled_at" if "labelled_at" in self._free else self._best(fits, 1)
        if name is None:
            return None
        look = self._free.pop(name)
        source = look.time.source if look.time is not None else TimeColumn(name)
        self._say_zone("labelled_at", source)
        return source

    def _event_time(self, *, lacks_label_time: bool) -> TimeColumn | None:
        scores = {name: float(look.time.score) for name, look in self._free.items() if look.time is not None}
        if scores.get("event_time", 0) > 0:
            scores["event_time"] += 10
        name = self._best(scores, 3)
        if name is None:
            self._remark("event_time", "no column looks like a time: write the map by hand, docs/datasets.md shows how")
            for name in [name for name, look in self._free.items() if look.words & TIME and not look.words & TIME_NOT]:
                write = f"event_time = {written(TimeColumn(name, format=EXAMPLE_FORMAT))}"
                self._remark("event_time", f"if {name} is the time, write {write} with the directives of its form")
            return None
        look = self._free.pop(name).time
        assert look is not None
        if look.remark:
            self._remark("event_time", look.remark)
        source = self._with_clock(look)
        self._count_not_times(source)
        self._say_zone("event_time", source)
        others = [other for other, look in self._free.items() if look.is_time]
        for other in others:
            del self._free[other]
        if others:
            self._remark("attributes", f"{', '.join(others)}: left out, for {name} is the time")
        if others and lacks_label_time:
            self._remark(
                "labelled_at",
                f"if {' or '.join(others)} is when a fraud was found out, write it as labelled_at, in the form of"
                " event_time; without it every label is taken to be known three days after the event",
            )
        return source

    def _with_clock(self, look: TimeLook) -> TimeColumn:
        """A date in one column and the time of day in another are read as one."""
        clocks = {name: 1.0 + bool(one.words & TIME) for name, one in self._free.items() if one.clock is not None}
        name = self._best(clocks, 1)
        clock = None if name is None else self._free[name].clock
        if not look.is_date or name is None or clock is None:
            return look.source
        del self._free[name]
        self._remark("event_time", f"{look.source.column} is only a date: {name} was taken for the time of day")
        return with_clock(look.source, name, clock)

    def _say_zone(self, key: str, source: TimeColumn) -> None:
        if lacks_zone(column_of(self._sample, source.column), source):
            write = f"{key} = {written(replace(source, zone=EXAMPLE_ZONE))}"
            self._remark(
                key, f"{source.column}: times without a zone are taken as UTC; if they are local, write {write}"
            )

    def _count_not_times(self, source: TimeColumn) -> None:
        arrays = [column_of(self._sample, name) for name in source.columns]
        values = time_values(pa.RecordBatch.from_arrays(arrays, names=list(source.columns)), source)
        count, first = count_not_times(values, source)
        if count:
            are = "1 value is no time, it" if count == 1 else f"{count:,} values are no times, the first"
            self._remark("event_time", f"{' and '.join(source.columns)}: {are} is {first!r}")

    def _amount(self) -> AmountColumn | None:
        named: dict[str, float] = {}
        plain: dict[str, float] = {}
        for name, look in self._free.items():
            if look.share_negative > 0.5 or look.is_binary or look.number_share < ENOUGH_AMOUNTS:
                continue
            named[name] = 3.0 * bool(look.words & AMOUNT) - 3 * bool(look.words & AMOUNT_NOT) + look.has_cents
            if look.is_number and look.has_cents and look.different > 20 and not look.words & AMOUNT_NOT:
                plain[name] = float(look.different)
        found = self._best(named, 3)
        if found is None and "amount" not in self._free:
            found = self._best(plain, 1)
            if found is not None:
                self._remark("amount", f"{found}: taken for the amount because it looks like money")
        found = "amount" if "amount" in self._free else found
        if found is None:
            self._remark("amount", "no column looks like the amount: every amount would be missing")
            return None
        return AmountColumn(found, self._free.pop(found).decimal)

    def _texts(self, own: Sequence[str], amount: AmountColumn | None) -> dict[str, TextSource]:
        texts: dict[str, TextSource] = {field: TextColumn(field) for field in own}
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
            self._remark("transaction_id", "no column looks like the transaction's id: the number of the row is taken")
        if "currency" not in texts:
            texts["currency"] = Constant(self._currency_of(amount))
        return texts

    def _currency_of(self, amount: AmountColumn | None) -> str:
        """Where no column holds it: what the amount's name says, or one that has to be checked."""
        named = None if amount is None else currency_in(amount.column)
        if amount is None or named is None:
            self._remark(
                "currency", f"no column holds the currency: {ASSUMED_CURRENCY} is assumed, correct it where it is not"
            )
            return ASSUMED_CURRENCY
        self._remark("currency", f"no column holds the currency: {named} is taken from the name {amount.column}")
        return named

    def _parties_by_content(self, texts: dict[str, TextSource]) -> None:
        """Ids that come again and again are of customers (the more different ones) or of merchants."""
        for field in ("customer_id", "merchant_id"):
            if field in texts:
                continue
            scores = {
                name: float(look.different)
                for name, look in self._free.items()
                if look.is_repeated_id and sensitive_by_name(look.words) is None
            }
            found = self._best(scores, 1)
            if found is not None:
                self._free.pop(found)
                texts[field] = TextColumn(found)
                self._remark(field, f"{found}: taken for {field} because its values look like ids that come again")

    def _attributes(self, found: dict[str, str], future: dict[str, str], has_label: bool) -> tuple[Attribute, ...]:
        attributes = []
        for name, look in self._free.items():
            array = column_of(self._sample, name)
            kind = attribute_kind(look, array)
            why = f"it gives the label away: {found[name]}" if name in found else None
            if name in future and kind is not None and not why:
                why = f"it knows the future: {future[name]}"
            why = why or why_left_out(name, look, kind, has_label, array)
            if why is not None or kind is None:
                self._remark("attributes", f"{name}: left out, for {why}")
            else:
                attributes.append(Attribute(name, name, kind, look.decimal if kind is Kind.NUMBER else "."))
        return tuple(attributes)

    def _sensitive(self, attributes: Sequence[Attribute]) -> tuple[str, ...]:
        """Nothing is learned of a person's age or religion because nobody looked."""
        found = {one.name: sensitive_by_name(words_of(one.column)) for one in attributes}
        for name, what in found.items():
            if what is not None:
                self._remark(
                    "sensitive",
                    f"{name}: sensitive, for its name says {what}: it is measured by group, and no model learns from"
                    f" it. If models shall, write learn_sensitive = [{written(name)}]; if the name misleads, take it"
                    " out of this list",
                )
        return tuple(name for name, what in found.items() if what is not None)
