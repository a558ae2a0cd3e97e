"""What is counted of a dataset that goes through one bundle's pipeline."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from risk.block import NO_AMOUNT
from risk.bundle import Bundle
from risk.decision import Decided, Scored
from risk.digest import Digest, canonical_rows, with_decisions
from risk.engine import Verdict
from risk.events import Level
from risk.money import scale_of
from risk.rules.compiled import ALERT, REVIEW
from risk.rules.rule_set import RuleSet
from risk.schedule import InForce
from trainer.backtest.tally import Outcome, Prices, Tallies
from trainer.passage import Batch, Lane

T = TypeVar("T")


class Answer(NamedTuple):
    """What a batch came to; one entry for each scored row."""

    places: np.ndarray  # in the chunk
    scored: Scored
    has_alert: np.ndarray  # that customer has a high score by then, on that day of the period
    versions: list[str] | None = None  # where a schedule says which bundle scored


class Scheduled(NamedTuple):
    """A lane by a schedule, and what goes along its answers: where the lane is, batches are ahead of them."""

    lane: Lane
    in_force: InForce


# Where several bundles score, thresholds of scores would mix them: a score counts as 1 where its level is high.
IS_HIGH = 0.5


class Passing:
    """One bundle's part in a backtest, or that of several by a schedule."""

    def __init__(
        self,
        bundle: Bundle,
        thresholds: Sequence[float],
        rules: RuleSet | None = None,
        scheduled: Scheduled | None = None,
    ) -> None:
        """The bundle's own threshold is one of them. `scheduled`: then the bundle is the last of these, whose costs
        count."""
        manifest = self.manifest = bundle.manifest
        # What decides beside the model, in words; None: nothing.
        self.rules_name = None if rules is None else rules.version
        if scheduled is not None and scheduled.in_force.rule_sets != (None,):
            self.rules_name = "whichever rule set was in force"
        self.lane = Lane(bundle, rules) if scheduled is None else scheduled.lane
        self.in_force = None if scheduled is None else scheduled.in_force
        self.name = manifest.version if scheduled is None else "schedule"
        self.high = manifest.thresholds.high if scheduled is None else IS_HIGH  # the threshold that counts
        thresholds = thresholds if scheduled is None else [IS_HIGH]
        self.digest = Digest()
        self.verdicts: Counter[Verdict] = Counter()
        self.by_version: Counter[tuple[str, Level]] = Counter()  # by a schedule
        self.other_currencies: Counter[str] = Counter()
        prices = Prices(manifest.thresholds.review_cost, manifest.thresholds.loss_rate)
        self.tallies = Tallies(thresholds, prices)
        # Of decisions: what is reviewed, alerts included, and alerts alone.
        self.decided = None if self.rules_name is None else Tallies((REVIEW, ALERT), prices)
        self._place_of_high = sorted(thresholds).index(self.high)

    @property
    def total(self) -> Outcome:
        """The whole period at the bundle's own threshold."""
        return self.tallies.total.at(self.high)

    def finish(self) -> None:
        self.tallies.finish()
        if self.decided is not None:
            self.decided.finish()

    def count(self, batch: Batch, is_counted: np.ndarray, scored: Scored) -> Answer:
        """Batch after batch: what lies in the period is counted and enters the digest. `is_counted` (bool): which rows
        of the batch do."""
        rows = np.array(scored.rows, np.int64)
        kept = np.flatnonzero(is_counted[rows])
        canonical = canonical_rows(
            _some(batch.block.transaction_id, rows[kept]),
            _some(scored.scores, kept),
            _some(scored.levels, kept),
            _some(scored.reasons, kept),
            _some(scored.imputed, kept),
            _some(scored.ledger_days, kept),
        )
        decided = None if scored.decided is None else scored.decided.of(kept)
        self.digest.add(*with_decisions(canonical, decided))
        for verdict in Verdict:
            self.verdicts[verdict] += int(np.count_nonzero(scored.verdicts[is_counted] == verdict))
        has_alert = np.zeros(len(rows), bool)
        scores, versions = np.array(scored.scores), None
        if self.in_force is not None:
            scores = np.array([float(level is Level.HIGH) for level in scored.levels])
            numbers = self.in_force.of(batch.block)[rows].tolist()
            versions = [self.in_force.versions[number].bundle for number in numbers]
            self.by_version.update(zip(_some(versions, kept), _some(scored.levels, kept), strict=True))
        has_alert[kept] = self._count(batch, rows[kept], scores[kept], decided) > self._place_of_high
        return Answer(batch.places[rows], scored, has_alert, versions)

    def _count(self, batch: Batch, rows: np.ndarray, scores: np.ndarray, decided: Decided | None) -> np.ndarray:
        block, currency = batch.block, self.manifest.currency
        currencies = _some(block.currency, rows)
        self.other_currencies.update(currencies)
        del self.other_currencies[currency]
        # What is at stake, as far as it is known in the bundle's currency.
        known = (block.amount[rows] != NO_AMOUNT) & np.fromiter(map(currency.__eq__, currencies), bool, len(rows))
        times, customers, labels = block.event_time[rows], _some(block.customer_id, rows), batch.labels[rows]
        amounts = np.where(known, block.amount[rows] / scale_of(currency), 0.0)
        if self.decided is not None and decided is not None:
            self.decided.add(times, customers, decided.strictness, labels, amounts)
        return self.tallies.add(times, customers, scores, labels, amounts)


def _some(column: Sequence[T], rows: np.ndarray) -> Sequence[T]:
    return column if len(rows) == len(column) else [column[row] for row in rows.tolist()]
