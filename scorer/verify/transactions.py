"""One partition of transactions: scored again, and everything that comes out compared with what is there."""

from collections.abc import Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

from risk.block import Block
from risk.block_codec import Decoded
from risk.bundle import Manifest
from risk.clock import DAY, to_text
from risk.codes import Array
from risk.decision import Scored
from risk.digest import canonical, with_decisions
from risk.engine import Verdict
from risk.events import Rejected, RejectReason
from risk.kafka.batches import is_aborted
from risk.kafka.decoding import within_limits
from risk.kafka.sending import Message
from risk.pipeline import Part
from risk.share import Share
from risk.store import FlagRow
from risk.warming_up import LogStart
from scorer.ledger.closed_days import NEVER
from scorer.log.chunks import Chunk, Place, Read
from scorer.log.outputs import outgoing, reject
from scorer.verify.comparison import Comparison
from scorer.verify.days import Survey
from scorer.verify.findings import Findings
from scorer.verify.outputs import StoredRows, as_bytes
from scorer.verify.scoring import Naming, Piece, Scoring, Starts


class There(NamedTuple):
    """What is there of one partition."""

    rows: StoredRows
    alerts: Comparison[Message]
    flags: Comparison[Message]
    rejects: Comparison[Message]


def worked_on(records: Sequence[Any], *there: Comparison[Any]) -> list[Any]:
    """Without those of aborted transactions: to a worker they are nothing. To one of version 0.1 they were records like
    others, and what it took for one has left something."""
    return [
        record
        for record in records
        if not is_aborted(record) or any(comparison.waiting(record.offset) for comparison in there)
    ]


class Due(NamedTuple):
    """What comes out of one record, and how it counts. A scored one has a flag, a row and a line of the digest."""

    why: Rejected | None  # where it cannot be read
    is_aborted: bool = False
    is_duplicate: bool = False
    row: FlagRow | None = None
    flag: Message | None = None
    alert: Message | None = None
    reject: Message | None = None
    line: bytes = b""
    history_days: int | None = None
    manifest: Manifest | None = None  # of the bundle that scored it
    lacking: str | None = None  # so that it cannot be recomputed
    wrong_share: str | None = None  # that it was decided by another bundle than the share gives it to
    not_in_force: str | None = None  # that what is named is not what the store says was in force


