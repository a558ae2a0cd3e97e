"""What models and rules that live cost the worker, as a part of the benchmark and a section of its page: swaps of
bundles, challengers, samples, rules.

python -m bench --only living
"""

from typing import Any

from bench.added import CUSTOMERS, added
from bench.results import ratios, spread
from bench.rules import ROWS, cost_of_rules
from bench.stream.compare import Say
from bench.stream.system import LEAST_CUSTOMERS
from bench.swap import RATE, SECONDS, STRETCH_SECONDS, swaps
from bench.table import table
from bench.targets import ranged


def living(rows: int, full_rows: int, repeat: int, say: Say) -> dict[str, Any]:
    """`rows` of `full_rows`: of each, as much less as that is, but for what it takes to see a swap and to train."""
    share = rows / full_rows
    say("swaps of bundles")
    found: dict[str, Any] = {"swaps": swaps(RATE, max(2 * STRETCH_SECONDS, SECONDS * share))}
    say("samples and challengers")
    found["added"] = added(max(LEAST_CUSTOMERS, round(CUSTOMERS * share)), repeat)
    say("rules")
    found["rules"] = cost_of_rules(round(ROWS * share), repeat)
    return found


def living_section(found: dict[str, Any]) -> list[str]:
    return [
        "## Models and rules that live\n",
        *_swaps(found["swaps"]),
        *_added(found["added"]),
        *_rules(found["rules"]),
    ]


def _swaps(found: dict[str, Any]) -> list[str]:
    rows = [
        (
            what,
            f"{found[side]['transactions']:,}",
            f"{found[side]['median']:,.0f}",
            f"{found[side]['p99']:,.0f}",
            f"{found[side]['longest']:,.0f}",
        )
        for what, side in (("without a swap", "without"), ("within 3 s of a promotion", "beside"))
    ]
    return [
        "### A swap of bundles\n",
        f"One worker, {found['rate']:,} transactions a second, two LightGBM bundles that are promoted in turns: "
        f"{found['promotions']} promotions, {found['swaps']} times a partition went on with another bundle. From the "
        "broker taking a transaction to its taking the flag.\n",
        table(("", "transactions", "transaction to flag, ms: p50", "p99", "longest"), rows),
    ]


def _added(found: dict[str, Any]) -> list[str]:
    rows = [
        (
            one["what"],
            f"{one['chunk_rows']:,}",
            ranged(spread(one["without"]), 1),
            ranged(spread(one["beside"]), 1),
            ranged(ratios(one["beside"], one["without"]), 2),
        )
        for one in found["added"]
    ]
    return [
        "### Samples and challengers\n",
        "Processor time of a transaction on its whole way through the worker but for Kafka, in one thread "
        f"(`python -m bench.added`, {found['transactions']:,} transactions). A challenger is of the same kind as the "
        "bundle in use. What scores in the shadow gives way when a worker falls behind.\n",
        table(("", "chunks of", "without, CPU µs", "with, CPU µs", "times"), rows),
    ]


def _rules(found: dict[str, Any]) -> list[str]:
    rows = [(f"{one['rows']:,}", ranged(spread(one["each"]), 3), f"{one['fires_on']:.1%}") for one in found["chunks"]]
    return [
        "### Rules\n",
        f"{found['rules']} different rules beside the model (`python -m bench.rules`, {found['transactions']:,} "
        "transactions).\n",
        table(("chunks of", "CPU µs a rule and transaction", "one fires on"), rows),
    ]
