"""Every row of a file through one bundle's pipeline, and what each came to: a few bytes a row in memory, and texts,
which few rows have, in a temporary file."""

import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import repeat
from threading import Lock
from typing import NamedTuple, Self

import msgspec
import numpy as np

from risk.bundle import Bundle, Manifest
from risk.clock import DAY
from risk.dataset import BadRow, Rows
from risk.decision import Scored
from risk.digest import Digest, canonical_rows, with_decisions
from risk.engine import Verdict
from risk.errors import DatasetError
from risk.events import LEVELS, FiredRule, Level, Reason
from risk.rules.rule_set import RuleSet
from risk.sentences import rule_sentence
from risk.warming_up import LogStart, history_days_of
from trainer.backtest.checks import Ready, warn_of_labels
from trainer.passage import Batch, Chunk, Lane, passed
from trainer.replay import bad_row_words

LABELS = "labels"  # what every score lacks where the merchant ledger should have known frauds
TOO_LARGE = ("too_large", "it would be larger than a message may be")
NOT_SCORED = {
    Verdict.DUPLICATE: ("duplicate", "the customer had a transaction with this id before"),
    Verdict.LATE: ("late", "too far behind the newest event time"),
}
NONE = -1


class Texts(NamedTuple):
    """Of one row; empty where there is nothing to say."""

    reasons: str = ""
    missing: str = ""
    not_scored: str = ""
    rules: str = ""


class Results:
    """By the row's place in the file; filled in event-time order, and read in the file's."""

    def __init__(
        self, row_count: int, manifest: Manifest, rules_version: str | None = None, *, lacks_labels: bool
    ) -> None:
        """`rules_version`: where rules decide, too."""
        self.manifest = manifest
        self.rules_version = rules_version
        self.digest = Digest()
        self.not_scored: Counter[str] = Counter()  # by the first word of why
        self.scores = np.full(row_count, np.nan)
        self.levels = np.full(row_count, NONE, np.int8)  # places in LEVELS
        self.decisions = np.full(row_count, NONE, np.int8)  # places in DECISIONS
        self.history_days = np.full(row_count, NONE, np.int16)
        self._texts_at = np.full(row_count, NONE, np.int64)
        with _room():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `__exit__` closes it
        self._writing = Lock()  # the thread that reads notes what cannot be read
        self._start = LogStart()
        self._lacks_labels = lacks_labels

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # what is not written yet, nobody will read
            self._file.close()

    def refuse(self, bad: BadRow) -> None:
        """A row that cannot be read."""
        self._refuse(bad.row - 1, bad.reason.value, bad.detail)

    def add(self, rows: Rows, batches: Sequence[tuple[Batch, Scored]]) -> None:
        """A chunk of the file, all batches of which are scored."""
        arrived = np.zeros(len(rows.block), bool)
        for batch, scored in batches:
            arrived[batch.places] = True
            self._add(rows.row_numbers[batch.places] - 1, batch, scored)
        for place in (rows.row_numbers[~arrived] - 1).tolist():
            self._refuse(place, *TOO_LARGE)

    def texts(self, places: np.ndarray) -> list[Texts]:
        """Of these rows of the file."""
        with _room():
            return [Texts() if at == NONE else self._texts_in(at) for at in self._texts_at[places].tolist()]

    @property
    def why_not_scored(self) -> str:
        return ", ".join(f"{count:,} {why}" for why, count in self.not_scored.most_common())

    def count(self, level: Level) -> int:
        return int(np.count_nonzero(self.levels == LEVELS.index(level)))

    def _add(self, places: np.ndarray, batch: Batch, scored: Scored) -> None:
        is_scored = scored.verdicts == Verdict.SCORED
        block = batch.block.select(is_scored)
        rows = canonical_rows(
            block.transaction_id, scored.scores, scored.levels, scored.reasons, scored.imputed, scored.ledger_days
        )
        self.digest.add(*with_decisions(rows, scored.decided))
        for row in np.flatnonzero(~is_scored).tolist():
            self._refuse(int(places[row]), *NOT_SCORED[Verdict(scored.verdicts[row])])
        places = places[is_scored]
        self.scores[places] = scored.scores
        self.levels[places] = [LEVELS.index(level) for level in scored.levels]
        self.history_days[places] = self._days_seen(block.event_time.tolist(), block.merchant_id, scored)
        fired: Iterable[Collection[FiredRule]] = repeat((), len(places))
        if scored.decided is not None:
            self.decisions[places] = scored.decided.strictness
            fired = scored.decided.fired
        lacking = (LABELS,) if self._lacks_labels else ()
        for place, reasons, imputed, why in zip(places.tolist(), scored.reasons, scored.imputed, fired, strict=True):
            if reasons or imputed or lacking or why:
                rules = " | ".join(map(rule_sentence, why))
                self._note(place, Texts(_sentences(reasons), ", ".join((*lacking, *imputed)), rules=rules))

    def _days_seen(self, times: list[int], merchants: Sequence[str | None], scored: Scored) -> list[int]:
        """As a worker says it of these rows, if its log begins where the file does."""
        if self._start.first_event is None and times:
            self._start = self._start._replace(first_event=times[0])
        if self._start.first_ledger_day is None:
            days = (time // DAY for time, merchant in zip(times, merchants, strict=True) if merchant is not None)
            self._start = self._start._replace(first_ledger_day=next(days, None))
        found = history_days_of(self.manifest.horizon, self._start, times, scored.ledger_days)
        return [NONE if days is None else days for days in found]

    def _refuse(self, place: int, kind: str, why: str) -> None:
        self.not_scored[kind] += 1
        self._note(place, Texts(not_scored=f"{kind}: {why}"))

    def _note(self, place: int, texts: Texts) -> None:
        raw = msgspec.json.encode(tuple(texts)) + b"\n"
        with _room(), self._writing:
            self._texts_at[place] = self._file.seek(0, 2)
            self._file.write(raw)

    def _texts_in(self, at: int) -> Texts:
        self._file.seek(at)
        return Texts(*msgspec.json.decode(self._file.readline(), type=tuple[str, str, str, str]))


@contextmanager
def _room() -> Iterator[None]:
    """What the disk says of the temporary file, in words."""
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"got no room for reasons in a temporary file ({error.strerror or error}), expected a folder that may be "
            "written, with some; make room, or set TMPDIR to another"
        ) from error


