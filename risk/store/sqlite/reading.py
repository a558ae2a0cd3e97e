"""The reporter's questions. Columns come as one text each, as histories do; here as blobs, since most texts are only
counted."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from risk.errors import StoreError
from risk.events import DECISIONS, LEVELS
from risk.store.rows import (
    NO_DECISION,
    NO_LEVEL,
    UNKNOWN_AMOUNT,
    FlagColumns,
    FlagRow,
    JudgedFlag,
    LabelCount,
    LabelKey,
    Samples,
    ShadowColumns,
)
from risk.store.sqlite.file import StoreFile, place_of
from risk.store.sqlite.flags import COLUMNS, NUL, numbers, parted, partitions_of
from risk.store.sqlite.opening import open_file_to_read
from risk.store.sqlite.shadow import code_of
from risk.store.sqlite.store import SqliteStore
from risk.store.sqlite.views import DECISION

BUSY_MS = 5_000
OFFSETS_AT_ONCE = 32_768
LABELS_AT_ONCE = 20_000
SAMPLES_AT_ONCE = 5_000
# So often a reading looks whether it is to end: every few milliseconds.
STEPS_BETWEEN_LOOKS = 1_000_000

_LEVEL = " ".join(f"when '{level}' then {number}" for number, level in enumerate(LEVELS))
_DECIDED = " ".join(f"when '{decision}' then {number}" for number, decision in enumerate(DECISIONS))
_PLACE_OF_DECISION = f"case {DECISION} {_DECIDED} else {NO_DECISION} end"


def _column(value: str) -> str:
    return f"cast(group_concat({value}, :nul) as blob)"


_PIECE = f"""
select count(*), cast(group_concat(source_offset) as blob), cast(group_concat(event_time) as blob),
       cast(group_concat(ifnull(amount, {UNKNOWN_AMOUNT})) as blob),
       cast(group_concat(case level {_LEVEL} else {NO_LEVEL} end, '') as blob),
       cast(group_concat({_PLACE_OF_DECISION}, '') as blob), cast(group_concat(share is not null, '') as blob),
       cast(group_concat(cast(score * :score_steps as int)) as blob),
       {_column("customer_id")}, {_column("transaction_id")}, {_column("currency")},
       {_column("ifnull(merchant_category, :missing)")}, {_column("ifnull(channel, :missing)")},
       {_column("bundle_version")}
from risk_flags where source_partition = :partition and source_offset >= :first and source_offset < (
    select min(source_offset) from risk_flags where source_partition = :partition and source_offset >= :first
) + {OFFSETS_AT_ONCE}
"""
# Which label is in force says the view. It is the newest, so its time is the latest.
_JUDGED = f"""
select source_offset, event_time, cast(customer_id as blob), cast(currency as blob), amount,
       cast(bundle_version as blob), {_PLACE_OF_DECISION}, (
    select is_fraud from readable_flags as seen
    where seen.source_partition = flag.source_partition and seen.source_offset = flag.source_offset
), (
    select max(labelled_at) from labels
    where labels.customer_id = flag.customer_id and labels.transaction_id = flag.transaction_id
)
from json_each(:offsets) cross join risk_flags as flag
where flag.source_partition = :partition and flag.source_offset = value
"""
_SAMPLES = f"""
select source_offset, event_time, score, cast(bundle_version as blob), features
from feature_samples join risk_flags using (source_partition, source_offset)
where source_partition = ? and source_offset >= ? order by source_offset limit {SAMPLES_AT_ONCE}
"""
_SHADOW = f"""
select count(*), cast(group_concat(source_offset) as blob), cast(group_concat(event_time) as blob),
       cast(group_concat(case risk_flags.level {_LEVEL} else {NO_LEVEL} end, '') as blob),
       cast(group_concat(case when shadow_scores.level between 0 and {len(LEVELS) - 1} then shadow_scores.level
                         else {NO_LEVEL} end, '') as blob), {_column("bundle_version")}
