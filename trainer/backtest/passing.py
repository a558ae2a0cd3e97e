"""A dataset through one bundle's pipeline, each row encoded and decoded, so that it sees what a worker sees."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from risk.bundle import Bundle
from risk.codec import decode_transaction, encode_transaction
from risk.dataset import Rows
from risk.digest import Digest, canonical
from risk.engine import Verdict
from risk.events import Rejected, Transaction
from risk.ledger import SeenDays
from risk.pipeline import Pipeline, Scored

BATCH = 500  # what the worker takes at once; any other number would give the same bits


def through_the_codec(rows: Rows) -> Iterator[tuple[list[int], list[Transaction]]]:
    """Batches of what arrives, with the places of the rows; what does not arrive is too large for a message."""
    for first in range(0, len(rows.transactions), BATCH):
        places, arrived = [], []
        for place in range(first, min(first + BATCH, len(rows.transactions))):
            answer = decode_transaction(encode_transaction(rows.transactions[place]))
            if not isinstance(answer, Rejected):
                places.append(place)
                arrived.append(answer)
        yield places, arrived


class Answer(NamedTuple):
    places: list[int]  # of the scored rows in the chunk
    scored: Scored


class Passing:
    """One bundle's part in a backtest."""

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self.manifest = manifest
        self.digest = Digest()
        self.verdicts: Counter[Verdict] = Counter()
        self.days = SeenDays(label_delay_days=manifest.label_delay_days, bucket_ms=manifest.bucket_ms)
        self._pipeline = Pipeline(bundle, self.days)

    def forget_old_days(self) -> None:
        """A file is one partition, so nothing older can come."""
        self._pipeline.engine.forget_old_days()

    def pass_on(self, places: list[int], arrived: list[Transaction], counted: np.ndarray) -> Answer:
        """Scores a batch; `counted` says which of its rows enter the digest."""
        scored = self._pipeline.score(arrived)
        for place, row in enumerate(scored.rows):
            if counted[row]:
                self.digest.add(
                    canonical(
                        arrived[row].transaction_id,
                        scored.scores[place],
                        scored.levels[place],
                        scored.reasons[place],
                        scored.imputed[place],
                        scored.ledger_days[place],
                    )
                )
        for verdict in Verdict:
            self.verdicts[verdict] += int(np.count_nonzero(scored.verdicts[counted] == verdict))
        return Answer([places[row] for row in scored.rows], scored)
