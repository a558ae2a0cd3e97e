"""The contestants side by side: speeds in turns, then how soon alerts are out at half of each one's own top speed."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from bench.results import spread
from bench.stream.contestants import KAFKA_STREAMS, WORKER, Contestant, lines_of_code
from bench.stream.kafka_streams import built, same_as_ours
from bench.stream.measure import Delay, delay, now_ms, top_speed, until
from bench.stream.same_as_ours import compare as compare_features
from bench.stream.steps import cpu_of_steps, wall_of_steps
from bench.stream.system import Bench, History, bench
from risk.dataset import open_dataset
from risk.events import Transaction

Say = Callable[[str], None]

WARM_UP_ROWS = 400
PACED_SECONDS, LONGEST_PACED_SECONDS, LEAST_PACED_ROWS = 8, 20, 10_000
COMPARED_ROWS = 100_000


def stream(rows: int, repeat: int, contestants: Sequence[Contestant], say: Say) -> dict[str, Any]:
    """What was found, ready to be written down."""
    with tempfile.TemporaryDirectory() as name, bench(Path(name), rows) as made:
        say(f"{made.history.rows:,} transactions of cards, {repeat} repetitions")
        lacking = built.missing() if KAFKA_STREAMS in contestants else None
        if lacking is not None:
            say(f"without Kafka Streams: {lacking}")
            contestants = [one for one in contestants if one is not KAFKA_STREAMS]
        same = check(made, contestants, say)
        found = {contestant.name: speeds_of() for contestant in contestants}
        for turn in range(repeat):
            for contestant in contestants:
                _one_speed(made, contestant, found[contestant.name], f"{turn + 1}/{repeat}", say)
        for turn in range(repeat):
            for contestant in contestants:
                half = spread(found[contestant.name]["rows_per_second"]).median / 2
                late = paced(made, contestant, half, made.paced)
                found[contestant.name]["median_ms"].append(late.median)
                found[contestant.name]["p99_ms"].append(late.p99)
                found[contestant.name]["alerts"].append(late.alerts)
                found[contestant.name]["paced_at"] = late.rate
                say(f"{turn + 1}/{repeat} {contestant.name:<14} at {late.rate:,.0f}/s: event to alert "
                    f"{late.median:.0f} ms, p99 {late.p99:.0f} ms, {late.alerts} alerts")  # fmt: skip
        squeezed = _squeezed(made, found[WORKER.name]["paced_at"], say)
        for contestant in contestants:
            found[contestant.name]["lines"] = lines_of_code(contestant.files)
            found[contestant.name]["files"] = contestant.files
            found[contestant.name]["rows"] = rows_of(made, contestant)
        say("where the time goes")
        return {
            "rows": made.history.rows,
            "repeat": repeat,
            "same": same,
            "contestants": found,
            "squeezed": squeezed,
            "cpu_of_steps": cpu_of_steps(made.history),
            "wall_of_steps": wall_of_steps(made),
        }


def speeds_of() -> dict[str, Any]:
    names = ("rows_per_second", "cpu_microseconds", "peak_megabytes", "median_ms", "p99_ms", "alerts")
    return {name: [] for name in names}


def rows_of(made: Bench, contestant: Contestant) -> int:
    return min(made.history.rows, contestant.most_rows or made.history.rows)


def check(made: Bench, contestants: Sequence[Contestant], say: Say) -> dict[str, Any]:
    """That the work is the same: before anything is measured."""
    transactions = first_transactions(made.history.path, COMPARED_ROWS)
    compared = compare_features(transactions, made.history.bundle)
    say(f"by hand and by the engine: {compared.values:,} features and {compared.scores:,} scores are equal to the bit")
    if KAFKA_STREAMS not in contestants:
        return compared._asdict()
    in_java = same_as_ours.compare(made, transactions[: made.history.rows])
    say(f"in Java and by the pipeline: the features of {in_java.flags:,} transactions are equal to the bit, and "
        f"{in_java.alerts:,} alerts with their reasons; scores differ by {in_java.largest:.1g} at most")  # fmt: skip
    return {**compared._asdict(), "in_java": in_java._asdict()}


def first_transactions(path: Path, count: int) -> list[Transaction]:
    return list(islice(chain.from_iterable(rows.block for rows in open_dataset(path).rows()), count))


def _one_speed(made: Bench, contestant: Contestant, found: dict[str, Any], turn: str, say: Say) -> None:
    result = top_speed(contestant, made.fresh(), rows_of(made, contestant))
    for name in ("rows_per_second", "cpu_microseconds", "peak_megabytes"):
        found[name].append(getattr(result, name))
    say(f"{turn} {contestant.name:<14}{result.rows_per_second:>10,.0f}/s{result.cpu_microseconds:>10.1f} µs CPU"
        f"{result.peak_megabytes:>8.0f} MB")  # fmt: skip


def _squeezed(made: Bench, rate: float, say: Say) -> dict[str, Any]:
    """What it does to ours when the long history passes at that pace, and ledger days close many times a second."""
    late = paced(made, WORKER, rate, made.history)
    say(f"the long history at {rate:,.0f}/s: event to alert {late.median:.0f} ms, p99 {late.p99:.0f} ms")
    return late._asdict()


def paced_rows(rate: float, held: int) -> int:
    """How many are sent at that pace, of a history that holds so many."""
    wanted = min(max(rate * PACED_SECONDS, LEAST_PACED_ROWS), rate * LONGEST_PACED_SECONDS)
    return min(held - WARM_UP_ROWS, int(wanted))


def paced(made: Bench, contestant: Contestant, rate: float, history: History) -> Delay:
    """The contestant has its partitions and has scored before the first transaction that counts."""
    run = made.fresh(history)
    rows = paced_rows(rate, history.rows)
    process = contestant.start(run)
    try:
        run.replay(WARM_UP_ROWS)
        until([process], run.store, WARM_UP_ROWS, contestant.stored)
        since = now_ms()
        # Only ours commits under the name that the limit of what is in flight looks at.
        run.replay(rows, "--resume", "--rate", str(max(1, round(rate))), "--max-in-flight", "0")
        until([process], run.store, WARM_UP_ROWS + rows, contestant.stored)
        return asyncio.run(delay(run, rate=rate, since=since))
    finally:
        process.stop(30)
