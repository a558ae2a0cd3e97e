"""The compiled loops: the only file that may use numba. Arrays in, arrays out; what they mean is said by the callers.

An arena keeps many growing series in shared columns: series `s` is `column[lo[s]:hi[s]]`, inside the block of
`cap[s]` places that begins at `start[s]`. Blocks have few sizes, so that one that was outgrown serves another series.
What was compiled is kept in numba's cache, so that a start does not pay for it. The file is long because that cache
watches one file: a loop that called one in another would go on with the old one after a change.
"""

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit

from risk.codes import Array

Function = TypeVar("Function", bound=Callable[..., Any])


def _load_without_blas() -> None:
    """numba asks for SciPy's linear algebra when it loads what it knows of arrays: 0.2 s of every start. No loop here
    needs it, and numba keeps the answer that there is none: its own sums take the place."""
    blas = "scipy.linalg.cython_blas"
    if blas in sys.modules:
        return
    sys.modules[blas] = None  # type: ignore[assignment]  # the interpreter's own way to say that there is none
    try:
        import_module("numba.np.arraymath")
    finally:
        del sys.modules[blas]


_load_without_blas()


def compiled(function: Function) -> Function:
    """Without the interpreter's lock, so that a worker's event loop goes on meanwhile. Inlined, because handing a
    dozen arrays to a small function costs more than what it does. And without numba's runtime (`_nrt`), which would
    count the references of all these arrays at every such call, by atomic instructions: of 3.8 microseconds a row that
    took 3.4. Whoever calls has the arrays meanwhile. A loop can allocate nothing then: it is handed what it fills."""
    options: dict[str, Any] = {"nogil": True, "forceinline": True, "_nrt": False}
    try:
        made = njit(cache=True, **options)(function)
    except RuntimeError as error:  # numba's only sign that it found no folder to write to
        warnings.warn(
            f"{function.__name__}: numba has no folder to keep compiled code in ({error}); it is compiled at every "
            "start, which takes some seconds. Set NUMBA_CACHE_DIR to a folder that can be written to.",
            RuntimeWarning,
            stacklevel=2,
        )
        made = njit(**options)(function)
    return cast(Function, made)


# Again, and not from risk.clock: numba's cache would not see a change there.
HOUR = 3_600_000
DAY = 24 * HOUR
WEEK = 7 * DAY
MONTH = 30 * DAY

SCORED, DUPLICATE, LATE = 0, 1, 2

# From so many entries on, a customer's are found by an index instead of by looking through them.
BUSY = 256
NEVER = -(1 << 60)
# Keep the kinds of codes apart in the index.
AN_ID, A_MERCHANT, A_DEVICE, A_COUNTRY = 0, 0x5851F42D4C957F2D, 0x14057B7EF767814F, 0x2545F4914F6CDD1D
TOP_BITS = 6
TOP = 1 << TOP_BITS

# Block sizes: 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, ...: at most a quarter of a block is left over.
SIZES = np.array([2, 3] + [quarters << k for k in range(38) for quarters in (4, 5, 6, 7)], dtype=np.int64)


@compiled
def after(times: Array, lo: int, hi: int, moment: int) -> int:
    """The first place in [lo, hi) whose time is after the moment; hi if there is none."""
    while lo < hi:
        middle = (lo + hi) >> 1
        if times[middle] > moment:
            hi = middle
        else:
            lo = middle + 1
    return lo


# --- the arena -------------------------------------------------------------------------------------------------


