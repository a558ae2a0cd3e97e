"""What a replay says at its end."""

from pathlib import Path

from console.terminal import notice, say, warn
from producer.replay.parcels import LARGEST, Packer
from producer.replay.sequence import Sequence
from producer.replay.tally import Tally
from risk.clock import to_text


def say_sent(tally: Tally, packer: Packer, seconds: float) -> None:
    transactions = tally.transactions - len(packer.too_large)
    say(f"sent  {transactions:,} transactions, {tally.labels:,} labels, {tally.refused:,} rows as they are")
    if tally.event_time is not None:
        say(f"up to {to_text(tally.event_time)}")
    say(f"in    {seconds:,.1f} s, {transactions / seconds:,.0f}/s")


def say_left_out(sequence: Sequence, packer: Packer, passed_over: int) -> None:
    """What was not sent, and why."""
    if passed_over:
        notice(f"{passed_over:,} messages were in the topics already, behind what had been noted; not sent again")
    if packer.too_large:
        count, first = len(packer.too_large), packer.too_large[0].decode(errors="replace")
        warn(f"{count:,} messages of more than {LARGEST:,} bytes were not sent: brokers do not take them. {first}...")
    refused = sequence.refused
    if refused.unsent:
        warn(f"{refused.unsent:,} rows were not sent: no message can say what they are, or only the label was at fault")
        for bad in refused.first_unsent:
            where = f"row {bad.row}" if bad.line is None else f"line {bad.line}"
            warn(f"{where}: {bad.reason.value}: {bad.detail}")
        if refused.unsent > len(refused.first_unsent):
            warn(f"... and {refused.unsent - len(refused.first_unsent):,} more; `python -m trainer inspect` tells all")
    if sequence.early_labels:
        notice(
            f"{sequence.early_labels:,} labels are dated before the day of their transaction; they were sent with it, "
            "and count for no day of the merchant ledger"
        )
    if sequence.future_labels:
        notice(f"{sequence.future_labels:,} labels are dated ahead of now and were not sent")


def say_place(position: Path, why: str) -> None:
    say(f"{why}; {position} says where it was, and --resume goes on from there")
