"""History through the engine, from a file: what `features`, and later training and backtests, have in common.

And what is said of it afterwards: what was left out, and why nothing can be made of the rest.
"""

import shlex
from collections import Counter
from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from console.terminal import notice, say, warn
from risk.catalogue import EngineTerms, FeatureSet, label_features
from risk.clock import DAY
from risk.dataset import BadRow, Dataset, Rows
from risk.dataset.column_map import Constant
from risk.engine import Engine, FeatureBlock, Verdict
from risk.errors import DatasetError
from risk.ledger import SeenDays
from risk.ledger_day import label_cutoff
from risk.money import EXPONENTS
from risk.words import counted
from trainer.ahead import ahead
from trainer.unlabelled import LabelledDays, Span

MANY_TOO_LATE = 0.05
MANY_UNREADABLE = 0.2


class Passed(NamedTuple):
    """A chunk of the file, and what the engine said of it."""

    rows: Rows
    batch: FeatureBlock


class Replay:
    """Sends a dataset through a new engine once, in event-time order, and counts what happens on the way."""

    def __init__(
        self,
        dataset: Dataset,
        terms: EngineTerms,
        feature_set: FeatureSet | None = None,
    ) -> None:
        """`feature_set`: where not everything is wanted that a model may learn from."""
        self.dataset = dataset
        self.verdicts: Counter[Verdict] = Counter()
        self.other_currencies: Counter[str] = Counter()
        self.reported_frauds = 0
        self.frauds_unseen = 0
        self.terms, self.currency = terms, terms.currency
        self.labelled = LabelledDays(terms.label_delay_days)
        self._delay = terms.label_delay_days
        self._days = SeenDays(terms.ledger_terms)
        self._engine = Engine(dataset.learnable if feature_set is None else feature_set, terms, self._days)

    @property
    def feature_set(self) -> FeatureSet:
        return self._engine.feature_set

    @property
    def has_ledger(self) -> bool:
        return self.feature_set.has_ledger

    def chunks(self) -> Generator[Passed, None, None]:
        """The next chunk is read while the features of this one are computed."""
        with ahead(self.dataset.rows(), at_most=1) as chunks:
            for rows in chunks:
                if self.has_ledger:
                    self._days.learn(rows.labels())
                batch = self._engine.features(rows.block)
                self._count(rows, batch)
                self._engine.forget_old_days()
                yield Passed(rows, batch)

    def _count(self, rows: Rows, batch: FeatureBlock) -> None:
        for verdict in Verdict:
            self.verdicts[verdict] += int(np.count_nonzero(batch.verdicts == verdict))
        currencies = Counter(rows.block.currency)
        del currencies[self.currency]
        self.other_currencies += currencies
        times = rows.block.event_time
        reported = np.flatnonzero((rows.is_fraud == 1) & (rows.labelled_at >= 0))
        days = times[reported] // DAY
        self.labelled.add(times, rows.is_fraud, rows.labelled_at)
        self.reported_frauds += len(reported)
        when = rows.labelled_at[reported]
        unseen = (when < days * DAY) | (when >= label_cutoff(days, self._delay))
        self.frauds_unseen += int(np.count_nonzero(unseen))


def notices_of(dataset: Dataset) -> list[str]:
    """What a person should know of a file before models learn from it."""
    kept, column_map = dataset.column_map.not_learned, dataset.column_map
    said = list(dataset.notices)
    if kept:
        said.append(f"{dataset.path}: sensitive, so no model learns from it: {', '.join(kept)}")
    if column_map.learn_sensitive:
        said.append(
            f"{dataset.path}: models learn from {', '.join(column_map.learn_sensitive)}, which is sensitive, because "
            f"{column_map.path} says so (learn_sensitive)"
        )
    return said


