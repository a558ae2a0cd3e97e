"""One partition of transactions: scored again, and everything that comes out compared with what is there."""

from typing import NamedTuple

from risk.clock import DAY
from risk.digest import canonical
from risk.engine import Verdict
from risk.events import Rejected, RejectReason, Transaction
from risk.kafka.sending import Message
from risk.pipeline import Pipeline, Scored
from risk.store import FlagRow
from scorer.verify.comparison import Comparison
from scorer.verify.days import Survey, has_ledger, kind_of
from scorer.verify.findings import Findings
from scorer.verify.scoring import Scoring
from scorer.verify.stored import StoredRows, as_bytes
from scorer.verify.terms import Naming, Terms
from scorer.worker.arrivals import Chunk, Event
from scorer.worker.outgoing import outgoing, reject
from scorer.worker.reach import NEVER


class There(NamedTuple):
    """What is there of one partition."""

    rows: StoredRows
    alerts: Comparison[Message]
    flags: Comparison[Message]
    rejects: Comparison[Message]


class Due(NamedTuple):
    """What comes out of one record, and how it counts. A scored one has a flag, a row and a line of the digest."""

    event: Event
    is_duplicate: bool = False
    row: FlagRow | None = None
    flag: Message | None = None
    alert: Message | None = None
    reject: Message | None = None
    line: bytes = b""


class Partition:
    """In the order of the log."""

    def __init__(
        self, *, begin: int, current: str, scoring: Scoring, survey: Survey, there: There, findings: Findings
    ) -> None:
        self._next = begin
        self._scoring = scoring
        self._naming = Naming(current, scoring, there.flags)
        self._survey = survey
        self._there = there
        self._findings = findings
        self.newest = NEVER  # of what was scored

    async def take(self, chunk: Chunk) -> None:
        """Of these records everything in the topics has been read."""
        rows = self._there.rows.read_to(chunk.after - 1)
        for piece, terms in self._naming.pieces(chunk, rows):
            pipeline = self._scoring.pipeline(terms.bundle)
            due = await self._due(pipeline, terms, piece)
            for offset in range(self._next, piece.after):
                self._judge(due.get(offset), pipeline, terms)
            self._next = piece.after

    def finish(self, until: int) -> None:
        """There are no more records up to here."""
        self._there.rows.read_to(until - 1)
        for _ in range(self._next, until):
            self._compare(None, counts=self._findings.span.has(self.newest))
        self._next = until

    async def _due(self, pipeline: Pipeline, terms: Terms, piece: Chunk) -> dict[int, Due]:
        """By source offset."""
        pairs = list(zip(piece.records, piece.events, strict=True))
        records = [record for record, event in pairs if type(event) is Transaction]
        transactions = [event for _, event in pairs if type(event) is Transaction]
        scored = await self._scoring.score(pipeline, terms.ledger_day, transactions)
        out = outgoing(pipeline.manifest, piece.place, records, transactions, scored)
        unread = [reject(piece.place, record, event) for record, event in pairs if type(event) is Rejected]
        due = {record.offset: Due(event) for record, event in pairs}
        for record, verdict in zip(records, scored.verdicts.tolist(), strict=True):
            if verdict == Verdict.DUPLICATE:
                offset = record.offset
                due[offset] = due[offset]._replace(is_duplicate=True)
        for message in (*out.rejects, *unread):
            due[message.source_offset] = due[message.source_offset]._replace(reject=message.message)
        lines = _lines(transactions, scored)
        for row, flag, line in zip(out.rows, out.flags, lines, strict=True):
            offset = flag.source_offset
            due[offset] = due[offset]._replace(row=row, flag=flag.message, line=line)
        for alert in out.alerts:
            due[alert.source_offset] = due[alert.source_offset]._replace(alert=alert.message)
        return due

    def _judge(self, due: Due | None, pipeline: Pipeline, terms: Terms) -> None:
        """The next offset. What is scored counts by its event time, all else by the newest one before it."""
        findings = self._findings
        moment = self.newest
        if due is not None and due.row is not None:
            moment = due.row.event_time
            self.newest = max(self.newest, moment)
        counts = findings.span.has(moment)
        if counts and due is not None:
            findings.records += 1
            findings.duplicates += due.is_duplicate
            if due.reject is not None:
                findings.rejects[_reason(due.event)] += 1
            if due.row is not None:
                findings.scored += 1
                if self._scoring.has(terms.bundle):
                    findings.digest.add(due.line)
                    findings.without_day += self._went_without(pipeline, due.row)
                else:
                    findings.not_at_hand[terms.bundle] += 1
                    counts = False
        self._compare(due, counts=counts)

    def _compare(self, due: Due | None, *, counts: bool) -> None:
        row, flag, alert, rejected = (None,) * 4 if due is None else (due.row, due.flag, due.alert, due.reject)
        there = self._there
        there.rows.comparison.judge(None if row is None else as_bytes(row), counts=counts)
        there.flags.judge(flag, counts=counts)
        there.alerts.judge(alert, counts=counts)
        there.rejects.judge(rejected, counts=counts)

    def _went_without(self, pipeline: Pipeline, row: FlagRow) -> bool:
        if not has_ledger(pipeline):
            return False
        needed = row.event_time // DAY - pipeline.manifest.label_delay_days
        return self._survey.went_without(kind_of(pipeline), needed, row.ledger_day)


def _lines(transactions: list[Transaction], scored: Scored) -> list[bytes]:
    """What the digest adds up."""
    return [
        canonical(transactions[row].transaction_id, *rest)
        for row, *rest in zip(
            scored.rows, scored.scores, scored.levels, scored.reasons, scored.imputed, scored.ledger_days, strict=True
        )
    ]


def _reason(event: Event) -> str:
    """What can be read and is rejected all the same came too late."""
    return (event.reason if type(event) is Rejected else RejectReason.TOO_LATE).value
