"""What an audit found, in words."""

from collections.abc import Mapping
from dataclasses import astuple, fields

from console.terminal import notice, say, say_table
from risk.clock import to_text
from risk.words import counted
from scorer.verify.comparison import Difference, Tally
from scorer.verify.findings import Findings, Span

SHOWN = 10
# Anybody may write a message of a megabyte to a topic, or one of ten thousand headers.
MOST_CHARACTERS, MOST_FIELDS = 4_000, 50


def report(findings: Findings, *, must_be_complete: bool) -> None:
    for text in findings.notices:
        notice(text)
    if not findings.span.is_whole:
        say(f"compared: what happened {_words(findings.span)}; all before it was read as history")
    partitions = counted(findings.partitions, "partition", "partitions")
    duplicates = counted(findings.duplicates, "duplicate", "duplicates")
    say(
        f"read again: {counted(findings.records, 'transaction', 'transactions')} of {partitions}, {findings.scored:,} "
        f"scored, {duplicates} (not scored); {counted(findings.labels, 'label', 'labels')}"
    )
    if findings.aborted:
        records = counted(findings.aborted, "record", "records")
        say(f"of aborted transactions, and worked on by version 0.1: {records}")
    for reason, count in sorted(findings.rejects.items()):
        say(f"rejected: {count:,} {reason}")
    say_table(
        [
            ("place", *(field.name for field in fields(Tally))),
            *((name, *(f"{count:,}" for count in astuple(tally))) for name, tally in findings.tallies.items()),
        ]
    )
    say(f"flags that went on without a ledger day that was due: {findings.without_day:,}")
    if findings.cold:
        first, last = map(to_text, findings.cold_times)
        say(
            f"cold start: {findings.cold:,} of {findings.scored:,} scores saw less than {findings.needed_days} days of "
            f"the past, from {first} to {last}"
        )
    for text in findings.wrong_starts:
        say(f"different: {text}")
    for what, found in (
        ("decided by another bundle than a challenger's share says", findings.wrong_shares),
        ("decided by what was not in force there, as the store says", findings.not_in_force),
    ):
        if found.count:
            say(f"{what}: {counted(found.count, 'transaction', 'transactions')}")
            for text in found.examples:
                say(f"  {text}")
    for lacking, count in sorted(findings.not_at_hand.items()):
        what, version = lacking.rsplit(" ", 1)
        say(f"{what} not at hand: {version}, which {counted(count, 'flag names', 'flags name')}; not compared")
    if findings.foreign:
        say(f"on output topics, and not written by a worker: {counted(findings.foreign, 'message', 'messages')}")
    if findings.gone:
        say(f"of what is not in the log any more: {findings.gone:,} outputs and rows, not compared")
    for name, (taken, begin, end) in findings.compacted.items():
        say(
            f"taken out of the log by compaction: {name}, {counted(taken, 'offset', 'offsets')} from {begin} to {end}; "
            "what is there of them counts as extra"
        )
    if findings.under_way:
        say(f"beyond where the store stood: {findings.under_way:,} outputs, not compared")
    for name, (offsets, total) in findings.not_done.items():
        say(f"not scored yet: {name}, {offsets:,} of {counted(total, 'offset', 'offsets')}; not compared")
    for difference in findings.differences[:SHOWN]:
        _show(difference)
    say(f"digest {findings.digest}")
    say(_verdict(findings, must_be_complete=must_be_complete))


def _verdict(findings: Findings, *, must_be_complete: bool) -> str:
    if not findings.is_identical:
        return "NOT identical"
    if findings.is_complete:
        return "identical"
    return "NOT complete" if must_be_complete else "identical, as far as it was scored"


def _words(span: Span) -> str:
    whole = Span()
    parts = []
    if span.since != whole.since:
        parts.append(f"from {to_text(span.since)} on")
    if span.until != whole.until:
        parts.append(f"before {to_text(span.until)}")
    return " and ".join(parts)


def _show(difference: Difference) -> None:
    name, source, due, there = difference
    where = f"{name}, source offset {source}" if source is not None else f"{name}, of no offset of the source"
    if due is not None and there is not None:
        say(f"different: {where}{_identity(due)}")
        both = [*due, *(field for field in there if field not in due)]
        other = [one for one in both if due.get(one) != there.get(one) or (one in due) != (one in there)]
        for field in other[:MOST_FIELDS]:
            say(f"  {field[:MOST_CHARACTERS]}: due {_shown(due.get(field))}, there {_shown(there.get(field))}")
        if len(other) > MOST_FIELDS:
            say(f"  and {len(other) - MOST_FIELDS:,} more fields")
    elif due is not None:
        say(f"missing: {where}{_identity(due)}")
        say(f"  due {_shown(dict(due))}")
    elif there is not None:
        say(f"extra: {where}{_identity(there)}")
        say(f"  there {_shown(dict(there))}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}... ({len(text):,} characters)"


def _identity(fields_of: Mapping[str, object]) -> str:
    named = fields_of.get("transaction_id")
    return f", transaction {named[:MOST_CHARACTERS]}" if isinstance(named, str) else ""