@compiled
def _block_class(live: int) -> int:
    """The smallest size with a sixteenth to spare: a full block is copied, and this many entries pay for the copy."""
    return int(np.searchsorted(SIZES, live + live // 16))


@compiled
def plan(
    series: Array, wanted: Array, start: Array, lo: Array, hi: Array, cap: Array, times: Array, horizon: int
) -> int:
    """Lets go of what is at or before the horizon where room is short; counts the new places that are needed.

    `wanted` comes all zero. Where a series is short, it comes back holding minus the entries it must have room for.
    """
    for s in series:
        wanted[s] += 1
    needed = 0
    for s in series:
        count = wanted[s]
        if count <= 0:
            continue  # settled at an earlier entry of this batch
        if hi[s] + count <= start[s] + cap[s]:
            wanted[s] = 0
            continue
        lo[s] = after(times, lo[s], hi[s], horizon)
        live = hi[s] - lo[s] + count
        wanted[s] = -live
        if live + live // 16 > cap[s]:
            needed += SIZES[_block_class(live)]
    return needed


class Moves(NamedTuple):
    """What a reservation is to move, with a row for each mention of a series; `place` says how many are filled."""

    moves: Array  # from, to, length, in the order in which they must be made
    movers: Array  # the series that moved
    freed: Array  # the blocks that are free afterwards: start, size class

    @classmethod
    def at_most(cls, count: int) -> "Moves":
        return cls(np.empty((count, 3), np.int64), np.empty(count, np.int64), np.empty((count, 2), np.int64))


@compiled
def place(
    series: Array,
    wanted: Array,
    start: Array,
    lo: Array,
    hi: Array,
    cap: Array,
    free: Array,
    times: Array,
    end: int,
    out: Moves,
) -> tuple[int, int, int]:
    """Gives each short series a block that is large enough.

    Fills `out`; answers how many moves there are, how many blocks become free, and the new end. `free[size class]`
    heads a list of free blocks; each names the next in its first time.
    """
    moves, movers, freed = out
    moved = outgrown = 0
    for s in series:
        if wanted[s] == 0:
            continue
        live = -wanted[s]
        wanted[s] = 0
        length = hi[s] - lo[s]
        target = start[s]
        if live + live // 16 > cap[s]:
            if cap[s] > 0:
                freed[outgrown, 0] = start[s]
                freed[outgrown, 1] = np.searchsorted(SIZES, cap[s])
                outgrown += 1
            size_class = _block_class(live)
            target = free[size_class]
            if target >= 0:
                free[size_class] = times[target]
            else:
                target = end
                end += SIZES[size_class]
            start[s] = target
            cap[s] = SIZES[size_class]
        moves[moved, 0] = lo[s]
        moves[moved, 1] = target
        moves[moved, 2] = length
        movers[moved] = s
        moved += 1
        lo[s] = target
        hi[s] = target + length
    return moved, outgrown, end


@compiled
def move(column: Array, moves: Array) -> None:
    """Moves within a block go to the left, others do not overlap: copying upwards is right for both."""
    for m in range(len(moves)):
        source, target, length = moves[m, 0], moves[m, 1], moves[m, 2]
        for i in range(length):
            column[target + i] = column[source + i]


@compiled
def release(freed: Array, free: Array, times: Array) -> None:
    """Puts blocks on the free lists; only after the moves, for the link is written into the block."""
    for i in range(len(freed)):
        place_, size_class = freed[i, 0], freed[i, 1]
        times[place_] = free[size_class]
        free[size_class] = place_


@compiled
def idle(
    start: Array, lo: Array, hi: Array, cap: Array, times: Array, horizon: int, series: Array, freed: Array
) -> int:
    """The series whose newest entry is at or before the horizon, emptied, and their blocks; how many there are."""
    count = 0
    for s in range(len(start)):
        if cap[s] > 0 and (hi[s] == lo[s] or times[hi[s] - 1] <= horizon):
            series[count] = s
            freed[count, 0] = start[s]
            freed[count, 1] = np.searchsorted(SIZES, cap[s])
            start[s] = lo[s] = hi[s] = cap[s] = 0
            count += 1
    return count


# --- customers' histories ----------------------------------------------------------------------------------------


class Rows(NamedTuple):
    """A batch, coded as numbers."""

    customers: Array  # series of the arena
    times: Array
    amounts: Array  # minor units; -1 where missing
    ids: Array
    merchants: Array  # 0 where missing, and so for devices and countries
    devices: Array
    countries: Array


class Past(NamedTuple):
    """The arena of histories. `sums` and `known` tell what came before an entry; for a series' end see the `ends`."""

    lo: Array
    hi: Array
    sum_ends: Array
    known_ends: Array
    busy: Array  # 1 where the customer's entries are in the index
    distinct: Array  # of a busy customer: different merchants after `day_from`
    day_from: Array
    tops: Array  # the largest amount of each 64 places that lie within one series
    times: Array
    ids: Array
    sums: Array  # of known amounts
    known: Array  # how many amounts were known
    merchants: Array
    devices: Array
    countries: Array


@compiled
def _sum_before(past: Past, s: int, i: int) -> int:
    return past.sums[i] if i < past.hi[s] else past.sum_ends[s]  # type: ignore[no-any-return]


@compiled
def _known_before(past: Past, s: int, i: int) -> int:
    return past.known[i] if i < past.hi[s] else past.known_ends[s]  # type: ignore[no-any-return]


class Index(NamedTuple):
    """When a busy customer last used an id, merchant, device or country: a hash table with open addressing."""

    customers: Array  # -1 where free
    codes: Array
    last: Array
    size: Array  # one number: how many entries there are


@compiled
def _home(index: Index, s: int, code: int) -> int:
    """Where the entry is, or the free place where it belongs."""
    mixed = (code ^ (code >> 29)) * -4658895280553007687 + s * 7046029254386353131
    mask = len(index.codes) - 1
    place = (mixed ^ (mixed >> 32)) & mask
    while index.customers[place] >= 0 and not (index.customers[place] == s and index.codes[place] == code):
        place = (place + 1) & mask
    return place


@compiled
def _last(index: Index, s: int, code: int) -> int:
    place = _home(index, s, code)
    return index.last[place] if index.customers[place] >= 0 else NEVER


@compiled
def _note(index: Index, s: int, code: int, time: int) -> None:
    place = _home(index, s, code)
    if index.customers[place] < 0:
        index.customers[place] = s
        index.codes[place] = code
        index.last[place] = time
        index.size[0] += 1
    else:
        index.last[place] = max(index.last[place], time)


@compiled
def _note_entry(index: Index, past: Past, s: int, i: int) -> None:
    time = past.times[i]
    _note(index, s, past.ids[i] ^ AN_ID, time)
    if past.merchants[i] != 0:
        _note(index, s, past.merchants[i] ^ A_MERCHANT, time)
    if past.devices[i] != 0:
        _note(index, s, past.devices[i] ^ A_DEVICE, time)
    if past.countries[i] != 0:
        _note(index, s, past.countries[i] ^ A_COUNTRY, time)


@compiled
def copy_index(old: Index, new: Index, horizon: int) -> None:
    """What happened at or before the horizon is left behind."""
    for place in range(len(old.codes)):
        if old.customers[place] >= 0 and old.last[place] > horizon:
            _note(new, old.customers[place], old.codes[place], old.last[place])


@compiled
def newly_busy(customers: Array, past: Past, found: Array) -> tuple[int, int]:
    """The customers of the batch with so many entries that looking through them costs more than an index: how many
    were found; and how many index entries the batch can add."""
    count = entries = 0
    for s in customers:
        if past.busy[s] == 1:
            entries += 4
        elif past.hi[s] - past.lo[s] > BUSY:
            past.busy[s] = 1
            past.day_from[s] = 0
            found[count] = s
            count += 1
            entries += 4 * (past.hi[s] - past.lo[s] + 1)
    return count, entries


@compiled
def index_customers(customers: Array, past: Past, index: Index) -> None:
    for s in customers:
        for i in range(past.lo[s], past.hi[s]):
            _note_entry(index, past, s, i)


@compiled
def _used(past: Past, index: Index, s: int, id_code: int, since: int, until: int) -> bool:
    """Whether the customer used this id with a time in (since, until]."""
    if past.busy[s] == 1:
        last = _last(index, s, id_code ^ AN_ID)
        if last <= until:
            return last > since
    times, ids = past.times, past.ids
    place = after(times, past.lo[s], past.hi[s], since)
    while place < past.hi[s] and not (ids[place] == id_code and times[place] <= until):
        place += 1
    return place < past.hi[s]  # type: ignore[no-any-return]


@compiled
def _is_new(
    past: Past, index: Index, codes: Array, kind: int, s: int, since: int, until: int, code: int, time: int
) -> float:
    """1 if no place in [since, until), which are those of the month up to `time`, holds the code."""
    if code == 0:
        return np.nan
    if past.busy[s] == 1:
        last = _last(index, s, code ^ kind)
        if last <= time:
            return 0.0 if last > time - MONTH else 1.0
    for i in range(until - 1, since - 1, -1):  # from the newest back: the usual is found at once
        if codes[i] == code:
            return 0.0
    return 1.0


@compiled
def _count_distinct(codes: Array, since: int, until: int, seen: Array) -> int:
    """How many different codes but 0 are in [since, until). `seen[0]` counts the calls and marks what this one saw."""
    seen[0] += 1
    mark = seen[0]
    count = 0
    for i in range(since, until):
        code = codes[i]
        if code != 0 and seen[code] != mark:
            seen[code] = mark
            count += 1
    return count


@compiled
def _distinct(past: Past, index: Index, s: int, from_day: int, until: int, time: int, seen: Array) -> int:
    """Different merchants in [from_day, until), the places of the day up to `time`. For a busy customer a running
    count: a merchant leaves it with its last entry."""
    if past.busy[s] == 0 or until < past.hi[s]:
        return _count_distinct(past.merchants, from_day, until, seen)
    if time - DAY - past.day_from[s] > WEEK:  # the entries in between may be gone
        past.distinct[s] = _count_distinct(past.merchants, from_day, until, seen)
        past.day_from[s] = time - DAY
    elif time - DAY > past.day_from[s]:
        for i in range(after(past.times, past.lo[s], from_day, past.day_from[s]), from_day):
            merchant = past.merchants[i]
            if merchant != 0 and _last(index, s, merchant ^ A_MERCHANT) == past.times[i]:
                later = i + 1
                while later < from_day and past.times[later] == past.times[i] and past.merchants[later] != merchant:
                    later += 1
                if later == from_day or past.times[later] != past.times[i]:
                    past.distinct[s] -= 1
        past.day_from[s] = time - DAY
    return past.distinct[s]  # type: ignore[no-any-return]


@compiled
def _largest(past: Past, s: int, since: int, until: int) -> int:
    """The largest known amount in [since, until); -1 if there is none."""
    sums, known = past.sums, past.known
    largest = -1
    if until == past.hi[s] and since < until:
        until -= 1
        if past.known_ends[s] != known[until]:
            largest = past.sum_ends[s] - sums[until]
    place = since
    while place < until:
        if place & (TOP - 1) == 0 and place + TOP <= until:
            largest = max(largest, past.tops[place >> TOP_BITS])
            place += TOP
            continue
        stop = min(until, (place | (TOP - 1)) + 1)
        for i in range(place, stop):
            if known[i + 1] != known[i]:
                largest = max(largest, sums[i + 1] - sums[i])
        place = stop
    return largest


@compiled
def _find_tops(past: Past, s: int, since: int) -> None:
    """The tops of what lies at or behind a place, as far as they are full."""
    first = since >> TOP_BITS
    if first << TOP_BITS < past.lo[s]:
        first += 1
    for top in range(first, past.hi[s] >> TOP_BITS):
        largest = -1
        for i in range(top << TOP_BITS, (top + 1) << TOP_BITS):
            known_after = past.known[i + 1] if i + 1 < past.hi[s] else past.known_ends[s]
            if known_after != past.known[i]:
                sum_after = past.sums[i + 1] if i + 1 < past.hi[s] else past.sum_ends[s]
                largest = max(largest, sum_after - past.sums[i])
        past.tops[top] = largest


@compiled
def find_moved_tops(customers: Array, past: Past) -> None:
    """After their entries moved."""
    for s in customers:
        _find_tops(past, s, past.lo[s])


@compiled
def _remember(past: Past, index: Index, rows: Rows, row: int) -> None:
    """Puts a row where its time belongs, after those of the same time; room is there."""
    s, time = rows.customers[row], rows.times[row]
    end = past.hi[s]
    at = after(past.times, past.lo[s], end, time)
    gained = max(rows.amounts[row], 0)
    counted = 1 if rows.amounts[row] >= 0 else 0
    sum_before, known_before = _sum_before(past, s, at), _known_before(past, s, at)
    for i in range(end, at, -1):
        past.times[i] = past.times[i - 1]
        past.ids[i] = past.ids[i - 1]
        past.sums[i] = past.sums[i - 1] + gained
        past.known[i] = past.known[i - 1] + counted
        past.merchants[i] = past.merchants[i - 1]
        past.devices[i] = past.devices[i - 1]
        past.countries[i] = past.countries[i - 1]
    past.times[at] = time
    past.ids[at] = rows.ids[row]
    past.sums[at] = sum_before
    past.known[at] = known_before
    past.merchants[at] = rows.merchants[row]
    past.devices[at] = rows.devices[row]
    past.countries[at] = rows.countries[row]
    past.hi[s] = end + 1
    past.sum_ends[s] += gained
    past.known_ends[s] += counted
    if at < end or (end + 1) & (TOP - 1) == 0:
        _find_tops(past, s, at)
    if past.busy[s] == 1:
        merchant = rows.merchants[row]
        if merchant != 0 and time > past.day_from[s] and _last(index, s, merchant ^ A_MERCHANT) <= past.day_from[s]:
            past.distinct[s] += 1
        _note_entry(index, past, s, at)


@compiled
def take(
    rows: Rows,
    past: Past,
    index: Index,
    newest: int,
    max_lateness: int,
    scale: int,
    seen: Array,
    verdicts: Array,
    out: Array,
) -> int:
    """Row by row: the verdict, and for what is scored the features out of the past, then its place in the history.

    The columns of `out` are those of catalogue.HISTORY_FEATURES, in its order. Answers the newest scored event time.
    """
    for row in range(len(rows.times)):
        s, t, amount = rows.customers[row], rows.times[row], rows.amounts[row]
        # What lies before the second bound may be gone from memory, so it must not decide.
        since = max(t - MONTH - max_lateness, newest - MONTH - 2 * max_lateness)
        if _used(past, index, s, rows.ids[row], since, t + max_lateness):
            verdicts[row] = DUPLICATE
            continue
        if t < newest - max_lateness:
            verdicts[row] = LATE
            continue
        verdicts[row] = SCORED
        newest = max(newest, t)

        until = after(past.times, past.lo[s], past.hi[s], t)
        from_month = after(past.times, past.lo[s], until, t - MONTH)
        from_week = after(past.times, from_month, until, t - WEEK)
        from_day = after(past.times, from_week, until, t - DAY)
        from_hour = after(past.times, from_day, until, t - HOUR)
        largest = -1
        searched = until
        mean = np.nan
        for w, since_place in enumerate((from_hour, from_day, from_week, from_month)):
            largest = max(largest, _largest(past, s, since_place, searched))
            searched = since_place
            total = _sum_before(past, s, until) - _sum_before(past, s, since_place)
            count = _known_before(past, s, until) - _known_before(past, s, since_place)
            mean = total / (count * scale) if count else np.nan
            out[row, 4 * w] = until - since_place
            out[row, 4 * w + 1] = total / scale
            out[row, 4 * w + 2] = mean
            out[row, 4 * w + 3] = largest / scale if largest >= 0 else np.nan
        out[row, 16] = (t - past.times[until - 1]) / 1000.0 if until > from_month else np.nan
        out[row, 17] = (amount / scale) / mean if amount >= 0 and mean > 0 else np.nan
        out[row, 18] = _is_new(past, index, past.merchants, A_MERCHANT, s, from_month, until, rows.merchants[row], t)
        out[row, 19] = _is_new(past, index, past.devices, A_DEVICE, s, from_month, until, rows.devices[row], t)
        out[row, 20] = _is_new(past, index, past.countries, A_COUNTRY, s, from_month, until, rows.countries[row], t)
        out[row, 21] = _distinct(past, index, s, from_day, until, t, seen)
        _remember(past, index, rows, row)
    return newest


@compiled
def remember_all(rows: Rows, past: Past, index: Index) -> None:
    """Puts rows that were scored earlier back into the histories."""
    for row in range(len(rows.times)):
        _remember(past, index, rows, row)


@compiled
def mark_codes(past: Past, merchants: Array, countries: Array) -> None:
    for s in range(len(past.lo)):
        for i in range(past.lo[s], past.hi[s]):
            merchants[past.merchants[i]] = True
            countries[past.countries[i]] = True


# --- the merchant ledger -----------------------------------------------------------------------------------------


class Book(NamedTuple):
    """The arena of the ledger: an entry for each merchant and bucket. Counts and frauds are what came before it."""

    lo: Array
    hi: Array
    count_ends: Array
    fraud_ends: Array
    buckets: Array
    counts: Array
    frauds: Array


@compiled
def append_day(book: Book, merchants: Array, buckets: Array, transactions: Array, frauds: Array) -> None:
    """Adds a closed day's rows behind what their merchants have; room is there."""
    for row in range(len(merchants)):
        s = merchants[row]
        at = book.hi[s]
        book.buckets[at] = buckets[row]
        book.counts[at] = book.count_ends[s]
        book.frauds[at] = book.fraud_ends[s]
        book.count_ends[s] += transactions[row]
        book.fraud_ends[s] += frauds[row]
        book.hi[s] = at + 1


@compiled
def _before(values: Array, ends: Array, book: Book, s: int, i: int) -> int:
    return values[i] if i < book.hi[s] else ends[s]  # type: ignore[no-any-return]


@compiled
def look_up(book: Book, merchants: Array, times: Array, delay: int, bucket: int, out: Array) -> None:
    """The columns of catalogue.LEDGER_FEATURES. Merchant 0 is "no merchant"."""
    for row in range(len(merchants)):
        s = merchants[row]
        if s == 0:
            out[row, :] = np.nan
            continue
        if s >= len(book.lo):  # of whom no day says anything
            out[row, :] = 0.0
            continue
        edge = (times[row] - delay) // bucket * bucket
        until = after(book.buckets, book.lo[s], book.hi[s], edge - 1)
        for w, window in enumerate((DAY, WEEK, MONTH)):
            since = after(book.buckets, book.lo[s], until, edge - window - 1)
            count = _before(book.counts, book.count_ends, book, s, until) - _before(
                book.counts, book.count_ends, book, s, since
            )
            fraud = _before(book.frauds, book.fraud_ends, book, s, until) - _before(
                book.frauds, book.fraud_ends, book, s, since
            )
            out[row, 3 * w] = count
            out[row, 3 * w + 1] = fraud
            out[row, 3 * w + 2] = fraud / count if count else 0.0