from shadow_scores cross join risk_flags using (source_partition, source_offset)
where source_partition = :partition and challenger = :code and source_offset >= :first and source_offset < (
    select min(source_offset) from shadow_scores
    where source_partition = :partition and challenger = :code and source_offset >= :first
) + {OFFSETS_AT_ONCE}
"""
_LABELS = (
    "from labels indexed by labels_by_offset where source_partition = ? and source_offset > ? and source_offset <= ?"
)
_COUNTS = f"select is_fraud, count(*), max(labelled_at) {_LABELS} group by is_fraud"
_KEYS = (
    f"select source_offset, cast(customer_id as blob), cast(transaction_id as blob), is_fraud {_LABELS} "
    f"and is_fraud >= ? order by source_offset limit {LABELS_AT_ONCE}"
)


class SqliteStoreToReport:
    def __init__(self, file: StoreFile) -> None:
        self._file = file
        store = SqliteStore(file)
        self.close = store.close
        self.positions, self.ledger_bounds = store.positions, store.ledger_bounds
        self.bundles, self.newest_bundles = store.bundles, store.newest_bundles
        self.challengers, self.starts, self.share_starts = store.challengers, store.starts, store.share_starts
        self.shadow_spans, self.retrainings = store.shadow_spans, store.retrainings

    @property
    def place(self) -> object:
        return self._file.place

    def last_written(self) -> int:
        path = self._file.path
        try:
            moments = [path.stat().st_mtime]
            with suppress(FileNotFoundError):  # the log goes with its last writer
                moments.append(path.with_name(path.name + "-wal").stat().st_mtime)
        except OSError as error:
            raise _unreachable(path, error) from error
        return int(max(moments) * 1000)

    def flag_times(self) -> tuple[int | None, int | None]:
        with self._file.reading() as connection:
            # Each a look at an end of the index, which both in one query would not be.
            [oldest] = connection.execute("select min(event_time) from risk_flags").fetchone()
            [newest] = connection.execute("select max(event_time) from risk_flags").fetchone()
        return oldest, newest

    def flagged_partitions(self) -> list[int]:
        return partitions_of(self._file, "risk_flags")

    def flag_columns(self, partition: int, first: int, *, score_steps: int, missing: str) -> FlagColumns | None:
        asked = {"nul": NUL, "partition": partition, "first": first, "score_steps": score_steps, "missing": missing}
        with self._file.reading() as connection:
            count, *columns = connection.execute(_PIECE, asked).fetchone()
        if not count:
            return None
        offsets, event_times, amounts, levels, decisions, are_shared, scores, *texts = columns
        return FlagColumns(
            numbers(offsets),
            numbers(event_times),
            numbers(amounts),
            np.frombuffer(levels, np.uint8) - ord("0"),
            np.frombuffer(decisions, np.uint8) - ord("0"),
            np.frombuffer(are_shared, np.uint8) == ord("1"),
            numbers(scores),
            *(parted(text, b"\0", count) for text in texts),
        )

    def flag(self, partition: int, offset: int) -> FlagRow | None:
        asked = f"select {COLUMNS} from risk_flags where source_partition = ? and source_offset = ?"
        with self._file.reading() as connection:
            row = connection.execute(asked, (partition, offset)).fetchone()
        return None if row is None else FlagRow(*row)

    def judged_flags(self, partition: int, offsets: Sequence[int]) -> list[JudgedFlag]:
        with self._file.reading() as connection:
            asked = {"offsets": json.dumps(offsets), "partition": partition}
            return list(map(JudgedFlag._make, connection.execute(_JUDGED, asked)))

    def samples(self, partition: int, first: int) -> Samples | None:
        with self._file.reading() as connection:
            rows = connection.execute(_SAMPLES, (partition, first)).fetchall()
        if not rows:
            return None
        offsets, event_times, scores, versions, features = zip(*rows, strict=True)
        return Samples(np.array(offsets), np.array(event_times), np.array(scores), list(versions), list(features))

    def shadow_columns(self, version: str, partition: int, first: int) -> ShadowColumns | None:
        with self._file.reading() as connection:
            asked = {"nul": NUL, "partition": partition, "first": first, "code": code_of(connection, version)}
            count, *columns = connection.execute(_SHADOW, asked).fetchone()
        if not count:
            return None
        offsets, event_times, levels, challenger_levels, versions = columns
        return ShadowColumns(
            numbers(offsets),
            numbers(event_times),
            np.frombuffer(levels, np.uint8) - ord("0"),
            np.frombuffer(challenger_levels, np.uint8) - ord("0"),
            parted(versions, b"\0", count),
        )

    def labelled_partitions(self) -> list[int]:
        return partitions_of(self._file, "labels indexed by labels_by_offset")

    def last_label(self, partition: int) -> int:
        with self._file.reading() as connection:
            asked = "select max(source_offset) from labels where source_partition = ?"
            [last] = connection.execute(asked, (partition,)).fetchone()
        return int(last)

    def label_counts(self, partition: int, after: int, last: int) -> list[LabelCount]:
        with self._file.reading() as connection:
            return list(map(LabelCount._make, connection.execute(_COUNTS, (partition, after, last))))

    def label_keys(self, partition: int, after: int, last: int, *, only_frauds: bool) -> Iterator[list[LabelKey]]:
        while True:
            with self._file.reading() as connection:
                rows = connection.execute(_KEYS, (partition, after, last, int(only_frauds))).fetchall()
            if not rows:
                return
            after = rows[-1][0]
            yield [LabelKey(*key) for _, *key in rows]


def open_to_report(path: Path, *, is_over: Callable[[], bool] = lambda: False) -> SqliteStoreToReport:
    """StoreError where there is none, or one of another schema. When `is_over` says so, what is asked is broken off."""
    file = file_to_report(path)
    file.connection.set_progress_handler(is_over, STEPS_BETWEEN_LOOKS)
    return SqliteStoreToReport(file)


def file_to_report(path: Path) -> StoreFile:
    path = Path(os.path.realpath(path))
    try:
        if path.is_fifo():  # which would keep us waiting for ever
            raise StoreError(f"{path}: got a pipe, expected the store's file; give another path")
        is_empty = place_of(path) is not None and path.stat().st_size == 0
    except OSError as error:
        raise _unreachable(path, error) from error
    if is_empty:
        raise StoreError(
            f"{path}: the file is empty, expected a store. A worker that begins may be making it now; if none is, "
            "what it held is gone. Put the last backup in its place: docs/runbook.md, TrustLensStoreNotReadable"
        )
    return open_file_to_read(path, BUSY_MS)


def _unreachable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: {error.strerror}, expected a file that may be read; change the permissions of file and folder, or "
        "give another path"
    )
