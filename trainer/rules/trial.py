"""rules test: what a rule set would have come to over a history, beside the model and the set in force."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from console.output import spreadsheet_cell, unfinished, writing
from risk.block import NO_AMOUNT
from risk.bundle import Bundle
from risk.clock import DAY, to_text
from risk.dataset import Dataset
from risk.dataset.labels_file import LabelsFile
from risk.decision import Decided, Scored
from risk.events import DECISIONS, Action, FiredRule, Level
from risk.money import scale_of, to_major
from risk.rules.compiled import ALERT, REVIEW
from risk.rules.rule_set import Rule, RuleSet
from risk.sentences import rule_sentence
from trainer.backtest.period import TimeRange
from trainer.backtest.run import chunks_of
from trainer.backtest.side_by_side import LABELS
from trainer.backtest.tally import Outcome, Prices, Tallies
from trainer.passage import Batch, Chunk, Lane, passed

MATCHES = (
    "transaction_id", "event_time", "customer_id", "amount", "currency", "score", "level", "label", "decision",
    "decision_before", "rule", "action", "mode", "why",
)  # fmt: skip


class Counted(NamedTuple):
    """Rows of a batch that are counted, as tallies take them."""

    times: np.ndarray
    customers: Sequence[str]
    labels: np.ndarray
    amounts: np.ndarray


class Cases:
    """What is worked if these transactions are."""

    def __init__(self, prices: Prices) -> None:
        self.tallies = Tallies((REVIEW,), prices)

    def add(self, counted: Counted, is_worked: np.ndarray) -> None:
        scores = np.where(is_worked, REVIEW, 0)
        self.tallies.add(counted.times, counted.customers, scores, counted.labels, counted.amounts)

    @property
    def outcome(self) -> Outcome:
        (found,) = self.tallies.total.outcomes()
        return found


class RuleTrial:
    """One rule, whatever its mode: alone, and beside the model as if it were the only one."""

    def __init__(self, rule: Rule, prices: Prices) -> None:
        self.rule = rule
        self.transactions = 0
        self.alone, self.beside = Cases(prices), Cases(prices)

    def add(self, counted: Counted, hits: np.ndarray, by_model: np.ndarray) -> None:
        self.transactions += int(np.count_nonzero(hits))
        self.alone.add(counted, hits)
        self.beside.add(counted, by_model & ~hits if self.rule.action is Action.ALLOW else by_model | hits)

    @property
    def each(self) -> tuple[Cases, Cases]:
        return self.alone, self.beside


class Trial:
    """A rule set over a history, beside another one. Cases are alerts and reviews: both are worked."""

    def __init__(self, bundle: Bundle, rules: RuleSet, other: RuleSet | None, period: TimeRange) -> None:
        manifest = self.manifest = bundle.manifest
        prices = Prices(manifest.thresholds.review_cost, manifest.thresholds.loss_rate)
        self.other = other
        self.rules = [RuleTrial(rule, prices) for rule in rules.rules]
        self.by_model, self.with_rules = Cases(prices), Cases(prices)
        self.before = None if other is None else Cases(prices)
        self.labels_known_until: int | None = None  # the newest time at which a label was learned
        self._lane = Lane(bundle, rules, [] if other is None else [other])
        self._places = {rule.name: place for place, rule in enumerate(rules.rules)}
        self._period = period

    def run(
        self, dataset: Dataset, labels: LabelsFile | None, matches: "Matches | None", advance: Callable[[int], None]
    ) -> None:
        with passed(chunks_of(dataset, labels, self._period), [self._lane]) as steps:
            for step in steps:
                if isinstance(step, Chunk):
                    self._look_at_labels(step)
                    advance(len(step.rows.block))
                else:
                    self._count(step.batch, step.scored, matches)
        for cases in self._every():
            cases.tallies.finish()

    def _every(self) -> Iterator[Cases]:
        yield from (self.by_model, self.with_rules)
        if self.before is not None:
            yield self.before
        for rule in self.rules:
            yield from rule.each

    def _look_at_labels(self, chunk: Chunk) -> None:
        if len(chunk.labels.labelled_at):
            newest = int(chunk.labels.labelled_at.max())
            self.labels_known_until = max(newest, self.labels_known_until or newest)

    def _count(self, batch: Batch, scored: list[Scored], matches: "Matches | None") -> None:
        new, *old = scored
        rows = np.array(new.rows, np.int64)
        kept = np.flatnonzero(self._period.holds(batch.block.event_time)[rows])
        if not len(kept) or new.decided is None:
            return
        decided, chosen = new.decided.of(kept), rows[kept]
        before = None if not old or old[0].decided is None else old[0].decided.of(kept)
        by_model = np.array([new.levels[place] is Level.HIGH for place in kept.tolist()], bool)
        counted = self._counted(batch, chosen)
        self.by_model.add(counted, by_model)
        self.with_rules.add(counted, decided.strictness >= REVIEW)
        if self.before is not None and before is not None:
            self.before.add(counted, before.strictness >= REVIEW)
        hits = np.zeros((len(self.rules), len(kept)), bool)
        for place, fired in enumerate(decided.fired):
            for one in fired:
                hits[self._places[one.rule], place] = True
        for rule, these in zip(self.rules, hits, strict=True):
            rule.add(counted, these, by_model)
        if matches is not None:
            earlier = np.where(by_model, ALERT, 0) if before is None else before.strictness
            matches.add(batch, chosen, kept, new, decided, earlier)

    def _counted(self, batch: Batch, rows: np.ndarray) -> Counted:
        block, currency = batch.block, self.manifest.currency
        known = (block.amount[rows] != NO_AMOUNT) & np.array([block.currency[row] == currency for row in rows.tolist()])
        return Counted(
            block.event_time[rows],
            [block.customer_id[row] for row in rows.tolist()],
            batch.labels[rows],
            np.where(known, block.amount[rows] / scale_of(currency), 0.0),
        )

    @property
    def days(self) -> int:
        return self.by_model.tallies.days

    def unreported_from(self, last: int) -> int | None:
        """The day from which on frauds may not be reported yet, as of the newest label; None where all may be."""
        if self.labels_known_until is None:
            return None
        day = self.labels_known_until // DAY - self.manifest.label_delay_days + 1
        return day if day <= last // DAY else None


class Matches:
    """Each rule that fired on a transaction, as a line."""

    def __init__(self, target: Path, file: TextIO) -> None:
        self._target = target
        self._writer = csv.writer(file, lineterminator="\n")
        self._write([MATCHES])

    def add(
        self, batch: Batch, rows: np.ndarray, places: np.ndarray, scored: Scored, decided: Decided, before: np.ndarray
    ) -> None:
        """`places`: of the rows among what was scored."""
        lines = []
        each = zip(rows.tolist(), places.tolist(), decided.fired, decided.decisions, before.tolist(), strict=True)
        for row, place, fired, decision, earlier in each:
            if fired:
                sale = batch.block[row]
                amount = None if sale.amount is None else to_major(sale.amount, sale.currency)
                begin = (
                    sale.transaction_id, to_text(sale.event_time), sale.customer_id, amount, sale.currency,
                    scored.scores[place], scored.levels[place].value, LABELS[int(batch.labels[row])], decision.value,
                    DECISIONS[earlier].value,
                )  # fmt: skip
                lines += [(*begin, *_cells(one)) for one in fired]
        self._write(lines)

    def _write(self, lines: Sequence[Sequence[object]]) -> None:
        with writing(self._target):
            self._writer.writerows([*map(spreadsheet_cell, line)] for line in lines)


def _cells(fired: FiredRule) -> tuple[str, ...]:
    return fired.rule, fired.action.value, fired.mode.value, rule_sentence(fired)


@contextmanager
def matches_file(target: Path) -> Iterator[Matches]:
    """Whole, or what was there before."""
    with unfinished(target) as (temporary,):
        with writing(target):
            file = temporary.open("w", encoding="utf-8", newline="")
        with file:
            yield Matches(target, file)
            with writing(target):
                file.flush()
