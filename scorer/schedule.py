"""`schedule`: which bundle and which rule set was in force when, and which share a challenger had, as a file that a
backtest replays a history by."""

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from console.help import epilog
from console.options import checked_target, settings_of
from console.output import replaced
from console.start import EXIT_OK
from console.terminal import notice, say
from risk.clock import to_datetime, to_text
from risk.errors import StoreError
from risk.kafka.partitions import partition_of
from risk.rules.rule_set import NO_RULES
from risk.schedule import Schedule, Start, encode_schedule
from risk.share import PERCENT, is_percent
from risk.store import Role, Store, VersionStart
from risk.words import counted
from scorer.opening import store_to_read

LOOKED_AT = 100  # flags of a partition, for where their customers belong


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "schedule",
        description="Write which bundle was in use from when, which rule set decided, and for which share of the "
        "customers a challenger did, partition by partition, as the store has it. `trainer "
        "backtest --schedule` replays a history with it: on the same transactions it comes to the same digest, where "
        "none of a partition came out of order.",
        epilog=epilog(
            "python -m scorer schedule schedule.json",
            notes="A start is named by its first transaction. Where pruning took that one, its time alone is left, and "
            "of several transactions of that millisecond the first may be taken for it.",
            done="the file is written",
            failed="there is no file; the last line says why",
        ),
    )
    command.add_argument("file", type=Path, metavar="FILE.json", help="the file to write")
    command.add_argument("--force", action="store_true", help="replace a file that is there")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    target = checked_target("FILE", options.file, ".json", force=options.force)
    with store_to_read(settings_of(options).db) as store:
        schedule = schedule_of(store)
    with replaced(target) as (temporary,):
        temporary.write_bytes(encode_schedule(schedule))
    starts = counted(len(schedule.bundles), "start", "starts")
    rules = ""
    if schedule.rules:
        of_rules = counted(len(schedule.rules), "start", "starts")
        rules = f", {of_rules} of {counted(len(schedule.rule_sets), 'rule set', 'rule sets')} or none"
    shares = f", {counted(len(schedule.shares), 'start', 'starts')} of shares or none" if schedule.shares else ""
    say(f"{target}: {starts} of {counted(len(schedule.versions), 'bundle', 'bundles')}{rules}{shares}")
    return EXIT_OK


def schedule_of(store: Store) -> Schedule:
    identity, starts = store.identity(), [store.starts(role) for role in (Role.BUNDLE, Role.RULES)]
    if identity is None or not starts[0]:
        raise StoreError("the store: nothing was scored yet, expected some work; start a worker")
    of_shares = store.share_starts()
    for one in of_shares:
        if one.percent is not None and not is_percent(one.percent):
            raise StoreError(
                f"the store: got a share of {one.percent:g} % for {one.challenger}, at offset {one.first_offset} of "
                f"partition {one.partition}, expected {PERCENT}: no worker wrote it. `verify` compares the rest"
            )
    starts.append(
        [VersionStart(one.partition, one.first_offset, one.challenger, one.event_time, None) for one in of_shares]
    )
    _check_partitions(store, identity.partitions)
    for each in starts:
        _check_order(each)
    bundles, rules, shares = (tuple(_start(store, start) for start in each) for each in starts)
    percents = (start.percent for start in of_shares)
    shares = tuple(replace(start, percent=percent) for start, percent in zip(shares, percents, strict=True))
    return Schedule(bundles, identity.partitions, rules, shares)


def _start(store: Store, start: VersionStart) -> Start:
    version = start.version or NO_RULES
    first = next(store.flags(start.partition, first_offset=start.first_offset), None)
    moment = to_datetime(start.event_time)
    if first is None or first.source_offset != start.first_offset:
        notice(f"{version}: its first transaction of partition {start.partition} was pruned; its time is left")
        return Start(version, start.partition, moment)
    return Start(version, start.partition, moment, first.customer_id, first.transaction_id)


def _check_order(starts: Sequence[VersionStart]) -> None:
    newest: dict[int, int] = {}
    for start in starts:
        before = newest.setdefault(start.partition, start.event_time)
        if start.event_time < before:
            raise StoreError(
                f"the store: {start.version or NO_RULES} starts at offset {start.first_offset} of partition "
                f"{start.partition} with a transaction of {to_text(start.event_time)}, expected none before "
                f"{to_text(before)}, when the one before it started: it came late, and in the order of event time "
                "another one was in force. No schedule can be written; `verify` scores such a log again in its own "
                "order"
            )
        newest[start.partition] = start.event_time


def _check_partitions(store: Store, partitions: int) -> None:
    """A backtest finds a transaction's partition by its customer, as Java's clients do."""
    for partition in range(partitions):
        for flag in islice(store.flags(partition), LOOKED_AT):
            expected = partition_of(flag.customer_id.encode(), partitions)
            if expected != partition:
                raise StoreError(
                    f"the store: got customer {flag.customer_id[:80]!r} in partition {partition}, expected "
                    f"{expected}, where Java's clients put that key: the producers do not, so that no schedule can be "
                    "written. docs/contracts/README.md says how they do"
                )