def _sentences(reasons: Sequence[Reason]) -> str:
    return " | ".join(reason.sentence for reason in reasons)


@contextmanager
def scored(
    ready: Ready, bundle: Bundle, advance: Callable[[int], None], rules: RuleSet | None = None
) -> Iterator[Results]:
    """What the rows came to."""
    dataset, version = ready.dataset, None if rules is None else rules.version
    with Results(dataset.row_count, bundle.manifest, version, lacks_labels=bool(ready.missing)) as results:
        dataset.on_bad = results.refuse
        batches: list[tuple[Batch, Scored]] = []
        with passed(chunks(ready), [Lane(bundle, rules)]) as steps:
            for step in steps:
                if isinstance(step, Chunk):
                    results.add(step.rows, batches)
                    batches = []
                    advance(len(step.rows.block))
                else:
                    (answer,) = step.scored
                    batches.append((step.batch, answer))
        if not results.digest.count:
            bad = dataset.bad.first
            first = f" The first that cannot be read: {bad_row_words(bad[0])}." if bad else ""
            raise DatasetError(
                f"{dataset.path}: got no row that can be scored, expected transactions; "
                f"{results.why_not_scored}.{first} Correct them, or the map (--columns)."
            )
        warn_of_labels(dataset, ready.labels)
        yield results


def chunks(ready: Ready) -> Generator[Chunk, None, None]:
    for rows in ready.dataset.rows():
        yield Chunk(rows, rows.labels() if ready.labels is None else ready.labels.labels(rows))
