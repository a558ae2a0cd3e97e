"""One partition of labels: what cannot be read of it must be among the rejects."""

from collections.abc import AsyncIterator

from risk.events import Label, Rejected
from risk.kafka.sending import Message
from scorer.ledger.closed_days import NEVER
from scorer.log.already_sent import SentOutput
from scorer.log.decoding import Chunk, Labels
from scorer.log.outputs import reject
from scorer.verify.comparison import Comparison
from scorer.verify.findings import Findings


async def audit_labels(
    chunks: AsyncIterator[Chunk[Labels]],
    begin: int,
    until: int,
    output: SentOutput,
    rejects: Comparison[Message],
    findings: Findings,
) -> None:
    """A label counts by its own time, what cannot be read by the newest one before it."""
    newest, place = NEVER, begin
    async for chunk in chunks:
        await output.read_to(chunk.next_offset - 1)
        output.forget_before(chunk.next_offset)
        events = {
            record.offset: (record, event) for record, event in zip(chunk.records, chunk.content.events, strict=True)
        }
        for offset in range(place, chunk.next_offset):
            record, event = events.get(offset, (None, None))
            if isinstance(event, Label):
                newest = max(newest, event.labelled_at)
            counts = findings.span.has(event.labelled_at if isinstance(event, Label) else newest)
            due = None
            if record is not None and isinstance(event, Rejected):
                due = reject(chunk.place, record, event).message
                findings.rejects[f"label {event.reason.value}"] += counts
            findings.labels += counts and isinstance(event, Label)
            rejects.judge(due, counts=counts)
        place = chunk.next_offset
    for _ in range(place, until):
        rejects.judge(None, counts=findings.span.has(newest))
    await output.read_to(until)
