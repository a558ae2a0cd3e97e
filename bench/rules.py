"""What rules cost beside the model: µs of CPU for each rule and transaction, with 100 different rules.

    python -m bench.rules [--rows 60000] [--repeat 5]

Features are the engine's, of a generated `cards` history; rules compare them with numbers and with each other, texts,
and lists of a thousand customers each. The target is 0.05 with the chunks of a busy worker.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.alone import run_alone
from bench.results import spread
from bench.stream.system import ROWS_OF_A_CUSTOMER, generated
from console.start import EXIT_FAILED, EXIT_OK
from risk.block import Block
from risk.catalogue import EngineTerms
from risk.clock import DAY
from risk.codes import Array
from risk.dataset import open_dataset
from risk.engine import Engine, FeatureBlock, Verdict
from risk.events import Action, Mode
from risk.ledger import SeenDays
from risk.rules.compiled import CompiledRules
from risk.rules.rule_set import ListEntry, Rule, RuleSet

RULES = 100
CHUNKS = (4_096, 1_000, 100)
BUSY = 1_000
MOST_US = 0.05
ENTRIES = 1_000
ROWS = 60_000


class Piece(NamedTuple):
    """A chunk that the engine has seen."""

    features: FeatureBlock
    block: Block
    rows: Array
    scores: Array


def rule_set(customers: list[str], begin: int) -> RuleSet:
    """Few of them fire, as with rules that somebody works."""
    dice = random.Random(1)
    windows = ("1h", "1d", "7d", "30d")
    whens: list[str] = []
    for number in range(RULES):
        low, window = f"{200 + number * dice.random() * 20:.2f}", dice.choice(windows)
        whens.append(
            (
                f"amount > {low} and customer_count_{window} >= {dice.randrange(5, 40)}",
                f"amount > {4 + number / 10:.1f} * customer_mean_{window} and (night or new_device_30d) "
                f"and score > {dice.random():.3f}",
                f"customer_sum_{window} / customer_count_30d > {low} and not weekend and merchant_id is not missing",
                f'country == "{dice.choice(["US", "GB", "NG"])}" and seconds_since_last < {dice.randrange(60, 600)}',
                f'customer_id in list("l{number}") and amount > {low}',
            )[number % 5]
        )
    rules = tuple(
        Rule(name=f"r{number:03}", when=when, action=Action.REVIEW, mode=Mode.ON, sentence="because", owner="bench")
        for number, when in enumerate(whens)
    )
    lists = {
        f"l{number}": tuple(
            ListEntry("customer_id", dice.choice(customers) if place % 100 == 0 else f"X{number}-{place}",
                      begin + place * DAY // 100, None, "")
            for place in range(ENTRIES)
        )
        for number in range(4, RULES, 5)
    }  # fmt: skip
    return RuleSet(rules, {}, lists)


def pieces(blocks: list[tuple[FeatureBlock, Block]], size: int) -> Iterator[Piece]:
    dice = np.random.default_rng(1)
    for features, block in blocks:
        for first in range(0, len(block), size):
            last = first + size
            part = features.cut(first, last)
            rows = np.flatnonzero(part.verdicts == Verdict.SCORED)
            yield Piece(part, block.cut(first, last), rows, dice.random(len(rows)) ** 8)


def microseconds(rules: CompiledRules, all_pieces: list[Piece]) -> tuple[float, float]:
    """A transaction, and which share of them a rule fires on."""
    began, fired = time.process_time(), 0
    for piece in all_pieces:
        fired += sum(1 for rules_of_row in rules.evaluate(*piece).fired if tuple(rules_of_row))
    took = time.process_time() - began
    count = sum(len(piece.rows) for piece in all_pieces)
    return took / count * 1e6, fired / count


def cost_of_rules(rows: int, repeat: int) -> dict[str, Any]:
    """Microseconds a rule and transaction, of each turn and size of chunks."""
    with tempfile.TemporaryDirectory() as name:
        history = Path(name) / "cards.parquet"
        generated(history, max(1, rows // ROWS_OF_A_CUSTOMER))
        dataset, terms = open_dataset(history), EngineTerms("EUR")
        engine = Engine(dataset.feature_set, terms, SeenDays(terms.ledger_terms))
        blocks = [(engine.features(rows.block), rows.block) for rows in dataset.rows()]
    customers = sorted({one for _, block in blocks for one in block.customer_id})
    rules = CompiledRules(rule_set(customers, int(blocks[0][1].event_time[0])), dataset.feature_set)
    chunks = []
    for size in CHUNKS:
        cut = list(pieces(blocks, size))
        microseconds(rules, cut[:1])
        found = [microseconds(rules, cut) for _ in range(repeat)]
        chunks.append({"rows": size, "each": [took / RULES for took, _ in found], "fires_on": found[0][1]})
    return {"rules": RULES, "transactions": sum(len(block) for _, block in blocks), "chunks": chunks}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    found = cost_of_rules(options.rows, options.repeat)
    print(f"{found['rules']} rules, {found['transactions']:,} transactions")
    print(f"{'chunks of':<12}{'µs a rule and transaction: least':>34}{'median':>10}{'most':>10}{'fires on':>12}")
    medians = {}
    for one in found["chunks"]:
        medians[one["rows"]], least, most = spread(one["each"])
        print(f"{one['rows']:<12,}{least:>34.4f}{medians[one['rows']]:>10.4f}{most:>10.4f}{one['fires_on']:>12.1%}")
    is_met = medians[BUSY] <= MOST_US
    print(f"target: at most {MOST_US} in chunks of {BUSY:,}: {'met' if is_met else 'missed'}")
    return EXIT_OK if is_met else EXIT_FAILED


if __name__ == "__main__":
    run_alone(main)
