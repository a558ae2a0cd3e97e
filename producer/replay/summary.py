"""What a replay says at its end."""

import shlex
from pathlib import Path

from console.terminal import notice, say, warn
from producer.replay.parcels import LARGEST, Packer
from producer.replay.refused import Refused
from producer.replay.replay_options import ReplayOptions
from producer.replay.sequence import Sequence
from producer.replay.tally import Tally
from risk.clock import to_text
from risk.events import Label, Transaction
from risk.words import counted


def say_sent(tally: Tally, packer: Packer, seconds: float) -> None:
    transactions = tally.transactions - packer.left_out[Transaction]
    labels = counted(tally.labels - packer.left_out[Label], "label", "labels")
    refused = counted(tally.refused - packer.left_out[Refused], "row as it is", "rows as they are")
    say(f"sent  {counted(transactions, 'transaction', 'transactions')}, {labels}, {refused}")
    if tally.event_time is not None:
        say(f"up to {to_text(tally.event_time)}")
    say(f"in    {seconds:,.1f} s, {transactions / seconds:,.0f}/s")


def say_left_out(options: ReplayOptions, sequence: Sequence, packer: Packer, passed_over: int) -> None:
    """What was not sent, and why."""
    if passed_over:
        were = counted(passed_over, "message was", "messages were")
        notice(f"{were} in the topics already, behind what had been noted; not sent again")
    if packer.too_large:
        count, first = len(packer.too_large), packer.too_large[0].decode(errors="replace")
        messages = counted(count, "message", "messages")
        warn(f"not sent, for brokers would refuse it: {messages} of more than {LARGEST:,} bytes. {first}...")
    refused = sequence.refused
    if refused.unsent:
        rows = counted(refused.unsent, "row was", "rows were")
        warn(f"{rows} not sent: no message can say what is in it, or only the label was at fault")
        for bad in refused.first_unsent:
            where = f"row {bad.row}" if bad.line is None else f"line {bad.line}"
            warn(f"{where}: {bad.reason.value}: {bad.detail}")
        if refused.unsent > len(refused.first_unsent):
            columns = [] if options.columns is None else ["--columns", str(options.columns)]
            words = ["trainer", "inspect", str(options.file), *columns, "--rejects", "rejects.ndjson"]
            more = refused.unsent - len(refused.first_unsent)
            warn(f"... and {more:,} more; `python -m {shlex.join(words)}` lists every row that cannot be used")
    if sequence.early_labels:
        notice(
            f"{counted(sequence.early_labels, 'label is', 'labels are')} dated before the day of the transaction; sent "
            "with it, and of no day of the merchant ledger"
        )
    if options.labels and sequence.untimed_frauds and not sequence.timed_frauds:
        frauds = counted(sequence.untimed_frauds, "fraud", "frauds")
        warn(
            f"no label of the {frauds} was sent, because none has a time at which it was known (labelled_at): the "
            "workers' merchant ledger sees no fraud, and scores that read it are too low. Fill in labelled_at, or "
            "leave it out of the map: then a label is known three days after the event"
        )
    if sequence.future_labels:
        notice(f"{counted(sequence.future_labels, 'label is', 'labels are')} dated ahead of now, and not sent")


def say_place(position: Path, why: str, tally: Tally) -> None:
    sent = counted(tally.transactions, "transaction", "transactions")
    up_to = "" if tally.event_time is None else f", up to {to_text(tally.event_time)}"
    say(f"{why}: {sent} sent{up_to}. --resume goes on from there, which {position} notes")
