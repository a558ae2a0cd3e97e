"""Both trees in turns, on the same Kafka, histories and bundle."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.against.tables import RATE, TARGETS, Found, Pair
from bench.features import timed
from bench.growth.restart import AFTER_ROWS, filled, started_again
from bench.stream.compare import Say, paced, paced_rows
from bench.stream.contestants import WORKER
from bench.stream.measure import Delay, Speed, top_speed
from bench.stream.system import LEAST_CUSTOMERS, Bench, History, Tree, broker, generated, trained

STREAM, PACED, RESTART, BACKTEST, FEATURES = PARTS = ("stream", "paced", "restart", "backtest", "features")
OF_A_WORKER = {STREAM, PACED, RESTART}
FULL_ROWS = 252_000
WARM_UP_ROWS = 20_000


class Shape(NamedTuple):
    customers: int  # two transactions of each a day
    days: int
    least_customers: int = 1


DENSE, LONG, MONTH = "dense", "long", "month"
SHAPES = {
    DENSE: Shape(9_000, 14),
    LONG: Shape(900, 120, LEAST_CUSTOMERS),  # the bundle is trained on it
    MONTH: Shape(16_700, 30),
}

Measured = TypeVar("Measured")


class Against:
    """One contest: its histories, its bundle, and what was found so far."""

    def __init__(self, folder: Path, old: Tree, new: Tree, rows: int, turns: int, say: Say) -> None:
        self._folder, self._rows, self._turns, self._say = folder, rows, turns, say
        self._old, self._sides = old, (old, new)
        self._own = new._replace(name="own")  # with a bundle of its own
        self._histories: dict[str, History] = {}
        self._found = Found([], {}, {})

    def measured(self, parts: Sequence[str]) -> Found:
        for name in (DENSE, LONG, MONTH) if RESTART in parts else (DENSE, LONG):
            self._make(name)
        trained(self._histories[LONG].path, self._histories[LONG].models, self._old)
        if STREAM in parts:
            trained(self._histories[LONG].path, self._folder / self._own.name, self._own)
        for name in (DENSE, LONG):
            self._check(name)
        if not OF_A_WORKER.isdisjoint(parts):
            with broker(self._folder) as kafka:
                dense = self._histories[DENSE]
                trees = (*self._sides, self._own)
                benches = {tree.name: Bench(self._folder, kafka, dense, dense, tree, self._old) for tree in trees}
                self._measure_workers(benches, parts)
        for name in (DENSE, LONG):
            if BACKTEST in parts:
                self._trainer("backtest_rows_per_second", name, self._backtest)
            if FEATURES in parts:
                self._trainer("features_rows_per_second", name, self._features)
        return self._found

    def _make(self, name: str) -> None:
        shape = SHAPES[name]
        customers = max(shape.least_customers, round(shape.customers * self._rows / FULL_ROWS))
        path = self._folder / f"{name}.parquet"
        held = generated(path, customers, shape.days, self._old)
        most = held if name == MONTH else self._rows
        self._histories[name] = History(path, min(most, held), self._folder / "models")
        self._say(f"{name}: {held:,} transactions of {customers:,} customers in {shape.days} days")

    def _check(self, name: str) -> None:
        """That the work is the same. And from here on, both have compiled what they compile at first use."""
        for tree in self._sides:
            self._backtest(tree, name)
            self._say(f"{name} {tree.name}: the backtest's digest is {self._found.digests[name]}")

    def _measure_workers(self, benches: dict[str, Bench], parts: Sequence[str]) -> None:
        long = self._histories[LONG]
        for bench in benches.values():  # not counted: a worker too compiles at first use
            top_speed(WORKER, bench.fresh(long), min(long.rows, WARM_UP_ROWS))
        for name in (DENSE, LONG):
            if STREAM in parts:
                self._stream(benches, name)
            if PACED in parts:
                self._paced(benches, name)
        if RESTART in parts:
            self._restart(benches)

    def _stream(self, benches: dict[str, Bench], name: str) -> None:
        history = self._histories[name]
        customers = customers_of(history)

        def measure(tree: Tree) -> Speed:
            models = self._folder / tree.name if tree is self._own else history.models
            result = top_speed(WORKER, benches[tree.name].fresh(history._replace(models=models)), history.rows)
            self._say(f"{name} {tree.name}{result.rows_per_second:>10,.0f}/s{result.cpu_microseconds:>8.1f} µs CPU"
                      f"{result.peak_megabytes:>8.0f} MB")  # fmt: skip
            return result

        old, new, own = self._in_turns(measure, (*self._sides, self._own))
        for side in (new, own):
            rates = _each(lambda one: one.rows_per_second, old, side)
            self._keep("rows_per_second", name, history.rows, *rates, is_own=side is own)
            cpu = _each(lambda one: one.cpu_microseconds, old, side)
            self._keep("cpu_microseconds", name, history.rows, *cpu, is_own=side is own)
        memory = _each(lambda one: one.peak_megabytes * 1024 / customers, old, new)
        self._keep("kilobytes_a_customer", name, history.rows, *memory)
        self._found.threads[name] = {
            "old": [one.cpu_by_thread for one in old],
            "new": [one.cpu_by_thread for one in new],
        }

    def _paced(self, benches: dict[str, Bench], name: str) -> None:
        history = self._histories[name]

        def measure(tree: Tree) -> Delay:
            late = paced(benches[tree.name], WORKER, RATE, history)
            self._say(f"{name} {tree.name} at {RATE:,}/s: event to alert {late.median:.0f} ms, p99 {late.p99:.0f} ms, "
                      f"{late.alerts} alerts")  # fmt: skip
            return late

        old, new = self._in_turns(measure, self._sides)
        self._keep("p99_ms", name, paced_rows(RATE, history.rows), *_each(lambda one: one.p99, old, new))

    def _restart(self, benches: dict[str, Bench]) -> None:
        """The first of each is not counted: rebuilding histories is compiled at first use, too."""
        month = self._histories[MONTH]
        month = month._replace(rows=month.rows - (self._turns + 1) * AFTER_ROWS)
        runs = {tree.name: filled(benches[tree.name], month) for tree in self._sides}
        stored = dict.fromkeys(runs, month.rows)

        def measure(tree: Tree) -> float:
            flags = stored[tree.name]
            seconds, _ = started_again(runs[tree.name], flags)
            stored[tree.name] += AFTER_ROWS
            self._say(f"{MONTH} {tree.name}: restart with {flags:,} flags: {seconds:.1f} s to the first score")
            return seconds / flags * 1e6

        for tree in self._sides:
            measure(tree)
        self._keep("restart_seconds", MONTH, month.rows, *self._in_turns(measure, self._sides))

    def _trainer(self, what: str, name: str, seconds_of: Callable[[Tree, str], float]) -> None:
        rows = int(pq.read_metadata(self._histories[name].path).num_rows)

        def measure(tree: Tree) -> float:
            speed = rows / seconds_of(tree, name)
            self._say(f"{name} {tree.name} {TARGETS[what].what}: {speed:,.0f}")
            return speed

        self._keep(what, name, rows, *self._in_turns(measure, self._sides))

    def _backtest(self, tree: Tree, name: str) -> float:
        """Seconds."""
        history, said = self._histories[name], self._folder / "backtest.txt"
        with said.open("wb") as file:
            words = ["backtest", str(history.path), "--bundle", str(history.bundle)]
            seconds, _ = timed(tree.command("trainer", *words), file)
        found = re.search(r"^digest (\S+)$", said.read_text(), re.MULTILINE)
        assert found is not None, said.read_text()
        check_digest(self._found.digests, name, found[1], tree.name)
        return seconds

    def _features(self, tree: Tree, name: str) -> float:
        history, out = str(self._histories[name].path), str(self._folder / "features.parquet")
        return timed(tree.command("trainer", "features", history, "--out", out, "--force"))[0]

    def _in_turns(self, measure: Callable[[Tree], Measured], sides: Sequence[Tree]) -> list[list[Measured]]:
        """Of each side. Each turn another end begins, so that a machine that grows slow favours neither."""
        found: dict[str, list[Measured]] = {tree.name: [] for tree in sides}
        for turn in range(self._turns):
            for tree in sides if turn % 2 == 0 else reversed(sides):
                found[tree.name].append(measure(tree))
        return list(found.values())

    def _keep(
        self, measure: str, history: str, rows: int, old: list[float], new: list[float], *, is_own: bool = False
    ) -> None:
        self._found.pairs.append(Pair(measure, history, rows, old, new, is_own))


def _each(
    value: Callable[[Measured], float], old: Iterable[Measured], new: Iterable[Measured]
) -> tuple[list[float], list[float]]:
    return [value(one) for one in old], [value(one) for one in new]


def check_digest(digests: dict[str, str], history: str, digest: str, tree: str) -> None:
    """Keeps the first of a history. Another one ends the contest."""
    expected = digests.setdefault(history, digest)
    if digest != expected:
        raise SystemExit(
            f"{history}: got the digest {digest} of a backtest by the {tree} tree, expected {expected}, the other's: "
            "they do not do the same work, so there is no ratio"
        )


def customers_of(history: History) -> int:
    """Of the transactions that are replayed."""
    column = pq.read_table(history.path, columns=["customer_id"])["customer_id"]
    return int(pc.count_distinct(column.slice(0, history.rows)).as_py())
