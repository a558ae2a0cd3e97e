"""Which bundle and which rule set was in force when, and what share a challenger had: what the store says of a log,
for a backtest that replays the same transactions.

Offsets mean nothing in a file. So a start names its first transaction, and its partition, which follows from the
customer.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from risk.block import Block
from risk.bundle import is_version
from risk.clock import to_ms, to_words
from risk.codes import Array
from risk.errors import OptionError
from risk.rules.rule_set import NO_RULES, is_rules_version
from risk.share import MOST_PERCENT, Share, is_percent
from risk.small_file import read_small
from risk.versions import Versions

PartitionOf = Callable[[bytes, int], int]
BEFORE_ALL = -(1 << 62)
NO_SHARE = "none"  # in place of a challenger's version


class Start(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """From here on this bundle or rule set is in force, or this challenger has a share. Without `from`, from the
    beginning; without a partition, in all. Of what happened at the same time, that transaction is the first; without
    one, all are the bundle's."""

    version: str
    partition: int | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    customer_id: str | None = None
    transaction_id: str | None = None
    percent: float | None = None  # of the customers, where a challenger has a share

    @property
    def event_time(self) -> int:
        return BEFORE_ALL if self.since is None else to_ms(self.since)


class Schedule(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    bundles: tuple[Start, ...]
    partitions: int | None = None  # of the log; None where no start names one
    rules: tuple[Start, ...] = ()  # before the first one of a partition, no rule set is in force
    shares: tuple[Start, ...] = ()  # before the first one of a partition, no challenger has one

    @property
    def versions(self) -> tuple[str, ...]:
        """Of bundles, each once, in the order in which they are named; those that had a share alone come first."""
        in_use = tuple(dict.fromkeys(start.version for start in self.bundles))
        given = (start.version for start in self.shares if start.version != NO_SHARE)
        return (*(version for version in dict.fromkeys(given) if version not in in_use), *in_use)

    @property
    def rule_sets(self) -> tuple[str, ...]:
        """Likewise."""
        return tuple(dict.fromkeys(start.version for start in self.rules if start.version != NO_RULES))


def encode_schedule(schedule: Schedule) -> bytes:
    """With a line for each start."""
    return msgspec.json.format(msgspec.json.encode(schedule), indent=1) + b"\n"


def read_schedule(path: Path) -> Schedule:
    try:
        schedule = msgspec.json.decode(read_small(path), type=Schedule)
    except OSError as error:
        raise OptionError(f"--schedule: {path}: {error.strerror}, expected what `scorer schedule` writes") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OptionError(f"--schedule: {path}: {error}, expected what `scorer schedule` writes") from None
    _check(schedule, path)
    return schedule


def _check(schedule: Schedule, path: Path) -> None:
    if not schedule.bundles:
        raise OptionError(f"--schedule: {path}: got no bundles, expected the start of one or more")
    if schedule.partitions is not None and schedule.partitions < 1:
        raise OptionError(f"--schedule: {path}: got {schedule.partitions} partitions, expected one or more")
    for number, start in enumerate(schedule.bundles, 1):
        if not is_version(start.version):
            raise OptionError(
                f"--schedule: {path}, bundle {number}: got version {start.version[:80]!r}, expected one such as "
                "lightgbm-1a2b3c4d"
            )
    for number, start in enumerate(schedule.shares, 1):
        is_none = start.version == NO_SHARE and start.percent is None
        if not is_none and not (is_version(start.version) and start.percent is not None and is_percent(start.percent)):
            raise OptionError(
                f"--schedule: {path}, share {number}: got {start.percent} percent for version {start.version[:80]!r}, "
                f"expected {NO_SHARE} without `percent`, or a version such as lightgbm-1a2b3c4d with more than 0 and "
                f"at most {MOST_PERCENT:g} percent, with one decimal at most"
            )
    for number, start in enumerate(schedule.rules, 1):
        if start.version != NO_RULES and not is_rules_version(start.version):
            raise OptionError(
                f"--schedule: {path}, rule set {number}: got version {start.version[:80]!r}, expected {NO_RULES} or "
                "one such as rules-1a2b3c4d5e6f7a8b"
            )
    _check_starts(schedule.bundles, schedule, f"--schedule: {path}, bundle")
    _check_starts(schedule.rules, schedule, f"--schedule: {path}, rule set")
    _check_starts(schedule.shares, schedule, f"--schedule: {path}, share")


def _check_starts(starts: Sequence[Start], schedule: Schedule, what: str) -> None:
    newest: dict[int | None, int] = {}
    for number, start in enumerate(starts, 1):
        where = f"{what} {number}"
        if start.partition is not None and not 0 <= start.partition < (schedule.partitions or 0):
            raise OptionError(
                f"{where}: got partition {start.partition}, expected one of {schedule.partitions or 0} (`partitions`)"
            )
        if (start.customer_id is None) != (start.transaction_id is None) or (start.customer_id and not start.since):
            raise OptionError(f"{where}: expected `from`, `customer_id` and `transaction_id` together, or `from` alone")
        if start.percent is not None and starts is not schedule.shares:
            raise OptionError(f"{where}: got `percent`, expected it with a share alone (`shares`)")
        time = start.event_time
        before = max(newest.get(start.partition, BEFORE_ALL), newest.get(None, BEFORE_ALL))
        if time < before:
            raise OptionError(
                f"{where}: got a start before {to_words(before)}, where one above it is; expected them in order"
            )
        if start.since is None and (start.partition in newest or None in newest):
            raise OptionError(f"{where}: got a second start without `from`, expected one of each partition")
        newest[start.partition] = time


class InForce:
    """Goes along a history, block after block in the order of event time, as each partition's log was."""

    def __init__(self, schedule: Schedule, partition_of: PartitionOf) -> None:
        self.bundles = schedule.versions
        self.rule_sets = (None, *schedule.rule_sets)
        # Every pair, of which few ever decided: of a share, each bundle decides for its own customers.
        self.versions = [Versions(bundle, rules) for bundle in self.bundles for rules in self.rule_sets]
        self._numbers = {versions: number for number, versions in enumerate(self.versions)}
        self._partitions = schedule.partitions
        self._partition_of = partition_of
        self._bundles = _Along(schedule.bundles)
        self._rules = _Along((Start(NO_RULES), *schedule.rules))
        self._shares = _Along((Start(NO_SHARE), *schedule.shares))

    def of(self, block: Block) -> Array:
        """For each row the number of its versions. What lies before the first start is the first bundle's, and no rule
        set's."""
        rows = zip(block.event_time.tolist(), block.customer_id, block.transaction_id, strict=True)
        return np.fromiter((self._of(*row) for row in rows), np.int64, len(block))

    def _of(self, time: int, customer: str, transaction: str) -> int:
        partitions = self._partitions
        partition = 0 if partitions is None else self._partition_of(customer.encode(), partitions)
        bundle, rules, share = (
            along.of(partition, time, customer, transaction) for along in (self._bundles, self._rules, self._shares)
        )
        decides = bundle.version
        if share.percent is not None and share.version != decides:  # what is in use has no share beside itself
            decides = Share(decides, share.version, share.percent).decides(customer)
        return self._numbers[Versions(decides, None if rules.version == NO_RULES else rules.version)]


class _Along:
    """Of bundles, rule sets or shares: which one is in force where the history is."""

    def __init__(self, starts: Sequence[Start]) -> None:
        self._starts = starts
        # Of partitions that came: a file may name any number of them.
        self._lines: dict[int, Sequence[tuple[int, Start]]] = {}
        self._places: dict[int, int] = {}

    def of(self, partition: int, time: int, customer: str, transaction: str) -> Start:
        """The start that counts."""
        if partition not in self._lines:
            own = (start for start in self._starts if start.partition in (None, partition))
            self._lines[partition], self._places[partition] = [(start.event_time, start) for start in own], 0
        line, place = self._lines[partition], self._places[partition]
        if not line:
            raise OptionError(
                f"--schedule: got transaction {transaction[:80]!r} of customer {customer[:80]!r}, expected none of "
                f"partition {partition}, of which the schedule says nothing"
            )
        while place + 1 < len(line) and _has_begun(*line[place + 1], time, (customer, transaction)):
            place += 1
        self._places[partition] = place
        return line[place][1]


def _has_begun(since: int, start: Start, time: int, row: tuple[str, str]) -> bool:
    is_first = start.transaction_id is None or (start.customer_id, start.transaction_id) == row
    return time > since or (time == since and is_first)