def currency_of(dataset: Dataset) -> str:
    """The currency that amounts are taken in: the map's constant, or the most common one at the file's beginning."""
    source = dataset.column_map.texts["currency"]
    if isinstance(source, Constant):
        return source.value
    known = [currency for currency, _ in dataset.currencies() if currency in EXPONENTS]
    if not known:
        raise DatasetError(f"{dataset.path}: got no row with a currency that is known, expected ISO 4217 codes such as "
                           "EUR. Look at the file with inspect, or name the currency in a column map.")  # fmt: skip
    return known[0]


def check_something_scored(replay: Replay) -> None:
    bad = replay.dataset.bad
    if replay.verdicts[Verdict.SCORED] == 0:
        first = f" The first: {bad_row_words(bad.first[0])}." if bad.first else ""
        raise DatasetError(f"{replay.dataset.path}: got no row that can be read, expected transactions.{first} "
                           "`inspect` with the same --columns tells more.")  # fmt: skip


def bad_row_words(bad: BadRow) -> str:
    where = f"line {bad.line}" if bad.line is not None else f"row {bad.row}"
    return f"{where}, {bad.detail}"


def check_labels_in_time(replay: Replay) -> None:
    """A fraud whose label comes after its day was closed is one that the merchant ledger never sees."""
    if not replay.has_ledger or not replay.reported_frauds:
        return
    share = replay.frauds_unseen / replay.reported_frauds
    text = f"{share:.1%} of the reported frauds were labelled too late for the merchant ledger"
    if share == 1:
        raise DatasetError(f"{replay.dataset.path}: {text}: got labels that are all late, expected some within the "
                           "label delay less a day. Give a longer --label-delay, or check labelled_at.")  # fmt: skip
    if share > MANY_TOO_LATE:
        warn(f"{text}; with a longer --label-delay it would see more")
    elif share:
        say(text)


def warn_of_unlabelled_days(replay: Replay) -> None:
    """They neither teach nor judge, and the ledger takes what nobody reported for genuine."""
    unlabelled, ends = replay.labelled.unlabelled, replay.dataset.ends
    if 0 < unlabelled.transactions < unlabelled.of:
        notice(f"{replay.dataset.path}: {unlabelled}. They count as history only, and neither teach nor judge")
    features = label_features(feature.name for feature in replay.feature_set.numbers)
    if ends is None or not features:
        return
    gaps = replay.labelled.gaps(Span(ends[0] // DAY, ends[1] // DAY))
    if gaps is not None:
        warn(f"{gaps.headline}: {replay.dataset.path}: {gaps.sentence(features)}")


def warn_of_left_out(replay: Replay) -> None:
    """What a file holds that no feature is computed for."""
    verdicts, dataset = replay.verdicts, replay.dataset
    if verdicts[Verdict.DUPLICATE]:
        duplicates = counted(verdicts[Verdict.DUPLICATE], "duplicate was", "duplicates were")
        warn(f"{duplicates} left out: same customer, same transaction_id")
    if verdicts[Verdict.LATE]:
        late = counted(verdicts[Verdict.LATE], "transaction was", "transactions were")
        warn(f"{late} left out: too far behind the newest event time")
    for currency, count in replay.other_currencies.most_common(5):
        taken = counted(count, f"transaction in {currency} was", f"transactions in {currency} were")
        warn(f"{taken} taken without the amount")
    if dataset.bad.count:
        reasons = ", ".join(f"{count:,} {reason.value}" for reason, count in dataset.bad.by_reason.most_common())
        first = bad_row_words(dataset.bad.first[0])
        warn(f"{counted(dataset.bad.count, 'row', 'rows')} could not be read ({reasons}); the first: {first}")
        share = dataset.bad.count / (dataset.bad.count + verdicts.total())
        if share > MANY_UNREADABLE:
            warn(
                f"THIS IS {share:.0%} OF ALL ROWS, and they are missing from every history and figure. If they should "
                f"count, change the column map; `python -m trainer inspect {shlex.quote(str(dataset.path))}` tells more"
            )