class AuditedPartition:
    """In the order of the log."""

    def __init__(
        self,
        place: Place,
        *,
        begin: int,
        first_event: int | None,
        read: Read[Decoded],
        current: str,
        scoring: Scoring,
        starts: Starts,
        survey: Survey,
        there: There,
        findings: Findings,
    ) -> None:
        """`first_event`: where the store says that the partition's past begins. It is recomputed where the log still
        has its beginning."""
        self._place = place
        self._name = f"{place.topic}-{place.partition}"
        self._next = begin
        self._begin = begin
        self._first_event = first_event
        self._has_begun = False
        self._read = read
        self._scoring = scoring
        self._naming = Naming(current, scoring, there.flags, starts)
        self._starts = starts
        self._survey = survey
        self._there = there
        self._findings = findings
        self.newest = NEVER  # of what was scored

    async def take(self, found: Sequence[Any]) -> None:
        """Of these records everything in the topics has been read."""
        there = self._there
        rows = there.rows.read_to(found[-1].offset)
        records = worked_on(found, there.rows.comparison, there.flags, there.rejects)
        if not records:
            return
        read = within_limits(
            records, self._read(records), lambda offset: offset in rows or bool(there.flags.waiting(offset))
        )
        chunk = Chunk(self._place, records, read, 0, records[0].offset)
        for piece in self._naming.pieces(chunk, rows):
            due = await self._due(piece)
            for offset in range(self._next, piece.chunk.next_offset):
                self._judge(offset, due.get(offset))
            self._next = piece.chunk.next_offset

    def finish(self, until: int) -> None:
        """There are no more records up to here."""
        self._there.rows.read_to(until - 1)
        for offset in range(self._next, until):
            self._judge(offset, None)
        self._next = until

    async def _due(self, piece: Piece) -> dict[int, Due]:
        """By source offset."""
        chunk, (versions, day, in_force), share = piece.chunk, piece.terms, piece.terms.versions.share
        decoded, places = chunk.content, chunk.content.places.tolist()
        block, records = decoded.block, [chunk.records[place] for place in places]
        named = [piece.decided_by[place] for place in places]
        given, wrong = _assigned(share, block, named)
        verdicts, parts = await self._scoring.score(versions, day, block, given)
        scored = np.flatnonzero(verdicts == Verdict.SCORED)
        if len(scored) and not self._has_begun:
            self._begins_at(int(block.event_time[scored[0]]))
        why = {chunk.records[place].offset: rejected for place, rejected in decoded.unread}
        said = "nothing" if in_force is None else in_force
        not_in_force = None if in_force == versions else f"{versions} decided, and the store says {said}"
        due = {
            record.offset: Due(why.get(record.offset), is_aborted(record), not_in_force=not_in_force)
            for record in chunk.records
        }
        for record, verdict, is_wrong in zip(records, verdicts.tolist(), wrong, strict=True):
            if verdict == Verdict.DUPLICATE or is_wrong is not None:
                is_duplicate = verdict == Verdict.DUPLICATE
                due[record.offset] = due[record.offset]._replace(is_duplicate=is_duplicate, wrong_share=is_wrong)
        for place, rejected in decoded.unread:
            message = reject(chunk.place, chunk.records[place], rejected)
            due[message.source_offset] = due[message.source_offset]._replace(reject=message.message)
        for part in parts:
            own = list(compress(records, part.rows.tolist()))
            is_given = share is not None and bool(given[part.rows].all())
            bundle = share.challenger if share is not None and is_given else versions.bundle
            self._add(due, chunk.place, own, part, share, self._scoring.lacks_of(bundle, versions))
        return due

    def _add(
        self,
        due: dict[int, Due],
        place: Place,
        records: Sequence[Any],
        part: Part,
        share: Share | None,
        lacking: str | None,
    ) -> None:
        """What one bundle decided."""
        manifest, scored = part.manifest, part.scored
        start = LogStart(self._first_event, self._survey.first_of(manifest.terms.ledger_terms))
        out = outgoing(manifest, place, records, part.block, scored, start, share)
        for message in out.rejects:
            due[message.source_offset] = due[message.source_offset]._replace(reject=message.message)
        lines = _lines(part.block, scored)
        for row, flag, line, seen in zip(out.rows, out.flags, lines, out.history_days, strict=True):
            due[flag.source_offset] = due[flag.source_offset]._replace(
                row=FlagRow._make(row),
                flag=flag.message,
                line=line,
                history_days=seen,
                manifest=manifest,
                lacking=lacking,
            )
        for alert in out.alerts:
            due[alert.source_offset] = due[alert.source_offset]._replace(alert=alert.message)

    def _begins_at(self, found: int) -> None:
        self._has_begun = True
        if self._begin > 0:
            return
        if self._first_event not in (None, found):
            self._findings.wrong_starts.append(
                f"{self._name}: the store says that its first scored transaction is of "
                f"{to_text(self._first_event)}, and in the log it is of {to_text(found)}"
            )
        self._first_event = found

    def _judge(self, offset: int, due: Due | None) -> None:
        """The next offset. What is scored counts by its event time, all else by the newest one before it."""
        findings = self._findings
        moment = self.newest
        if due is not None and due.row is not None:
            moment = due.row.event_time
            self.newest = max(self.newest, moment)
        counts = findings.span.has(moment)
        if counts and offset in self._starts.begins:
            self._check_starts(offset, None if due is None else due.row)
        if counts and due is not None:
            findings.records += 1
            findings.aborted += due.is_aborted
            findings.duplicates += due.is_duplicate
            if due.reject is not None:
                findings.rejects[_reason(due.why)] += 1
            if due.row is not None and due.manifest is not None:
                findings.scored += 1
                if due.history_days is not None:
                    findings.saw_less(moment, due.manifest.horizon.longest)
                for said, found in (
                    (due.wrong_share, findings.wrong_shares),
                    (due.not_in_force, findings.not_in_force),
                ):
                    if said is not None:
                        found.add(f"partition {due.row.source_partition}, offset {offset}, {said}")
                if due.lacking is None:
                    findings.digest.add(due.line)
                    findings.without_day += self._went_without(due.manifest, due.row)
                else:
                    findings.not_at_hand[due.lacking] += 1
                    counts = False
        self._compare(due, counts=counts)

    def _check_starts(self, offset: int, row: FlagRow | None) -> None:
        for what, said in self._starts.begins[offset]:
            if row is None or row.event_time != said:
                found = "nothing is scored there" if row is None else f"that is of {to_text(row.event_time)}"
                self._findings.wrong_starts.append(
                    f"{self._name}, offset {offset}: the store says that a {what} begins with a transaction of "
                    f"{to_text(said)}, and in the log {found}"
                )

    def _compare(self, due: Due | None, *, counts: bool) -> None:
        row, flag, alert, rejected = (None,) * 4 if due is None else (due.row, due.flag, due.alert, due.reject)
        there = self._there
        there.rows.comparison.judge(None if row is None else as_bytes(row), counts=counts)
        there.flags.judge(flag, counts=counts)
        there.alerts.judge(alert, counts=counts)
        there.rejects.judge(rejected, counts=counts)

    def _went_without(self, manifest: Manifest, row: FlagRow) -> bool:
        if not manifest.feature_set.has_ledger:
            return False
        needed = row.event_time // DAY - manifest.label_delay_days
        return self._survey.went_without(manifest.terms.ledger_terms, needed, row.ledger_day)


def _assigned(share: Share | None, block: Block, named: Sequence[str | None]) -> tuple[Array, list[str | None]]:
    """Which rows the challenger decided, by what is named and else by its share; and of each row, what is wrong with
    that."""
    if share is None:
        return np.zeros(len(block), bool), [None] * len(block)
    due = share.given(block.customer_id)
    given = due.copy()
    wrong: list[str | None] = [None] * len(block)
    for row, (bundle, is_due) in enumerate(zip(named, due.tolist(), strict=True)):
        if bundle is not None and (bundle == share.challenger) != is_due:
            given[row] = not is_due
            wrong[row] = (
                f"customer {block.customer_id[row][:80]!r} was decided by {bundle}, expected "
                f"{share.challenger if is_due else share.in_use}, as {share.challenger} has {share.percent:g} %"
            )
    return given, wrong


def _lines(block: Block, scored: Scored) -> list[bytes]:
    """What the digest adds up."""
    lines = [
        canonical(block.transaction_id[row], *rest)
        for row, *rest in zip(
            scored.rows, scored.scores, scored.levels, scored.reasons, scored.imputed, scored.ledger_days, strict=True
        )
    ]
    return with_decisions(lines, scored.decided)


def _reason(why: Rejected | None) -> str:
    """What can be read and is rejected all the same came too late."""
    return (RejectReason.TOO_LATE if why is None else why.reason).value
